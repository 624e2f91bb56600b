"""Lights that only shine more or less than before: new rows from the old ones, without working out their shapes again.

Three hundred lamps of fifty triangles take a tenth of a second to prepare, and a drag of one lamp's strength changes
three numbers. All that a row holds of strength is proportional to the emission, so it is scaled. The last bits may
differ from those of lights that are prepared anew, hence this is for the live view alone.
"""

from dataclasses import replace

import numpy as np

from studio.render.tracer import light_rows as lr
from studio.render.tracer.light_tables import LightTables
from studio.render.tracer.textures import LUMINANCE
from studio.scene.flat import FlatScene
from studio.scene.materials import OFFSET

_GLOW = slice(OFFSET["emission"], OFFSET["emission"] + 3)


def dimmed(lights: LightTables, before: FlatScene, flat: FlatScene) -> LightTables | None:
    """The tables of `flat`, when lights differ from those of `before` in emission alone; else None."""
    if len(flat.lights) != len(before.lights) or not len(flat.lights) or not _alike(before, flat):
        return None
    then = before.lights["emission"].astype(np.float64) @ LUMINANCE
    now = flat.lights["emission"].astype(np.float64) @ LUMINANCE
    if not (np.isfinite(now).all() and (now > 0.0).all() and (then > 0.0).all()):
        return None
    brightest = before.lights["emission"].argmax(1)
    n = len(now)
    strongest = before.lights["emission"][np.arange(n), brightest].astype(np.float64)
    rows = lights.rows.copy()
    # opacity and the size of a distant light stand between a light's emission and its row's
    share = rows[np.arange(n), lr.EMISSION + brightest] / strongest
    rows[:n, lr.EMISSION : lr.EMISSION + 3] = flat.lights["emission"] * share[:, None]
    for column in (lr.STRENGTH, lr.POWER):
        rows[:n, column] *= now / then
    if not np.isfinite(rows).all():
        return None
    return replace(lights, rows=rows, power=np.ascontiguousarray(rows[:n, lr.POWER]))


def _alike(before: FlatScene, flat: FlatScene) -> bool:
    """Whether everything that lights are made of is the same, but for how much they emit."""
    if any(getattr(before, name) is not getattr(flat, name) for name in ("meshes", "instances", "instance_materials")):
        return False
    if flat.slots is not before.slots or flat.textures is not before.textures:
        return False
    if not np.array_equal(flat.portals, before.portals):
        return False
    fields = [name for name in flat.lights.dtype.names if name != "emission"]
    if any(flat.lights[name].tobytes() != before.lights[name].tobytes() for name in fields):
        return False
    if flat.materials is before.materials:
        return True
    if flat.materials.shape != before.materials.shape:
        return False
    differ = flat.materials != before.materials
    differ[:, _GLOW] = False
    worn = flat.lights[flat.lights["instance"] >= 0]
    rows = flat.instances["material_start"][worn["instance"]] + worn["part"]
    return not differ[flat.instance_materials[rows]].any()
