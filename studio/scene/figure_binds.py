"""Rules and colours of a figure's controls, as characters of VRM 1.0 have them.

`ruled` holds controls back: binary ones are on or off, and a control at work may suppress blinks, gaze or mouth.
`bound` changes materials: colours go towards those that controls name, textures to where controls put them, each in
proportion to the control's weight (VRMC_vrm 1.0, "Expressions"; how binary controls are held back is that of its
reference implementation, three-vrm).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from studio.scene.entities import FigureRig, Id, MaterialBind
from studio.scene.materials import Material, Texture
from studio.scene.schema import fields


def ruled(weights: Mapping[str, float], rig: FigureRig) -> dict[str, float]:
    """Weights of controls after the rig's binary controls and overrides; those that it does not name stay."""
    out = dict(weights)
    binary = set(rig.binary)
    for name in binary & out.keys():
        out[name] = 1.0 if out[name] > 0.5 else 0.0
    held: dict[str, float] = {}
    for rule in rig.overrides:
        weight = out.get(rule.control, 0.0)
        amount = float(weight > 0.0) if rule.how == "block" else max(weight, 0.0)
        for name in rule.suppresses:
            held[name] = held.get(name, 0.0) + amount
    for name, amount in held.items():
        if amount > 0.0 and name in out:
            kept = out[name] * max(1.0 - amount, 0.0)
            out[name] = 0.0 if name in binary and kept < 1.0 else kept
    return out


def bound(materials: Mapping[Id, Material], rig: FigureRig, weights: Mapping[str, float]) -> dict[Id, Material]:
    """The materials that differ from what they are because of the rig's binds, by id; empty when none does."""
    by_material: dict[Id, list[tuple[MaterialBind, float]]] = {}
    for bind in rig.materials:
        weight = min(max(weights.get(bind.control, 0.0), 0.0), 1.0)
        if weight > 0.0 and bind.material in materials:
            by_material.setdefault(bind.material, []).append((bind, weight))
    return {id_: _bound(materials[id_], binds) for id_, binds in by_material.items()}


def _bound(material: Material, binds: list[tuple[MaterialBind, float]]) -> Material:
    known = fields(Material)
    colors: dict[str, tuple[float, ...]] = {}
    for bind, weight in binds:
        if bind.field in known and known[bind.field].spec.colour:
            base = getattr(material, bind.field)
            before = colors.get(bind.field, base)
            colors[bind.field] = tuple(
                min(max(c + weight * (to - b), 0.0), 1.0) for c, to, b in zip(before, bind.color, base, strict=True)
            )
    textures = {name: _moved(texture, binds) for name, texture in material.textures.items()}
    return msgspec.structs.replace(material, textures=textures, **colors)


def _moved(texture: Texture, binds: list[tuple[MaterialBind, float]]) -> Texture:
    """The texture where the binds put it: from its own place towards theirs."""
    place: dict[str, tuple[float, float]] = {}
    for name in ("offset", "scale"):
        base = getattr(texture, name)
        u, v = base
        for bind, weight in binds:
            to = getattr(bind, name)
            if to is not None and all(map(math.isfinite, to)):
                u, v = u + weight * (to[0] - base[0]), v + weight * (to[1] - base[1])
        if (u, v) != base:
            place[name] = (u, v)
    return msgspec.structs.replace(texture, **place) if place else texture
