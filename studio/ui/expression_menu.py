"""What the rows of the expression panel offer on a right click, and what their parts say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu, QWidget

from studio.commands.expression_desk import ExpressionDesk
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.scene import expression_edits as edits
from studio.ui import key_dots
from studio.ui.expression_paint import said
from studio.ui.expression_rows import Row, spoken
from studio.ui.i18n import tr
from studio.ui.panel import Desk


def menu_of(
    parent: QWidget, studio: Studio, desk: Desk, faces: ExpressionDesk, row: Row, names: Sequence[str]
) -> QMenu:
    """The menu of a row, about these of its controls; it goes when it is closed."""
    menu = QMenu(parent)
    menu.setObjectName("expressions.row-menu")
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def act(text: str, id_: str, **arguments: object) -> None:
        action = menu.addAction(tr(text))
        action.triggered.connect(lambda: studio.attempt(id_, **arguments))

    act(N_("Set key"), "expressions.key", names=tuple(names))
    act(N_("Delete key"), "expressions.unkey", names=tuple(names))
    curves = menu.addAction(tr("Show in curve editor"))
    curves.triggered.connect(lambda: _show_curves(studio, desk, faces))
    menu.addSeparator()
    act(N_("Let it rest"), "expressions.reset", names=tuple(names))
    if row.header or row.pair:
        menu.addSeparator()
        act(N_("Exchange left and right"), "expressions.mirror", names=row.names)
        act(N_("Left to right"), "expressions.mirror_left", names=row.names)
        act(N_("Right to left"), "expressions.mirror_right", names=row.names)
    if row.header:
        menu.addSeparator()
        act(N_("Copy this region"), "expressions.copy", region=row.region)
        act(N_("Store this region as a pose…"), "expressions.store_pose", region=row.region)
    return menu


def _show_curves(studio: Studio, desk: Desk, faces: ExpressionDesk) -> None:
    if faces.id:
        if faces.id not in studio.selection:
            studio.select([faces.id])
        key_dots.show_curves(studio, desk, [faces.id], "expression")


def told(
    faces: ExpressionDesk,
    row: Row,
    kind: str,
    name: str,
    values: Mapping[str, float],
    acting: Mapping[str, float],
) -> str:
    """What a tool tip says of a part of a row."""
    if kind == "link" and edits.is_sided(name):
        return tr("Both halves move together") if faces.linked(name) else tr("Each half moves by itself")
    if kind == "dot":
        return tr("Set a key of it at this frame, or remove it")
    if kind == "reset":
        return tr("Let this region rest")
    if kind != "bar":
        return "" if row.header else ", ".join(row.names)
    lines = [f"{spoken(name)} ({name})"]
    seen = acting.get(name, values.get(name, 0.0))
    if abs(seen - values.get(name, 0.0)) > 0.004:
        lines.append(tr("Seen just now: {value}", value=said(seen)))
    lines.append(tr("Drag; Shift finely, Ctrl beyond 0 and 1, Alt this half alone. Double click lets it rest."))
    return "\n".join(lines)
