"""Bars that go on in the next line: nothing of them is cut off in a narrow panel, at any scale of the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from studio.commands.studio import Studio
from studio.ui import theme
from studio.ui.flow import flow_bar
from studio.ui.renderview import RenderView
from tests.ui.desk import PlainDesk


@pytest.fixture(params=[1.0, 1.25, 1.5, 2.0])
def view(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[RenderView]:
    before = theme.scale()
    theme.apply(qapp, scale=request.param)
    made = RenderView(Studio(), PlainDesk(Studio()))
    yield made
    made.close_panel()
    made._desk.bridge.close()
    made.close()
    made.deleteLater()
    theme.apply(qapp, scale=before)


def test_lines_are_begun_as_they_are_needed(qtbot: QtBot) -> None:
    bar, row = flow_bar()
    qtbot.addWidget(bar)
    for k in range(6):
        button = QPushButton(f"button {k}")
        button.setFixedSize(80, 20)
        row.addWidget(button)
    one, three = row.heightForWidth(1000), row.heightForWidth(200)
    assert one < 2 * 20 + 40
    assert three >= 3 * 20
    assert row.minimumSize().width() < 200


@pytest.mark.parametrize("width", [380, 640, 1100])
def test_no_label_of_the_render_view_is_cut(view: RenderView, qtbot: QtBot, width: int, shot: Any) -> None:
    view.resize(width, 600)
    with qtbot.waitExposed(view):
        view.show()
    qtbot.waitUntil(lambda: view.width() == width)
    shown = [w for w in view.findChildren(QWidget) if w.isVisible() and w.parentWidget() is not None]
    fields = [w for w in shown if isinstance(w, QComboBox | QToolButton | QLabel) and w.window() is view]
    bars = [w for w in fields if any(p.objectName() == "render-bar" for p in _above(w))]
    assert len(bars) >= 14
    for field in bars:
        corner = field.mapTo(view, field.rect().bottomRight())
        assert corner.x() <= width and corner.y() <= view.height(), field.objectName()
        assert field.width() >= min(field.minimumSizeHint().width(), width - 40), field.objectName()
    shot(view, f"render-view-{width}-{theme.scale():g}")


def _above(widget: QWidget) -> Iterator[QWidget]:
    parent = widget.parentWidget()
    while parent is not None:
        yield parent
        parent = parent.parentWidget()
