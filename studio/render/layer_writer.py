"""Writing light layers: the strips of a frame, as they are rendered, into one file.

A render gives its strips from top to bottom, and each is compressed while the next is at work, into a hidden file
beside the picture that gets its name when it is whole. Where a render is cut short, a small file `NAME.lights.part`
says how far that is; each of its strips counts only for the very film that it was made with, which it knows by digest.
"""

from __future__ import annotations

import hashlib
import os
import struct
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.errors import CannotWrite
from studio.render.film import Crop, Film, Layout
from studio.render.layer_exr import Attribute, PartHead, PartsWriter, chunks_of, is_black
from studio.render.layer_plan import LayerPlan, plan_layers, shortened
from studio.render.light_layers import ALBEDO, BEAUTY, NORMAL, REST, journal_path, layers_path
from studio.render.output import drop_hidden, drop_leftovers, hidden_stem, replacing, software
from studio.render.partial import settings_digest
from studio.render.settings import RenderSettings
from studio.scene import color
from studio.scene.flat import FlatScene
from studio.scene.lights import KINDS

_DIGITS = 17  # binary, of the beauty and the rest: 4e-6, and what a float has beyond that does not pack
_MAGIC = b"MYRDLAY1"
_LONGEST_NAME = 120
_F16 = NDArray[np.float16]
_F32 = NDArray[np.float32]


class _Strip(msgspec.Struct, array_like=True):
    """A strip that is in the file: its lines, the digest of its film, and where its chunks end."""

    top: int
    bottom: int
    film: str
    end: int = 0


class _Journal(msgspec.Struct):
    """How far a file is."""

    data: str  # name of the hidden file
    identity: str
    strips: list[_Strip]


