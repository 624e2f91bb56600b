"""Small glTF files made by hand for the tests: a document in plain dictionaries and the bytes it points into."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

CODES = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 9: "MAT3", 16: "MAT4"}

TRIANGLE = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
QUAD = [[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]
QUAD_UV = [[0, 1], [1, 1], [1, 0], [0, 0]]
QUAD_INDICES = [0, 1, 2, 0, 2, 3]


class Maker:
    """Gathers a document; every `add` gives the index of what it added."""

    def __init__(self) -> None:
        self.doc: dict[str, Any] = {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}]}
        self.data = b""

    def add(self, kind: str, record: dict[str, Any]) -> int:
        self.doc.setdefault(kind, []).append(record)
        return len(self.doc[kind]) - 1

    def view(self, data: bytes, **more: Any) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        record = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data), **more}
        self.data += data
        return self.add("bufferViews", record)

    def array(self, values: Any, dtype: str = "f4", **more: Any) -> int:
        """An accessor of (n,) or (n, components) values."""
        rows = np.asarray(values, np.dtype("<" + dtype))
        rows = rows.reshape(len(rows), -1)
        record = {
            "bufferView": self.view(rows.tobytes()),
            "componentType": CODES[dtype],
            "count": len(rows),
            "type": TYPES[rows.shape[1]],
        }
        return self.add("accessors", {**record, **more})

    def mesh(self, positions: Any = TRIANGLE, indices: Any = None, *, attributes: Any = None, **more: Any) -> int:
        """A mesh of one primitive; `more` goes to the primitive."""
        primitive: dict[str, Any] = {"attributes": {"POSITION": self.array(positions), **(attributes or {})}, **more}
        if indices is not None:
            primitive["indices"] = self.array(indices, "u2")
        return self.add("meshes", {"primitives": [primitive]})

    def node(self, *, root: bool = True, **record: Any) -> int:
        index = self.add("nodes", record)
        if root:
            self.doc["scenes"][0]["nodes"].append(index)
        return index

    def image(self, pixels: Any, kind: str = "PNG", **more: Any) -> int:
        """An embedded image of (h, w, c) bytes."""
        out = io.BytesIO()
        array = np.asarray(pixels, np.uint8)
        PIL.Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(out, kind, lossless=True)
        mime = f"image/{kind.lower()}"
        return self.add("images", {"bufferView": self.view(out.getvalue()), "mimeType": mime, **more})

    def texture(self, pixels: Any = ((((255, 0, 0),)),), **more: Any) -> int:
        return self.add("textures", {"source": self.image(np.asarray(pixels).reshape(1, 1, -1)), **more})

    def material(self, record: dict[str, Any]) -> int:
        """A material on a quad that is shown."""
        index = self.add("materials", record)
        attributes = {"TEXCOORD_0": self.array(QUAD_UV), "TEXCOORD_1": self.array(QUAD_UV)}
        self.node(mesh=self.mesh(QUAD, QUAD_INDICES, attributes=attributes, material=index))
        return index

    def extension(self, name: str, record: Any) -> None:
        self.doc.setdefault("extensions", {})[name] = record
        self.doc.setdefault("extensionsUsed", []).append(name)

    def glb(self) -> bytes:
        doc = dict(self.doc)
        data = self.data + b"\0" * (-len(self.data) % 4)
        if data:
            doc["buffers"] = [{"byteLength": len(data)}, *doc.get("buffers", [])]
        return glb(json.dumps(doc).encode(), data)

    def save(self, folder: Path, name: str = "scene.glb") -> Path:
        path = folder / name
        path.write_bytes(self.glb())
        return path

    def save_gltf(self, folder: Path, name: str = "scene.gltf", *, embed: bool = False) -> Path:
        """The document as text, its buffer in a file beside it or in a data URI."""
        uri = "scene%20data.bin"
        if embed:
            uri = "data:application/octet-stream;base64," + base64.b64encode(self.data).decode()
        else:
            (folder / "scene data.bin").write_bytes(self.data)
        doc = {**self.doc, "buffers": [{"byteLength": len(self.data), "uri": uri}]}
        path = folder / name
        path.write_text(json.dumps(doc))
        return path


def glb(text: bytes, data: bytes = b"") -> bytes:
    """A GLB of JSON text and a binary chunk."""
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if data:
        chunks += struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
