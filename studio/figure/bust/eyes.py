"""What belongs to an eye besides its ball: the line of tears along the lower lid, and the pink corner by the nose.

Without them an eye looks set in like a marble: the wet line joins ball and lid with a thin highlight, and the caruncle
fills the corner where the lids leave the ball. They ride on the lids.
"""

from __future__ import annotations

import numpy as np

from studio.figure.bust.pieces import F64, Piece, along, sheet, unit

_MM = 0.001


def tear_line(margin: F64, outer: F64, eye: F64, radius: float, *, side: float) -> tuple[Piece, F64]:
    """The meniscus of tears along the lower lid and what holds it (v, 3).

    `margin` (n, 3) is the lid's inner edge on the globe, `outer` its outer edge, both from the inner to the outer
    corner; `radius` that of the globe about `eye`.
    """
    count = 44
    inner, edge = along(margin, count), along(outer, count)
    t = np.linspace(0, 1, count)[:, None]
    fade = np.clip(np.minimum(t, 1 - t) / 0.1, 0.0, 1.0) ** 0.5
    up = np.array([0.0, 1.0, 0.0])
    lid = inner + (edge - inner) * 0.40 * fade + up * 0.03 * _MM
    ball = inner + up * (0.55 * _MM * fade)
    ball = eye + unit(ball - eye) * (
        np.maximum(np.linalg.norm(inner - eye, axis=1, keepdims=True), radius) + 0.02 * _MM
    )
    middle = 0.5 * (lid + ball) - 0.10 * _MM * fade * unit(0.5 * (lid + ball) - eye)  # a meniscus is hollow
    rows = np.stack([ball, 0.25 * ball + 0.75 * middle, 0.75 * middle + 0.25 * lid, lid])
    return sheet(rows, flip=side < 0), np.tile(inner, (4, 1))


def caruncle(upper: F64, lower: F64, eye: F64, *, side: float) -> tuple[Piece, F64]:
    """The pink lump in the inner corner, between the inner ends of the lids' inner edges, and what holds it (v, 3)."""
    corner = 0.5 * (upper[0] + lower[0])
    outward = np.array([side, 0.0, 0.0])
    centre = corner + outward * 1.35 * _MM + np.array([0.0, -0.15, -0.95]) * _MM
    polar, around = np.meshgrid(np.linspace(0, np.pi, 11), np.linspace(0, 2 * np.pi, 17), indexing="ij")
    ball = np.stack([np.cos(polar), np.sin(polar) * np.sin(around), np.sin(polar) * np.cos(around)], -1)
    lumpy = 1.0 + 0.06 * np.sin(3 * around + 1.0) * np.sin(polar) ** 2
    points = centre + ball * lumpy[..., None] * np.array([1.9, 1.25, 1.35]) * _MM
    piece = sheet(points, closed=True)
    return piece, np.broadcast_to(corner, piece.positions.shape).copy()