class LayersWriter:
    """The layers of one frame on their way to a file. Strips come in order; `finish`, `keep` or `drop` it at the end.

    `picture` is the path of the beauty's file, `about` what the header says of the frame, `settings` what was asked
    for. With `resume`, strips that an earlier run left are taken over where they fit.
    Raises `CannotWrite`.
    """

    def __init__(
        self,
        picture: Path,
        flat: FlatScene,
        layout: Layout,
        *,
        about: Mapping[str, Attribute],
        settings: RenderSettings,
        resume: bool = False,
    ) -> None:
        self.path, self._journal = layers_path(picture), journal_path(picture)
        self.plan, entities = plan_layers(flat)
        self.layout = layout
        heads = _heads(flat, self.plan, entities, {**about, "myriad:samples": settings.samples})
        self._places = {head.attributes["myriad:layer"]: i for i, head in enumerate(heads)}
        self._pending: Future[None] | None = None
        self._cells: tuple[_F16, _F32] | None = None
        self._strips: list[_Strip] = []
        known = msgspec.json.encode([(h.name, h.floats, dict(h.attributes)) for h in heads])
        self._identity = hashlib.blake2b(
            known
            + str((layout.width, layout.height, layout.crop, settings.samples, settings_digest(settings))).encode(),
            digest_size=16,
        ).hexdigest()
        self._packers = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="layers")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="layers-writer")
        found = self._left() if resume else None
        drop_layer_leftovers(picture, but=found[0].data if found is not None else "")
        if found is None:
            self._forget()
        with self._told():
            if found is not None:
                self._data = self.path.with_name(found[0].data)
                self._file = open(self._data, "r+b")  # noqa: SIM115 - closed by `_close`
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._data = self.path.with_name(f".{hidden_stem(picture)}.lights-{uuid.uuid4().hex[:12]}.exr")
                self._file = open(self._data, "w+b")  # noqa: SIM115
            self._parts = PartsWriter(self._file, heads, (layout.width, layout.height), layout.crop)
            if found is not None:
                self._strips, self._parts.offsets = found[0].strips, found[1]

    def _left(self) -> tuple[_Journal, NDArray[Any]] | None:
        """What an earlier run of the same frame left, if all of it is there."""
        try:
            text = self._journal.read_bytes()
            (length,) = struct.unpack_from("<I", text, 8)
            journal = msgspec.json.decode(text[12 : 12 + length], type=_Journal)
            offsets = np.frombuffer(text[12 + length :], "<u8").reshape(-1, chunks_of(self.layout.crop)).copy()
            data = self.path.with_name(journal.data)
            whole = not journal.strips or data.stat().st_size >= journal.strips[-1].end > 0
        except (OSError, ValueError, struct.error, msgspec.MsgspecError, RecursionError):
            return None  # there is none, or it is not worth more than rendering it again
        fits = text.startswith(_MAGIC) and journal.identity == self._identity and len(offsets) == len(self._places)
        return (journal, offsets) if fits and whole and _is_data(journal.data) else None

    def holds(self, strip: Crop, film: Film) -> bool:
        """Whether the file has a strip as this film of it (which has samples) goes with. Asked from the top down: what
        lies below one that it has not is given up."""
        index = next((i for i, s in enumerate(self._strips) if (s.top, s.bottom) == (strip[1], strip[3])), None)
        if index is not None and film.counts.any() and self._strips[index].film == _digest(film):
            return True
        self._wait()
        kept = len(self._strips) if index is None else index
        if index is None and self._strips and self._strips[-1].bottom > strip[1]:
            kept = 0  # other strips than these
        with self._told():
            del self._strips[kept:]
            end = self._strips[-1].end if self._strips else self._parts.first
            self._file.seek(end)
            self._file.truncate()
        return False

    def take(self, strip: Crop, cell: Crop, halves: _F16, floats: _F32) -> None:
        """The layers of a cell of the strip at work, as `LayerPlan.carve` lays them out. Where the cell is all of the
        strip they are not copied, and must stay as they are until the next `strip_done` returns."""
        if cell == strip:
            self._cells = halves, floats
            return
        if self._cells is None:
            lines, width = strip[3] - strip[1], strip[2] - strip[0]
            block = memoryview(bytearray(max(self.plan.nbytes(width, lines), 1)))
            self._cells = self.plan.carve(block, width, lines)
        a, b = cell[0] - strip[0], cell[2] - strip[0]
        self._cells[0][..., a:b] = halves
        self._cells[1][..., a:b] = floats

    def strip_done(self, strip: Crop, film: Film) -> None:
        """All cells of a strip were taken, and this is its film. It is compressed by threads from here on."""
        self._wait()
        cells, self._cells = self._cells, None
        if cells is None:
            raise ValueError("a strip without layers")
        self._strips.append(_Strip(strip[1], strip[3], _digest(film)))
        self._pending = self._writer.submit(self._write, self._strips[-1], cells[0], cells[1], film)

    def _write(self, strip: _Strip, halves: _F16, floats: _F32, film: Film) -> None:
        beauty = _lines(film.rgb(""))
        rest = beauty.astype(np.float64)
        layers: list[tuple[int, NDArray[Any]]] = [(self._places[BEAUTY], shortened(beauty, _DIGITS))]
        for name, layer in ((ALBEDO, "albedo"), (NORMAL, "N")):
            layers.append((self._places[name], _lines(film.rgb(layer)).astype(np.float16)))
        for numbers, pixels in ((self.plan.halves, halves), (self.plan.floats, floats)):
            for number, lines in zip(numbers, pixels, strict=True):
                if not is_black(lines):
                    rest -= lines
                layers.append((self._places[number], lines))
        layers.append((self._places[REST], shortened(rest.astype(np.float32), _DIGITS)))
        with self._told():
            for (place, _), chunks in zip(
                layers, self._packers.map(self._parts.pack, (lines for _, lines in layers)), strict=True
            ):
                self._parts.write_packed(place, strip.top, chunks)
            self._file.flush()
            strip.end = self._file.tell()

    def _wait(self) -> None:
        """Until the strip before is written; what it met is raised here."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            pending.result()
        except BaseException:
            self._strips.pop()
            raise

    def finish(self) -> Path:
        """Give the file its name. Raises `CannotWrite`."""
        self._wait()
        with self._told():
            self._parts.finish()
            self._close()
            os.replace(self._data, self.path)
        self._forget()
        return self.path

    def keep(self) -> None:
        """Write down how far the file is, for another run to go on; more strips may follow. Raises `CannotWrite`."""
        if self.closed:
            return
        self._wait()
        text = msgspec.json.encode(_Journal(self._data.name, self._identity, self._strips))
        with replacing(self._journal) as temporary:
            temporary.write_bytes(_MAGIC + struct.pack("<I", len(text)) + text + self._parts.offsets.tobytes())

    def close(self) -> None:
        """Let go of a file that was kept."""
        try:
            self._wait()
        finally:
            self._close()

    def drop(self) -> None:
        """Remove an unfinished file."""
        if self.closed:
            return
        if self._pending is not None:
            self._pending.exception()
        self._pending = None
        self._close()
        self._data.unlink(missing_ok=True)
        self._forget()

    @property
    def closed(self) -> bool:
        """Whether the file is out of hand: finished, kept or dropped."""
        return self._file.closed

    def _close(self) -> None:
        self._writer.shutdown()
        self._packers.shutdown()
        self._file.close()

    def _forget(self) -> None:
        """Remove the journal of an earlier run and what it speaks of."""
        drop_layer_parts(self._journal)

    def _told(self) -> _Told:
        return _Told(self.path)


def drop_layer_parts(journal: Path) -> None:
    """Remove a journal and the unfinished file that it names."""
    try:
        text = journal.read_bytes()
        (length,) = struct.unpack_from("<I", text, 8)
        name = msgspec.json.decode(text[12 : 12 + length], type=_Journal).data if text.startswith(_MAGIC) else ""
    except (OSError, ValueError, struct.error, msgspec.MsgspecError, RecursionError):
        name = ""
    try:
        if _is_data(name):
            journal.with_name(name).unlink(missing_ok=True)
        journal.unlink(missing_ok=True)
    except OSError:
        return  # it is in nobody's way: the next finished render replaces it


def drop_layer_leftovers(picture: Path, *, but: str = "") -> None:
    """Remove unfinished files of a picture's layers whose render was killed before it could write down how far it was,
    but for the one called `but`."""
    drop_hidden(picture, r"\.lights-[0-9a-f]{12}\.exr", but=but)
    drop_leftovers(journal_path(picture))


def _is_data(name: str) -> bool:
    """Whether a name in a journal is one that a writer makes, and no way out of its folder."""
    head, mark, tail = name.rpartition(".lights-")
    plain = not set(head) & set("/\\\0") and head.startswith(".")
    return bool(mark) and plain and tail.endswith(".exr") and tail[:-4].isalnum() and len(tail) == 16


class _Told:
    """OSErrors become `CannotWrite`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, fault: BaseException | None, at: object) -> None:
        if isinstance(fault, OSError):
            reason = (fault.strerror or str(fault)).lower()
            raise CannotWrite(f"cannot write {self.path}: {reason}; choose another folder or make room") from fault


