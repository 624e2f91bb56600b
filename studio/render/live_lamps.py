"""Who the rows of lights are, so that a table of lights that was learned can follow edits."""

from __future__ import annotations

from studio.scene.flat import FlatScene
from studio.scene.placement import light_ids


def lamp_names(flat: FlatScene) -> tuple[str, ...]:
    """Who each row of lights is: the entity's id, with the part and the number of its instance for a mesh's."""
    count: dict[tuple[str, int], int] = {}
    out = []
    if flat.cache is None:  # a flat scene that was sent has only names
        ids = [flat.light_names[k] if 0 <= k < len(flat.light_names) else "" for k in flat.lights["entity"].tolist()]
    else:
        ids = light_ids(flat)
    for id_, part in zip(ids, flat.lights["part"].tolist(), strict=True):
        nth = count[id_, part] = count.get((id_, part), -1) + 1
        out.append(f"{id_}\n{part}\n{nth}")
    return tuple(out)
