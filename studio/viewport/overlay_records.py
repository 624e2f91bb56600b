"""What is drawn over a picture, as arrays: lines, triangles, icons, labels.

Tools and overlays make `Drawing`s in world positions of double precision; `batch` joins them into one `OverlayBatch`
relative to the camera's eye, so that single precision on the GPU is enough however far from the origin one works.
OpenGL 4.1 core has no wide lines, so a line is an instance of a quad that the shader widens on the screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.scene.entities import Id

F64 = NDArray[np.float64]
Rows = NDArray[np.void]
Rgba = tuple[float, float, float, float]

# How a part meets the scene's depth: dimmed where hidden, left out where hidden, always in front; or it is not of the
# world at all and its positions are pixels (x right, y down).
DIMMED, HIDDEN, FRONT, SCREEN = 0, 1, 2, 3
# Flags of a line, added to its depth mode: rounded ends; a dark rim that keeps it readable over bright pixels; behind
# what lies in the same plane rather than before it.
ROUND, RIM, BEHIND = 4, 8, 16

# a line from a to b; `fade` is what is left of its opacity at b
LINE = np.dtype([("a", "f8", (3,)), ("b", "f8", (3,)), ("rgba", "f4", (4,)), ("width", "f4"), ("dash", "f4"),
                 ("fade", "f4"), ("mode", "i4")])  # fmt: skip
CORNER = np.dtype([("at", "f8", (3,)), ("rgba", "f4", (4,)), ("mode", "i4")])
ICON = np.dtype([("at", "f8", (3,)), ("rgba", "f4", (4,)), ("size", "f4"), ("glyph", "i4"), ("flags", "i4"),
                 ("mode", "i4")])  # fmt: skip
# flags of an icon
STRUCK, RING, BARE = 1, 2, 4  # a stroke through it (silent), a ring around it (selected), no dark plate behind it

NO_LINES, NO_CORNERS, NO_ICONS = np.zeros(0, LINE), np.zeros(0, CORNER), np.zeros(0, ICON)


@dataclass(frozen=True, slots=True)
class Label:
    """A text whose left middle stands at a pixel. The widget draws it with its own fonts."""

    x: float
    y: float
    text: str
    rgba: Rgba


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """Parts of an overlay: LINE rows, CORNER rows (three make a triangle), ICON rows and labels."""

    lines: Rows = field(default_factory=lambda: NO_LINES)
    corners: Rows = field(default_factory=lambda: NO_CORNERS)
    icons: Rows = field(default_factory=lambda: NO_ICONS)
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class OverlayBatch:
    """All that one frame draws over its picture. Rows are as in `Drawing`, in world positions (or pixels for SCREEN);
    `icon_ids[i]` is the entity of icon i, "" for none."""

    lines: Rows = field(default_factory=lambda: NO_LINES)
    corners: Rows = field(default_factory=lambda: NO_CORNERS)
    icons: Rows = field(default_factory=lambda: NO_ICONS)
    icon_ids: Sequence[Id] = ()
    labels: tuple[Label, ...] = ()
    top: tuple[Drawing, ...] = ()  # the tools' own, over everything else, one over the other
    pixel_ratio: float = 1.0
    grid_m: float = 0.0  # cell of the grid, 0: none is shown


def lines(
    a: ArrayLike, b: ArrayLike, rgba: ArrayLike, *, width: ArrayLike = 1.5, mode: ArrayLike = DIMMED, dash: float = 0.0
) -> Rows:
    """LINE rows from `a` (n, 3) to `b` (n, 3); `rgba`, `width` (device pixels) and `mode` for all or for each."""
    a = np.asarray(a, np.float64).reshape(-1, 3)
    out = np.empty(len(a), LINE)
    out["a"], out["b"] = a, np.asarray(b, np.float64).reshape(-1, 3)
    out["rgba"], out["width"], out["mode"], out["dash"], out["fade"] = rgba, width, mode, dash, 1.0
    return out


def polyline(
    points: ArrayLike,
    rgba: ArrayLike,
    *,
    closed: bool = False,
    width: float = 1.5,
    mode: int = DIMMED,
    dash: float = 0.0,
) -> Rows:
    """LINE rows along points (n, 3)."""
    at = np.asarray(points, np.float64).reshape(-1, 3)
    following = np.roll(at, -1, axis=0)
    keep = slice(None) if closed else slice(0, -1)
    return lines(at[keep], following[keep], rgba, width=width, mode=mode, dash=dash)


def fan(points: ArrayLike, rgba: ArrayLike, *, mode: int = DIMMED) -> Rows:
    """CORNER rows that fill a convex outline (n, 3)."""
    at = np.asarray(points, np.float64).reshape(-1, 3)
    n = max(len(at) - 2, 0)
    order = np.stack([np.zeros(n, np.intp), np.arange(1, n + 1), np.arange(2, n + 2)], axis=1).reshape(-1)
    out = np.empty(3 * n, CORNER)
    out["at"], out["rgba"], out["mode"] = at[order], rgba, mode
    return out


def joined(parts: Iterable[Drawing]) -> Drawing:
    """One drawing of several, in their order."""
    listed = list(parts)
    if not listed:
        return Drawing()
    return Drawing(
        lines=np.concatenate([p.lines for p in listed]),
        corners=np.concatenate([p.corners for p in listed]),
        icons=np.concatenate([p.icons for p in listed]),
        labels=tuple(label for p in listed for label in p.labels),
    )
