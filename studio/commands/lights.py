"""Commands of the Lights menu: what a lighter does to one light or to three hundred."""

from __future__ import annotations

from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import edits
from studio.scene.entities import Camera, Group, Id, Vec3
from studio.scene.lights import Light

lamps = selected(Light)
lamps_or_groups = selected(Light, Group)


def _lit(studio: Studio) -> list[Id]:
    """Selected lights and groups."""
    entities = studio.scene.entities
    return [id_ for id_ in studio.selection if isinstance(entities.get(id_), (Light, Group))]


def _all_on(studio: Studio, field: str) -> bool:
    return all(getattr(studio.scene.entities[id_], field) for id_ in _lit(studio))


@command(
    "lights.mute",
    N_("Mute"),
    menu="Lights",
    keys="M",
    place="viewport",
    when=lamps_or_groups,
    checked=lambda s: bool(_lit(s)) and _all_on(s, "muted"),
    icon="mute",
)
def mute(studio: Studio, *, on: bool | None = None) -> None:
    """Silence the selected lights, or all lights below the selected groups; once more lets them shine."""
    studio.edit(N_("Mute"), edits.mute, _lit(studio), on=not _all_on(studio, "muted") if on is None else on)


@command(
    "lights.solo",
    N_("Solo"),
    menu="Lights",
    keys="Alt+S",
    place="viewport",
    when=lamps_or_groups,
    checked=lambda s: bool(_lit(s)) and _all_on(s, "solo"),
    icon="solo",
)
def solo(studio: Studio, *, on: bool | None = None) -> None:
    """Let only the selected lights shine; once more ends it for them."""
    studio.edit(N_("Solo"), edits.solo, _lit(studio), on=not _all_on(studio, "solo") if on is None else on)


@command("lights.clear_solo", N_("End all soloing"), menu="Lights", keys="Alt+Shift+S", place="viewport")
def clear_solo(studio: Studio) -> None:
    """Let every light shine that is not muted."""
    studio.edit(N_("End all soloing"), edits.clear_solo)


@command("lights.unmute_all", N_("Unmute all"), menu="Lights")
def unmute_all(studio: Studio) -> None:
    """Unmute every light and group."""
    muted = [id_ for id_, e in studio.scene.entities.items() if getattr(e, "muted", False)]
    studio.edit(N_("Unmute all"), edits.mute, muted, on=False)


@command("lights.brighter", N_("Brighter by a third of a stop"), menu="Lights", group=1, keys="Ctrl+Up", when=lamps)
def brighter(studio: Studio) -> None:
    """Raise the exposure of the selected lights by a third of a stop."""
    expose(studio, stops=1 / 3)


@command("lights.darker", N_("Darker by a third of a stop"), menu="Lights", group=1, keys="Ctrl+Down", when=lamps)
def darker(studio: Studio) -> None:
    """Lower the exposure of the selected lights by a third of a stop."""
    expose(studio, stops=-1 / 3)


@command("lights.expose", N_("Change exposure"), when=lamps)
def expose(studio: Studio, *, stops: float = 1.0) -> None:
    """Change the exposure of the selected lights by stops, each relative to its own."""
    ids = [id_ for id_ in studio.selection if isinstance(studio.scene.entities.get(id_), Light)]
    studio.edit(N_("Change exposure"), edits.offset_field, ids, "exposure", add=stops)


@command("lights.kind", N_("Change kind…"), menu="Lights", group=2, when=lamps)
def kind(studio: Studio, *, to: str = "") -> None:
    """Turn the selected lights into another kind."""
    from studio.commands.create import _TITLES

    wanted = to or studio.face.ask(N_("Which kind?"), tuple(_TITLES))
    if wanted:
        studio.edit(N_("Change kind"), edits.set_light_kind, _lights(studio), wanted)


@command("lights.aim", N_("Aim at last selected"), menu="Lights", group=2, keys="Ctrl+T", when=selected(Light, Camera))
def aim(studio: Studio, *, at: Vec3 | None = None) -> None:
    """Turn the selected lights and cameras towards the entity that was selected last, or a point."""
    entities = studio.scene.entities
    ids = [id_ for id_ in studio.selection if id_ in entities]
    if at is not None:
        target, turned = at, ids
    else:
        if len(ids) < 2:
            raise UsageError("select lights, then what they should shine at")
        x, y, z = studio.scene.world_matrix(ids[-1])[:, 3].tolist()
        target, turned = (x, y, z), ids[:-1]
    able = [id_ for id_ in turned if isinstance(entities[id_], (Light, Camera)) and not entities[id_].locked]
    studio.edit(N_("Aim"), edits.aim, able, target)


def _lights(studio: Studio) -> list[Id]:
    return [id_ for id_ in studio.selection if isinstance(studio.scene.entities.get(id_), Light)]


@command("lights.from_sky", N_("Light from the sky"))
def from_sky(studio: Studio, *, dome: Id = "", u: float = 0.5, v: float = 0.5, radius_deg: float = 2.5) -> Id:
    """Make a light of the colour, strength and direction of a place in a dome's picture, and select it."""
    from studio.scene import sky_lights

    domes = [e.id for e in studio.posed.entities.values() if isinstance(e, Light) and e.light == "dome"]
    chosen = dome or next((id_ for id_ in studio.selection if id_ in domes), domes[0] if domes else "")
    if not chosen:
        raise UsageError("there is no dome light to take a light from")
    with studio.document.edit(N_("Light from the sky")) as edit:
        id_: Id = edit.apply(sky_lights.spawn, chosen, u, v, radius_deg=radius_deg)
        edit.selection = (id_,)
    return id_
