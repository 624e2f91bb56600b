"""The tongue: a tube of rings from its root to its tip, flat on top with a groove, that comes out with tongueOut."""

from __future__ import annotations

import numpy as np

from studio.figure.bust.pieces import F64, Piece, sheet

_RINGS, _SIDES = 26, 28


def tongue(tip: F64, *, width: float = 0.046, length: float = 0.062) -> Piece:
    """A tongue in metres whose tip lies at `tip`, behind the lower incisors; morphs "tongueOut" and "jawOpen", the
    latter on top of the jaw's turn, which the tongue follows less with its back."""
    rest = _rings(tip, width, length)
    out = sheet(rest, closed=True, flip=True)
    t = np.linspace(0, 1, _RINGS + 1)[:, None, None]
    reach = np.clip((t - 0.25) / 0.75, 0, 1)
    way = (
        np.array([0.0, 0.004, 0.036]) * reach**1.3
        + np.array([0.0, -0.014, 0.0]) * np.clip((t - 0.62) / 0.38, 0, 1) ** 2
    )
    narrow = (rest - rest.mean(axis=1, keepdims=True)) * (np.array([-0.12, -0.15, 0.0]) * reach)
    lift = np.array([0.0, 0.006, 0.0]) * np.sin(np.pi * np.clip(t, 0, 1) * 0.7)
    return Piece(
        out.positions,
        out.triangles,
        out.normals,
        out.uv,
        {"tongueOut": (way + narrow).reshape(-1, 3), "jawOpen": np.broadcast_to(lift, rest.shape).reshape(-1, 3)},
    )


def _rings(tip: F64, width: float, length: float) -> F64:
    """(rings + 1, sides + 1, 3) from root to tip; the last ring is a point."""
    t = np.linspace(0, 1, _RINGS + 1)[:, None]
    angle = np.linspace(0, 2 * np.pi, _SIDES + 1)[None, :]
    taper = np.sqrt(np.clip(1 - np.clip((t - 0.62) / 0.38, 0, 1) ** 2.2, 0, 1)) * (0.86 + 0.14 * np.sin(np.pi * t))
    half_width, half_height = 0.5 * width * taper, (0.0125 - 0.0075 * t) * np.sqrt(taper)
    top = np.sin(angle) > 0
    x = half_width * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.8
    y = half_height * np.where(top, 0.75, 1.25) * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.9
    groove = -0.0016 * np.exp(-((x / (0.18 * width)) ** 2)) * top * np.sin(np.pi * np.clip(t * 1.05, 0, 1))
    spine_z = -length * (1 - t)
    spine_y = 0.010 * np.sin(np.pi * np.clip(1 - t, 0, 1) * 0.62) - 0.020 * np.clip(0.25 - t, 0, 1) ** 1.5 * 8
    out = np.stack(np.broadcast_arrays(x, y + groove + spine_y, spine_z + 0.0 * x), -1)
    return out + np.asarray(tip)