def _digest(film: Film) -> str:
    """Whose layers a strip's are: the film's colours and counts, bit for bit."""
    total = hashlib.blake2b(np.ascontiguousarray(film.counts).tobytes(), digest_size=16)
    total.update(np.ascontiguousarray(film.sums[..., :3]).tobytes())
    return total.hexdigest()


def _lines(pixels: _F32) -> _F32:
    """(h, w, 3) red, green, blue to (h, 3, w) blue, green, red."""
    return np.ascontiguousarray(pixels.transpose(0, 2, 1)[:, ::-1])


def _heads(flat: FlatScene, plan: LayerPlan, entities: Sequence[int], about: Mapping[str, Attribute]) -> list[PartHead]:
    """The parts of a file in their order. `myriad:layer` is the layer's number, or what else the part is."""
    shared: dict[str, Attribute] = {"chromaticities": color.CHROMATICITIES[color.REC709]}
    said = {name: value for name, value in about.items() if value != ""}
    heads = [
        PartHead(BEAUTY, True, {**shared, "Software": software(), **said, "myriad:layer": BEAUTY}),
        PartHead(ALBEDO, False, {**shared, "myriad:layer": ALBEDO}),
        PartHead(NORMAL, False, {**shared, "myriad:layer": NORMAL}),
    ]
    kinds = {number: name for name, number in KINDS.items()}
    first = {layer: row for row, layer in reversed(list(enumerate(plan.layers)))}
    taken = {BEAUTY, ALBEDO, NORMAL, REST}
    for layer, entity in enumerate(entities):
        row = flat.lights[first[layer]]
        name = flat.light_names[entity]
        heads.append(
            PartHead(
                _part_name(name, taken),
                layer in plan.floats,
                {
                    **shared,
                    "myriad:layer": layer,
                    "myriad:id": flat.light_ids[entity],
                    "myriad:name": name.replace("\0", " "),
                    "myriad:group": flat.light_groups[row["group"]],
                    "myriad:kind": kinds[int(row["kind"])],
                },
            )
        )
    return [*heads, PartHead(REST, True, {**shared, "myriad:layer": REST})]


def _part_name(name: str, taken: set[str]) -> str:
    """A part's name: the light's, without what readers stumble over, and each once."""
    plain = "".join(c if c.isprintable() and c != "." else "_" for c in name)[:_LONGEST_NAME] or "light"
    found, n = plain, 2
    while found in taken:
        found, n = f"{plain} {n}", n + 1
    taken.add(found)
    return found
