"""The outside of a glTF file: GLB chunks, JSON, buffers and where their bytes may come from.

`open_gltf` gives a `Source`: the typed document, its bytes on demand and the sentences of its faults. External files
must lie beside or below the file that names them; a name that leaves that folder is refused, whatever its spelling.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.assets.budget import Budget
from studio.assets.files import read_file
from studio.assets.gltf.records import Extensions, Gltf
from studio.assets.report import Notes
from studio.errors import BadAsset, Unsupported

Bytes = NDArray[np.uint8]
R = TypeVar("R")

# counts that a file may have before it is refused, far above what a scene holds
LIMITS = {
    "nodes": 300_000,
    "meshes": 200_000,
    "materials": 50_000,
    "accessors": 1_000_000,
    "buffers": 10_000,
    "buffer_views": 1_000_000,
    "textures": 50_000,
    "samplers": 50_000,
    "images": 20_000,
    "cameras": 50_000,
    "skins": 50_000,
    "animations": 50_000,
    "scenes": 10_000,
}
JSON_OBJECTS = 1_500_000

# extensions that are read; any other in extensionsRequired refuses the file by its name
EXTENSIONS = frozenset(
    {
        "KHR_lights_punctual",
        "KHR_mesh_quantization",
        "KHR_texture_transform",
        "KHR_texture_basisu",
        "KHR_draco_mesh_compression",
        "KHR_materials_emissive_strength",
        "KHR_materials_ior",
        "KHR_materials_specular",
        "KHR_materials_transmission",
        "KHR_materials_volume",
        "KHR_materials_clearcoat",
        "KHR_materials_sheen",
        "KHR_materials_anisotropy",
        "KHR_materials_iridescence",
        "KHR_materials_dispersion",
        "KHR_materials_unlit",
        "KHR_materials_variants",
        "EXT_meshopt_compression",
        "EXT_mesh_gpu_instancing",
        "EXT_texture_webp",
        "VRMC_vrm",
        "VRMC_vrm_animation",
        "VRM",
    }
)


class Source:
    """An open glTF file: its document, its buffers and its report. `name` opens every sentence about it."""

    def __init__(
        self, path: Path, document: Gltf, chunk: Bytes | None, *, size: int, notes: Notes, strict: bool
    ) -> None:
        self.path = path
        self.name = path.name
        self.document = document
        self.notes = notes
        self.strict = strict
        self.budget = Budget(self.name, size)
        self._chunk = chunk
        self._buffers: dict[int, Bytes] = {}

    def bad(self, place: str, what: str) -> BadAsset:
        """The sentence of a fault at a place of the file."""
        return BadAsset(f"{self.name}: {place} {what}.")

    def follow(self, items: list[R], index: int, place: str, kind: str) -> R:
        """The item an index names, or BadAsset when there is none."""
        if not 0 <= index < len(items):
            raise self.bad(place, f"names {kind} {index}, but the file has {len(items)}; export it again")
        return items[index]

    def extension(self, extensions: Extensions, name: str, record: type[R], place: str) -> R | None:
        """The typed record of an extension, or None where it is absent."""
        raw = extensions.get(name)
        return None if raw is None else decode(bytes(raw), record, self.name, f"{place}.extensions.{name}")

    def buffer(self, index: int, place: str) -> Bytes:
        """The bytes of a buffer, read once."""
        if index not in self._buffers:
            record = self.follow(self.document.buffers, index, place, "buffer")
            data = self._load_buffer(index, record.uri)
            if len(data) < record.byte_length:
                raise self.bad(
                    f"buffers[{index}]",
                    f"should hold {record.byte_length:,} bytes but has {len(data):,}; the file is truncated",
                )
            self._buffers[index] = data[: record.byte_length]
        return self._buffers[index]

    def _load_buffer(self, index: int, uri: str | None) -> Bytes:
        place = f"buffers[{index}]"
        if uri is None:
            if index != 0 or self._chunk is None:
                raise self.bad(place, "has no data: it names no file and the GLB holds no binary chunk for it")
            return self._chunk
        return np.frombuffer(self.resource(uri, place)[0], np.uint8)

    def resource(self, uri: str, place: str) -> tuple[bytes, str]:
        """The bytes behind a URI and its media type ("" when unsaid): a data URI or a file beside this one."""
        if uri[:5].lower() == "data:":
            return self._data_uri(uri, place)
        data = read_file(self.beside(uri, place), f"{self.name}: {place}")
        self.budget.grow(len(data))
        return data, ""

    def _data_uri(self, uri: str, place: str) -> tuple[bytes, str]:
        head, comma, body = uri.partition(",")
        if not comma:
            raise self.bad(place, "has a data URI without a comma")
        mime, *options = head[5:].split(";")
        try:
            if "base64" in options:
                return base64.b64decode(unquote(body) if "%" in body else body, validate=False), mime
            return unquote(body).encode("latin-1"), mime
        except (binascii.Error, ValueError) as error:
            raise self.bad(place, f"has a broken data URI ({error})") from error

    def beside(self, uri: str, place: str) -> Path:
        """The path of a file named by this one; names that leave the folder are refused."""
        name = unquote(uri)
        parts = name.split("/")
        if (
            not name
            or "\0" in name
            or "\\" in name
            or name.startswith("/")
            or ".." in parts
            or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", name)
        ):
            shown = name if len(name) < 80 else name[:77] + "..."
            raise self.bad(place, f"names {shown!r}, which is not a file in this file's folder; move it there")
        return self.path.parent / name


def decode(data: bytes, record: type[R], name: str, place: str = "") -> R:
    """JSON to a typed record; BadAsset names the place of a fault."""
    try:
        return msgspec.json.decode(data, type=record)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `")
        where = ".".join(part for part in (place, where.rstrip("`").removeprefix("$").lstrip(".")) if part)
        raise BadAsset(f"{name}: {where or 'the document'}: {what[0].lower() + what[1:]}; export it again.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAsset(f"{name}: {place or 'the file'} is not sound JSON ({error}).") from error
    except RecursionError as error:
        raise BadAsset(f"{name}: {place or 'the file'} nests its JSON too deeply to be a scene.") from error


def open_gltf(path: Path, notes: Notes, *, strict: bool = False) -> Source:
    """Open a .gltf or .glb (or .vrm) file and check its document; buffers are read when they are asked for."""
    data = read_file(path, path.name)
    if data[:4] == b"glTF":
        text, chunk = split_glb(data, path.name, notes)
    else:
        text, chunk = data.removeprefix(b"\xef\xbb\xbf"), None
    if not text.strip(b" \t\r\n\0"):
        raise BadAsset(f"{path.name}: the file is empty; it is no glTF scene.")
    _check_objects(text, path.name)
    document = decode(text, Gltf, path.name)
    source = Source(path, document, chunk, size=len(data), notes=notes, strict=strict)
    _check_document(source)
    return source


def split_glb(data: bytes, name: str, notes: Notes) -> tuple[bytes, Bytes | None]:
    """The JSON text and the binary chunk of a GLB."""
    if len(data) < 20:
        raise BadAsset(f"{name}: the GLB ends after {len(data)} bytes, within its header; it is truncated.")
    _, version, length = struct.unpack_from("<4sII", data)
    if version != 2:
        raise Unsupported(f"{name}: is GLB version {version}; Myriad reads version 2, so convert it first.")
    if length > len(data):
        raise BadAsset(f"{name}: the GLB should have {length:,} bytes but has {len(data):,}; it is truncated.")
    if length < len(data):
        notes.warn(f"{name}: {len(data) - length:,} bytes after the end of the GLB were ignored.")
    text: bytes | None = None
    binary: Bytes | None = None
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + size > length:
            raise BadAsset(f"{name}: the GLB chunk at byte {at} runs past the end of the file; it is truncated.")
        if kind == b"JSON" and text is None:
            text = data[at + 8 : at + 8 + size]
        elif kind == b"BIN\0" and binary is None:
            binary = np.frombuffer(data, np.uint8, size, at + 8)
        at += 8 + size + (-size) % 4
    if text is None:
        raise BadAsset(f"{name}: the GLB has no JSON chunk.")
    return text.rstrip(b" \0"), binary


def _check_objects(text: bytes, name: str) -> None:
    """Refuse documents of absurd counts and objects that say a key twice, before anything is built from them."""
    if text.count(b"{") > JSON_OBJECTS or text.count(b"[") > 2 * JSON_OBJECTS:
        raise BadAsset(f"{name}: the JSON holds more than {JSON_OBJECTS:,} objects; split the scene.")

    def check(pairs: list[tuple[str, object]]) -> None:
        keys = [key for key, _ in pairs]
        if len(keys) != len(set(keys)):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise BadAsset(f"{name}: an object of the JSON has the key {twice[:60]!r} twice; export it again.")

    try:
        json.loads(text, object_pairs_hook=check, parse_int=len, parse_float=len)
    except RecursionError as error:
        raise BadAsset(f"{name}: the file nests its JSON too deeply to be a scene.") from error
    except ValueError as error:
        raise BadAsset(f"{name}: the file is not sound JSON ({error}).") from error


def _check_document(source: Source) -> None:
    document, name = source.document, source.name
    if not document.asset.version.startswith("2"):
        raise Unsupported(f"{name}: is glTF {document.asset.version[:20]!r}; Myriad reads glTF 2, so convert it first.")
    for kind, limit in LIMITS.items():
        count = len(getattr(document, kind))
        if count > limit:
            raise BadAsset(f"{name}: has {count:,} {kind.replace('_', ' ')}, more than {limit:,}; split the scene.")
    missing = sorted(set(document.extensions_required) - EXTENSIONS)
    if missing:
        raise Unsupported(f"{name}: requires {', '.join(missing)[:300]}, which Myriad cannot read; export without it.")
    for extension in sorted(set(document.extensions_used) - EXTENSIONS):
        source.notes.dropped(f"The extension {extension[:80]} is not read.")
