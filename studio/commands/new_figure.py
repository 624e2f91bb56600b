"""The command that brings a figure into a scene that has none of its own: a bust made by code."""

from __future__ import annotations

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.scene.entities import Figure, Id, Vec3
from studio.scene.insert import insert
from studio.scene.scene import Scene

_BASE_Y = -0.27  # a bust's lower edge, metres below its eyes


@command("figures.new", N_("New figure..."), menu="Figure", icon="figure")
def new(studio: Studio, *, identity: str = "") -> None:
    """Bring in a bust made by code where the viewport looks; it can act, and it idles alive."""
    from studio.figure.bust.identities import identities, person

    if not identity:
        people = {person(name).label: name for name in identities()}
        identity = people.get(studio.face.ask(N_("Who shall the new figure be?"), tuple(people)), "")
        if not identity:
            return
    who = person(identity)
    viewer = studio.face.viewport()
    x, y, z = (0.0, 0.0, 0.0) if viewer is None else (float(c) for c in viewer.camera.pivot)

    def make() -> Scene:
        from studio.figure.bust import build_bust

        return build_bust(who.name)

    studio.face.work(make, lambda made: _put(studio, made, (x, y - _BASE_Y, z)), doing=who.name.capitalize())


def _put(studio: Studio, made: Scene, at: Vec3) -> None:
    """Add a bust at a place as one undoable step, and select its figure."""

    def add(scene: Scene) -> tuple[Scene, Id]:
        out, tops = insert(scene, made)
        figure = next(id_ for id_ in tops if isinstance(out.entities[id_], Figure))
        return out.replace(figure, translation=at), figure

    with studio.document.edit(N_("New figure")) as edit:
        id_ = edit.apply(add)
        edit.selection = (id_,)
