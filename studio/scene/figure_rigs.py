"""Rigs of figures as records: what happens to them when what they name is copied, removed or read from a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

import msgspec

from studio.errors import BadAsset
from studio.scene.entities import Entity, Figure, FigureRig, Id

MOST = 4096  # controls of a figure, and records of each kind of its rig
MOST_DRIVERS = 32
_JOINTS = ("head", "neck", "jaw", "left_eye", "right_eye")


def renamed_figure(figure: Figure, names: Mapping[Id, Id]) -> dict[str, object]:
    """Fields of a copy of a figure: what it names is what was copied along, and otherwise what it was."""
    return _named(figure, lambda id_: names.get(id_, id_))


def without_figures(entities: Mapping[Id, Entity], gone: Collection[Id]) -> dict[Id, Entity]:
    """Figures that named what is `gone` (entities and materials), without it; those of others are not among them."""
    out: dict[Id, Entity] = {}
    for id_, entity in entities.items():
        if isinstance(entity, Figure):
            values = _named(entity, lambda i: "" if i in gone else i)
            if values["look_at"] != entity.look_at or values["rig"] != entity.rig:
                out[id_] = msgspec.structs.replace(entity, **values)
    return out


def _named(figure: Figure, name: Callable[[Id], Id]) -> dict[str, object]:
    """`look_at` and `rig` with every id under another name; records that are left without one are dropped."""
    rig = figure.rig
    replaced = msgspec.structs.replace
    values: dict[str, object] = {joint: name(getattr(rig, joint)) if getattr(rig, joint) else "" for joint in _JOINTS}
    values["hinges"] = tuple(replaced(h, joint=to) for h in rig.hinges if (to := name(h.joint)))
    values["wrinkles"] = tuple(replaced(w, material=to) for w in rig.wrinkles if (to := name(w.material)))
    values["materials"] = tuple(replaced(m, material=to) for m in rig.materials if (to := name(m.material)))
    values["bones"] = {bone: to for bone, id_ in rig.bones.items() if (to := name(id_))}
    new = replaced(rig, **values)
    return {"look_at": name(figure.look_at) if figure.look_at else "", "rig": rig if new == rig else new}


def check_figure(figure: Figure, where: str) -> None:
    """Raise BadAsset, naming `where`, for a figure whose records cannot be meant: too many of them, numbers that do not
    come in pairs, or words that this studio does not know."""
    place = f'{where}, figure "{figure.name or figure.id}"'
    rig = figure.rig
    counts = {"controls": figure.controls, "weights": figure.expression}
    counts |= {name: getattr(rig, name) for name in ("hinges", "correctives", "wrinkles", "overrides", "materials")}
    for what, records in counts.items():
        if len(records) > MOST:
            raise BadAsset(f"{place} has {len(records)} {what}, more than the {MOST} that a figure can have.")
    fault = _fault(rig)
    if fault:
        raise BadAsset(f"{place} has {fault}; restore it from a backup.")


def _fault(rig: FigureRig) -> str:
    for corrective in rig.correctives:
        if corrective.how not in ("product", "least"):
            return f'a corrective "{corrective.shape}" that follows by "{corrective.how}", which is unknown'
        if len(corrective.drivers) > MOST_DRIVERS:
            return f'a corrective "{corrective.shape}" of {len(corrective.drivers)} drivers'
        if corrective.peak and not 0.0 < corrective.peak < 1.0:
            return f'a corrective "{corrective.shape}" that is whole at {corrective.peak:g}, not between 0 and 1'
    for wrinkle in rig.wrinkles:
        if wrinkle.slot not in (1, 2, 3):
            return f"wrinkles for a map {wrinkle.slot}; there are maps 1 to 3"
        if len(wrinkle.controls) != len(wrinkle.gains):
            return f"wrinkles of {len(wrinkle.controls)} controls and {len(wrinkle.gains)} gains"
    for hinge in rig.hinges:
        if not all(map(math.isfinite, (*hinge.axis, *hinge.shift, hinge.angle_deg))):
            return f'a hinge of "{hinge.joint}" with a number that is not finite'
    return ""
