"""Commands that make many lights of one by a rule that can be edited later: a grid, a ring, a path, a surface."""

from __future__ import annotations

from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import scatter
from studio.scene.entities import Group, Id, MeshObject, Path
from studio.scene.lights import Light

_TITLES = {
    "grid": (N_("Scatter on a grid"), N_("Make a grid of lights of the selected one.")),
    "ring": (N_("Scatter on a ring"), N_("Make a ring of lights of the selected one.")),
    "curve": (N_("Scatter along a path"), N_("Make lights of the selected one along the selected path.")),
    "surface": (N_("Scatter on a surface"), N_("Make lights of the selected one all over the selected object.")),
    "instances": (
        N_("Scatter on instances"),
        N_("Make a light at each object that has the selected object's mesh, or hangs in the selected group."),
    ),
}
_SOURCES: dict[str, tuple[type, ...]] = {"curve": (Path,), "surface": (MeshObject,), "instances": (MeshObject, Group)}


def _scatter(studio: Studio, rule: str) -> Id:
    entities = studio.scene.entities
    lights = [id_ for id_ in studio.selection if isinstance(entities.get(id_), Light)]
    if not lights:
        raise UsageError("select the light that shall be scattered")
    sources = [id_ for id_ in studio.selection if isinstance(entities.get(id_), _SOURCES.get(rule, ()))]
    with studio.document.edit(_TITLES[rule][0]) as edit:
        id_: Id = edit.apply(scatter.make, lights[-1], rule, source=sources[-1] if sources else "")
        edit.selection = (id_,)
    return id_


def _register(rule: str, title: str, told: str) -> None:
    @command(
        f"lights.scatter_{rule}",
        title,
        menu="Lights/Scatter",
        group=2,
        when=selected(Light),
        icon="scatter",
        help=told,
    )
    def make(studio: Studio) -> Id:
        return _scatter(studio, rule)


for _rule, (_title, _told) in _TITLES.items():
    _register(_rule, _title, _told)


def _scattering(studio: Studio) -> list[Id]:
    found = [studio.scene.entities.get(id_) for id_ in studio.selection]
    return [e.id for e in found if isinstance(e, Group) and e.scatter != "none"]


@command(
    "lights.release_scatter",
    N_("Turn scatter into lights"),
    menu="Lights/Scatter",
    group=3,
    when=lambda studio: bool(_scattering(studio)),
)
def release(studio: Studio) -> None:
    """End the rule of the selected groups; their lamps stay as lights like any others."""
    studio.edit(N_("Turn scatter into lights"), scatter.release, _scattering(studio))


@command(
    "lights.shuffle_scatter",
    N_("Other random numbers"),
    menu="Lights/Scatter",
    group=3,
    when=lambda studio: bool(_scattering(studio)),
)
def shuffle(studio: Studio) -> None:
    """Give the selected scatter groups the next seed."""
    from studio.scene import edits

    studio.edit(N_("Other random numbers"), edits.offset_field, _scattering(studio), "seed", add=1)
