"""Layers of lights at the size of a view, in memory: half floats, each cut to the box in which its light is not zero.

Nothing is lost that a half float holds; the sum is made in float32. 300 layers of 960x540 that are lit everywhere are
0.93 GB. What goes beyond the budget lies in a temporary file that is mapped into memory: a step of the mixer reads one
layer (3 MB), which the system has in its cache as long as there is room, and drops when there is not.
"""

from __future__ import annotations

import tempfile
import weakref
from typing import IO

import numpy as np
from numpy.typing import NDArray

from studio.errors import CannotWrite

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Rect = tuple[int, int, int, int]
BUDGET_BYTES = 512 << 20
_LARGEST = np.float32(65504.0)


class Store:
    """Layers of one shape (h, w), in the order they were given. Close it to free the temporary file."""

    def __init__(self, shape: tuple[int, int], *, budget_bytes: int = BUDGET_BYTES) -> None:
        self.shape = shape
        self.held_bytes = self.spilled_bytes = 0
        self._budget = budget_bytes
        self._data: list[NDArray[np.float16]] = []
        self._boxes: list[Rect] = []  # y0, y1, x0, x1
        self._means: list[F64] = []
        self._spill: IO[bytes] | None = None

    def __len__(self) -> int:
        return len(self._data)

    @property
    def means(self) -> F64:
        """(n, 3) Means of the layers over the whole picture, in nits."""
        return np.array(self._means, np.float64).reshape(-1, 3)

    def append(self, pixels: F32) -> None:
        """Keep one more layer (h, w, 3) in nits. What is no number is 0, what no half float holds the largest."""
        if pixels.shape != (*self.shape, 3):
            raise ValueError(f"a layer of shape {pixels.shape} for a store of {self.shape}")
        clean = np.clip(np.nan_to_num(pixels, nan=0.0, posinf=float(_LARGEST), neginf=0.0), -_LARGEST, _LARGEST)
        lit = (clean.astype(np.float16) != 0).any(axis=-1)
        rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
        box = (0, 0, 0, 0)
        if rows.size:
            box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
        y0, y1, x0, x1 = box
        self._data.append(self._placed(clean[y0:y1, x0:x1].astype(np.float16)))
        self._boxes.append(box)
        self._means.append(np.asarray(clean.mean(axis=(0, 1), dtype=np.float64)))

    def _placed(self, data: NDArray[np.float16]) -> NDArray[np.float16]:
        """The data in memory, or in the file when the budget is used up."""
        if self.held_bytes + data.nbytes <= self._budget or not data.size:
            self.held_bytes += data.nbytes
            return np.ascontiguousarray(data)
        try:
            if self._spill is None:
                self._spill = tempfile.TemporaryFile(prefix="myriad-mix-")  # noqa: SIM115  lives as long as the store
                weakref.finalize(self, self._spill.close)
            at = self._spill.seek(0, 2)
            self._spill.write(data.tobytes())
            self._spill.flush()
        except OSError as fault:
            raise CannotWrite(
                f"cannot keep the layers of {len(self._data)} lights in {tempfile.gettempdir()}: "
                f"{(fault.strerror or str(fault)).lower()}; make room there, or view them smaller"
            ) from fault
        self.spilled_bytes += data.nbytes
        return np.memmap(self._spill, np.float16, "r", at, data.shape)

    def add_to(self, target: F32, row: int, times: NDArray[np.float32], *, top: int, bottom: int, scratch: F32) -> None:
        """Rows `top` to `bottom` of `target` (h, w, 3) += the layer times a factor (3,). `scratch` is as large as they
        are; what it holds is lost."""
        y0, y1, x0, x1 = self._boxes[row]
        first, last = max(top, y0), min(bottom, y1)
        if first >= last:
            return
        part = scratch[: last - first, : x1 - x0]
        np.copyto(part, self._data[row][first - y0 : last - y0])
        if times[0] == times[1] == times[2]:
            part *= times[0]
        else:  # a whole row of factors is ten times as quick as three that are broadcast
            part *= np.ascontiguousarray(np.broadcast_to(times, part.shape[1:]))
        target[first:last, x0:x1] += part

    def layer(self, row: int) -> F32:
        """(h, w, 3) One layer."""
        out = np.zeros((*self.shape, 3), np.float32)
        y0, y1, x0, x1 = self._boxes[row]
        out[y0:y1, x0:x1] = self._data[row]
        return out

    def region(self, rect: Rect) -> F64:
        """(n, 3) Means of every layer over the pixels x0, y0, x1, y1, end excluded; 0 beside the picture."""
        height, width = self.shape
        x0, y0, x1, y1 = max(rect[0], 0), max(rect[1], 0), min(rect[2], width), min(rect[3], height)
        out = np.zeros((len(self), 3), np.float64)
        if x0 >= x1 or y0 >= y1:
            return out
        for row, (top, bottom, left, right) in enumerate(self._boxes):
            a, b, c, d = max(y0, top), min(y1, bottom), max(x0, left), min(x1, right)
            if a < b and c < d:
                part = self._data[row][a - top : b - top, c - left : d - left]
                out[row] = part.astype(np.float32).sum(axis=(0, 1), dtype=np.float64)
        return out / ((x1 - x0) * (y1 - y0))

    def close(self) -> None:
        """Free the layers."""
        self._data.clear()
        self._boxes.clear()
        self._means.clear()
        if self._spill is not None:
            self._spill.close()
            self._spill = None
