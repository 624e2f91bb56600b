"""Commands that make figures of heads, let them rest, look at something, and live by themselves."""

from __future__ import annotations

from studio.commands.registry import N_, command, selected
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene.entities import Constraint, Entity, Figure, Id
from studio.scene.figure_casts import figure_of
from studio.scene.scene import Scene

_MENU = "Figure"


def _figures(studio: Studio) -> tuple[Id, ...]:
    """Figures that are selected or that something selected belongs to; the only one there is where none is."""
    entities = studio.scene.entities
    found = dict.fromkeys(figure_of(entities, id_) for id_ in studio.selection if id_ in entities)
    found.pop("", None)
    some = tuple(found) or tuple(id_ for id_, e in entities.items() if isinstance(e, Figure))
    if not found and len(some) != 1:
        raise UsageError("select a figure first")
    return some


def has_figure(studio: Studio) -> bool:
    """The condition: there is a figure."""
    return any(isinstance(e, Figure) for e in studio.scene.entities.values())


def headless(studio: Studio) -> bool:
    """The condition: something is selected that is no part of a figure."""
    entities = studio.scene.entities
    return any(id_ in entities and not figure_of(entities, id_) for id_ in studio.selection)


@command("figures.make", N_("Make figure of selection"), menu=_MENU, when=headless, icon="figure")
def make(studio: Studio) -> Id:
    """Make a digital double of the selected head: its shapes become controls, its eyes, jaw and neck turn."""
    from studio.figure.rigging import rigged

    report: list[str] = []

    def put(scene: Scene) -> tuple[Scene, Id]:
        made = rigged(scene, studio.selection)
        report.extend(made.report)
        return made.scene, made.figure

    with studio.document.edit(N_("Make figure")) as edit:
        made: Id = edit.apply(put)
        edit.selection = (made,)
    if report:
        studio.face.notify(" ".join(report))
    return made


@command("figures.reset", N_("Rest figure"), menu=_MENU, when=has_figure, icon="reset")
def reset(studio: Studio) -> None:
    """Let the figure rest: no expression, the head straight, the eyes ahead."""
    rest = {"expression": (), "head_turn": (0.0, 0.0, 0.0), "look_at": ""}

    def put(scene: Scene, ids: tuple[Id, ...]) -> Scene:
        for id_ in ids:
            figure = scene.entities[id_]
            assert isinstance(figure, Figure)
            # a curve may drive any control: each is keyed at 0, so none may be left out
            scene = scene.replace(id_, **{**rest, "expression": (0.0,) * len(figure.expression)})
        return scene

    studio.edit(N_("Rest figure"), put, _figures(studio))


@command("figures.look_at", N_("Look at selected"), menu=_MENU, group=1, when=selected(Entity))
def look_at(studio: Studio, *, target: Id = "") -> None:
    """Let the selected figure's eyes follow what else is selected; with nothing else, they look ahead again."""
    entities = studio.scene.entities
    figures = _figures(studio)
    others = [i for i in studio.selection if i in entities and i not in figures]
    others = [i for i in others if not isinstance(entities[i], Constraint)]
    found = target or (others[-1] if others else "")
    if found and found not in entities:
        raise UsageError(f'there is nothing called "{found}" to look at')
    with studio.document.edit(N_("Look at")) as edit:
        edit.replace(figures, look_at=found)
        if found:
            edit.replace(figures, look_weight=1.0)


def _is_alive(studio: Studio) -> bool:
    return any(isinstance(e, Figure) and e.idle > 0.0 for e in studio.scene.entities.values())


@command("figures.idle", N_("Idle life"), menu=_MENU, group=1, when=has_figure, checked=_is_alive)
def idle(studio: Studio, *, on: bool | None = None) -> None:
    """Let figures blink, glance about and breathe by themselves, or keep still."""
    figures = _figures(studio)
    if on is None:
        on = not all(getattr(studio.scene.entities[i], "idle", 0.0) > 0.0 for i in figures)
    with studio.document.edit(N_("Idle life")) as edit:
        edit.replace(figures, idle=1.0 if on else 0.0)
