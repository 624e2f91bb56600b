"""Teeth and gums: 28 crowns along two arches, each with the shape of its kind, in gums that rise between them.

Widths, heights and depths are the means of W. Wheeler's "Dental Anatomy" (tables of crown measurements). Identical,
even teeth look like a denture, so each crown differs a little in turn, tilt and length, by a seed, and edges are worn.
The arch is the curve on which the outer faces stand, from the middle to the left; the other side mirrors it but for
the small differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studio.figure.bust.pieces import F64, Piece, at_lengths, join, sheet, unit

MM = 0.001


@dataclass(frozen=True, slots=True)
class Crown:
    """A crown in millimetres: width along the arch, height from gum to tip, depth; `kind` says how it ends."""

    kind: str  # "incisor", "canine", "premolar", "molar"
    width: float
    height: float
    depth: float


UPPER = (
    Crown("incisor", 8.5, 10.5, 7.0),
    Crown("incisor", 6.6, 9.2, 6.0),
    Crown("canine", 7.5, 10.0, 8.0),
    Crown("premolar", 7.0, 8.5, 9.0),
    Crown("premolar", 6.8, 8.2, 9.0),
    Crown("molar", 10.0, 7.5, 11.0),
    Crown("molar", 9.0, 7.0, 11.0),
)
LOWER = (
    Crown("incisor", 5.2, 8.8, 5.8),
    Crown("incisor", 5.6, 9.2, 6.2),
    Crown("canine", 6.8, 10.3, 7.5),
    Crown("premolar", 7.0, 8.6, 7.6),
    Crown("premolar", 7.1, 8.2, 8.0),
    Crown("molar", 10.8, 7.5, 10.4),
    Crown("molar", 10.4, 7.0, 10.0),
)
_RINGS, _SIDES = 9, 20
_CONTACT = 0.955  # neighbours stand closer than they are wide: crowns are rounded where they touch


def arch_curve(front: F64, half_width: float, depth: float, count: int = 60) -> F64:
    """(count, 3) the outer line of one side of an arch in metres, from the middle at `front` back along the cheek: a
    half ellipse that ends in straight sides, as a dentist's wire is bent."""
    angle = np.linspace(0, np.pi / 2, count)
    x = half_width * np.sin(angle) ** 0.86
    z = -depth * (1 - np.cos(angle) ** 0.86)
    return np.asarray(front) + np.stack([x, np.zeros(count), z], 1)


def teeth(curve: F64, *, upper: bool, scale: float = 1.0, wear: float = 0.3, seed: int = 0) -> Piece:
    """The 14 crowns of one jaw. `curve` (k, 3) is the line of the tips of the left side from the middle back.

    The uv of a crown is around it by u and from gum (0) to tip (1) by v. `wear` 0 to 1 flattens cusps and edges.
    """
    rng = np.random.default_rng([seed, 11 if upper else 12])
    out = []
    for side in (1.0, -1.0):
        length = 0.0
        for crown in UPPER if upper else LOWER:
            width = crown.width * MM * scale
            at, ahead = at_lengths(curve, np.array([length + 0.5 * width, length + 0.55 * width]))
            length += width * _CONTACT  # contacts touch and overlap a little
            along_arch = unit(ahead - at)
            outward = unit(np.cross(along_arch, [0.0, 1.0, 0.0]))
            piece = _crown(crown, scale, wear, rng)
            out.append(_placed(piece, at, along_arch, outward, side, upper, rng))
    return join(out)


def _placed(
    piece: Piece, at: F64, forward: F64, outward: F64, side: float, upper: bool, rng: np.random.Generator
) -> Piece:
    """A crown, modelled with its tip at 0 pointing down, z outwards, in its place in the mouth."""
    turn, tilt = rng.normal(0, np.radians(2.2)), rng.normal(0, np.radians(1.6))
    c, s, ct, st = np.cos(turn), np.sin(turn), np.cos(tilt), np.sin(tilt)
    p = (
        piece.positions
        @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
        @ np.array([[ct, -st, 0], [st, ct, 0], [0, 0, 1]]).T
    )
    lean = 0.08 if upper else 0.03  # crowns of the upper front lean outwards to the tip
    p = p + np.stack([np.zeros(len(p)), np.zeros(len(p)), -lean * np.abs(p[:, 1])], 1)
    p[:, 1] += rng.normal(0, 0.10 * MM)
    if not upper:
        p = p * [1.0, -1.0, 1.0]
    frame = np.stack([forward, np.array([0.0, 1.0, 0.0]), outward])
    world = (p @ frame + at) * [side, 1.0, 1.0]
    grid = world.reshape(_RINGS + 4, _SIDES + 1, 3)
    made = sheet(grid, closed=True, flip=(side < 0) != upper)
    return Piece(made.positions, made.triangles, made.normals, piece.uv)


