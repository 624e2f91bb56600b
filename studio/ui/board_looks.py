"""What the strips of the board say: of a light, a group, an object that emits, and of the master."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtGui import QColor

from studio.commands.board import MASTER, Board
from studio.scene.entities import Group, Id, MeshObject
from studio.scene.lights import Light
from studio.ui import theme
from studio.ui.board_paint import METER_STOPS, Look, colour_of, level_of
from studio.ui.i18n import tr


def strip_look(board: Board, id_: Id, levels: Mapping[Id, float], top: float) -> Look:
    """A strip as it stands; its meter is under `top` lumens."""
    entity = board.entity(id_)
    assert entity is not None
    return Look(
        name=entity.name or id_,
        icon=_icon(entity),
        colour=_colour(board, entity),
        value=board.value(id_),
        original=board.original(id_),
        level=level_of(levels.get(id_, 0.0), top),
        muted=bool(getattr(entity, "muted", False)),
        solo=bool(getattr(entity, "solo", False)),
        switches=not isinstance(entity, MeshObject),
        silent=levels.get(id_, 0.0) <= 0.0,
    )


def master_look(board: Board, levels: Mapping[Id, float], top: float) -> Look:
    """The master; its switches say whether `Board.clear` would turn anything off."""
    entity = board.entity(board.own_rig) if board.own_rig else None
    total = sum(levels.get(id_, 0.0) for id_ in board.topmost())
    return Look(
        name=tr("Master") if entity is None else (entity.name or entity.id),
        icon="board" if entity is None else "rigs",
        colour=theme.color("border") if entity is None else _colour(board, entity),
        value=board.value(MASTER),
        original=0.0 if entity is None else board.original(board.own_rig),
        level=level_of(total, max(top, total)),
        muted=board.any_on("muted"),
        solo=board.any_on("solo"),
        master=True,
    )


def _colour(board: Board, entity: Light | Group | MeshObject) -> QColor:
    if isinstance(entity, (Light, Group)):
        return colour_of(entity)
    glows = board.materials(entity.id)
    return colour_of(board.studio.posed.materials[glows[0]]) if glows else theme.color("line")


def _icon(entity: Light | Group | MeshObject) -> str:
    if isinstance(entity, Light):
        return f"light-{entity.light}"
    if isinstance(entity, MeshObject):
        return "light-mesh"
    return "rigs" if entity.rig else "group"


def told(board: Board, id_: Id, part: str) -> str:
    """What a tool tip says of a part of a strip."""
    if part == "mute":
        return tr("Unmute all strips shown") if id_ == MASTER else tr("Mute")
    if part == "solo":
        return tr("End all soloing") if id_ == MASTER else tr("Solo")
    levels = board.levels()
    shown = board.topmost()
    total = sum(levels.get(i, 0.0) for i in shown)
    own = total if id_ == MASTER else levels.get(id_, 0.0)
    meter = tr(
        "Meter: {lumens} lm, {share} % of the strips shown; it spans {stops} stops below the strongest of them.",
        lumens=f"{own:.3g}",
        share=f"{100.0 * own / total:.1f}" if total > 0.0 else "0",
        stops=f"{METER_STOPS:.0f}",
    )
    if id_ == MASTER:
        about = (
            tr("The master of this rig.")
            if board.own_rig
            else tr("Moves all strips together; 0 is where they were when the scene was opened.")
        )
        return f"{about}\n{meter}"
    entity = board.entity(id_)
    name = (entity.name or id_) if entity is not None else id_
    hand = tr(
        "Drag to change the exposure, Shift finely; double click for 0 or the original. Selected strips move "
        "together, Alt moves one alone."
    )
    return f"{name}\n{hand}\n{meter}" if part == "fader" else f"{name}\n{meter}"