def _crown(crown: Crown, scale: float, wear: float, rng: np.random.Generator) -> Piece:
    """A crown in metres: the gum end up at y = height, the tip at y = 0, outer face to +z, its outer face at z = 0."""
    width, height, depth = (x * MM * scale for x in (crown.width, crown.height, crown.depth))
    height *= 1 + rng.normal(0, 0.02)
    t = np.concatenate([np.linspace(0.0, 1.0, _RINGS), [1.0, 1.0, 1.0, 1.0]])[:, None]  # 0 gum, 1 tip
    inset = np.concatenate([np.ones(_RINGS), [0.86, 0.6, 0.3, 0.0]])[:, None]
    angle = np.linspace(0, 2 * np.pi, _SIDES + 1)[None, :]
    front = crown.kind in ("incisor", "canine")
    w, d, shift = _outline(crown.kind, t)
    round_ = np.where(t > 0.93, 1 - 0.06 * (t - 0.93) / 0.07, 1.0)  # the edge is rounded off
    power = 2.0 / (3.0 if front else 3.4)
    x = 0.5 * width * w * round_ * inset * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    z = 0.5 * depth * d * round_ * inset * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    z = z + depth * (shift - 1.0)
    y = height * (1 - t) + _bite(crown.kind, x / width, z / depth + 1.0, wear) * MM * np.clip((t - 0.55) / 0.45, 0, 1)
    z = z + (0.5 * np.sin(np.pi * t**0.7) - 0.5 * (2 * x / width) ** 2) * MM * front  # the face of a crown is domed
    u = np.broadcast_to(angle / (2 * np.pi), x.shape)
    uv = np.stack([u, np.broadcast_to(np.clip(t * 0.97 + 0.03 * (1 - inset), 0, 1), x.shape)], -1)
    points = np.stack([x, np.broadcast_to(y, x.shape), z], -1).reshape(-1, 3)
    return Piece(points, np.zeros((0, 3), np.int64), np.zeros_like(points), uv.reshape(-1, 2))


def _outline(kind: str, t: F64) -> tuple[F64, F64, F64]:
    """Width and depth at a height, as shares of the whole, and where along its depth the section lies (0.5 middle)."""
    swell = np.sin(np.pi * np.clip(t, 0, 1) ** 0.8)
    if kind == "incisor":
        return 0.80 + 0.20 * np.sin(0.5 * np.pi * t**0.8) - 0.04 * t**6, 1.0 - 0.83 * t**1.15, 0.5 + 0.40 * t**1.25
    if kind == "canine":
        return 0.80 + 0.22 * swell * (1 - 0.4 * t) - 0.14 * t**3, 1.0 - 0.58 * t**1.8, 0.5 + 0.25 * t**1.8
    if kind == "premolar":
        return 0.80 + 0.20 * swell - 0.05 * t**4, 0.90 + 0.10 * swell - 0.20 * t**3, 0.5 + 0.0 * t
    return 0.84 + 0.16 * swell - 0.05 * t**4, 0.92 + 0.08 * swell - 0.14 * t**3, 0.5 + 0.0 * t


def _bite(kind: str, x: F64, z: F64, wear: float) -> F64:
    """Millimetres by which the biting end lies above the tip: cusps and the fissure between them, worn down. `x` runs
    from -0.5 to 0.5 along the arch and `z` from 0, inside, to 1, outside."""
    sharp = 1.0 - 0.65 * wear
    if kind == "incisor":
        mamelon = 0.10 * (1 - wear) * np.cos(6 * np.pi * x)
        return np.asarray(0.55 * np.abs(2 * x) ** 6 + 0.12 * np.abs(2 * x) ** 2 + mamelon)
    if kind == "canine":
        return np.asarray(sharp * (2.1 * np.abs(2 * x) ** 1.25) + 0.2)
    across = np.abs(np.clip(z, 0, 1) - 0.5) * 2
    fissure = 1.5 * (1 - np.clip(across / 0.55, 0, 1)) ** 1.0
    if kind == "premolar":
        return np.asarray(sharp * (fissure + 1.0 * np.abs(2 * x) ** 1.5 + 0.5 * (z < 0.5)))
    groove = 0.8 * np.exp(-((x / 0.09) ** 2))
    return np.asarray(sharp * (fissure + groove + 0.9 * np.abs(np.abs(2 * x) - 0.5)))


def gums(curve: F64, *, upper: bool, scale: float = 1.0, rise: float = 8.0) -> Piece:
    """The gum of one jaw along the same line of tips, scalloped at each crown; `rise` is how many millimetres it
    reaches beyond the necks of the teeth. The upper one closes to a palate, the lower to the floor of the mouth."""
    crowns = UPPER if upper else LOWER
    widths = np.array([c.width for c in crowns]) * MM * scale * _CONTACT
    heights = np.array([c.height for c in crowns]) * MM * scale
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    s = np.linspace(0, edges[-1] + 2 * MM, 92)
    index = np.clip(np.searchsorted(edges, s, side="right") - 1, 0, len(crowns) - 1)
    within = np.clip((s - edges[index]) / widths[index], 0, 1)
    neck = np.interp(s, (edges[:-1] + edges[1:]) / 2, heights) - 1.1 * MM
    papilla = (np.abs(2 * within - 1) ** 2.0) * 3.3 * MM * np.clip(1.15 - s / edges[-1] * 0.5, 0, 1)
    depths = np.interp(s, (edges[:-1] + edges[1:]) / 2, np.array([c.depth for c in crowns]) * MM * scale)
    at = at_lengths(curve, s)
    tangent = unit(np.gradient(at, axis=0))
    outward = unit(np.cross(tangent, [0.0, 1.0, 0.0]))
    rows = []
    bulge = 0.35 * MM * np.cos(np.pi * (2 * within - 1))
    for out_mm, up_mm, scallop in _section(rise, upper):
        reach = np.where(out_mm >= 0, out_mm * MM, 0.0) + bulge * scallop + 0.1 * MM
        if out_mm < 0 and up_mm < rise:  # behind the crowns
            reach = -depths - (-out_mm - 1.0) * MM
        elif out_mm < 0:
            reach = reach + out_mm * MM
        height = neck + up_mm * MM - papilla * scallop
        rows.append(
            at
            + outward * np.reshape(reach, (-1, 1))
            + np.array([0, 1.0, 0]) * np.reshape(height if upper else -height, (-1, 1))
        )
    left = np.stack(rows, 0)
    middle = left[-1] * [0.0, 1.0, 1.0]  # to the midline
    middle[:, 1] += (5.0 if upper else -3.0) * MM * np.sin(np.linspace(0.15, 1, len(middle)) * np.pi / 2)
    blend = np.linspace(0, 1, 6)[1:, None, None]
    arch_up = np.sin(blend * np.pi / 2)
    palate = left[-1] * (1 - blend) + middle * blend
    palate[..., 1] = left[-1][:, 1] + (middle[:, 1] - left[-1][:, 1]) * arch_up[..., 0]
    left = np.concatenate([left, palate], 0)
    whole = np.concatenate([(left * [-1.0, 1.0, 1.0])[:, :0:-1], left], axis=1)
    return sheet(whole, flip=not upper)


def _section(rise: float, upper: bool) -> tuple[tuple[float, float, float], ...]:
    """Points of the gum's section from the outer fold over the edge to the inner side: millimetres outwards of the
    crowns' faces (negative: behind the crowns), millimetres beyond the neck, and how far the scallop shapes it."""
    return (
        (-0.6, rise, 0.0),
        (0.3, 0.72 * rise, 0.0),
        (0.7, 0.45 * rise, 0.2),
        (0.8, 0.22 * rise, 0.7),
        (0.65, 0.6, 1.0),
        (0.45, -0.1, 1.0),
        (0.0, -0.2, 1.0),
        (-0.1, -0.2, 1.0),
        (-1.2, 0.6, 0.8),
        (-2.6, 3.5, 0.2),
        (-3.8, 6.0 if upper else 7.5, 0.0),
    )
