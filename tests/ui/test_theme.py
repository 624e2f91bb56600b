"""The theme: every icon that is asked for is there, sizes grow with the scale, text can be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtGui import QColor

from studio.commands import registry
from studio.resources import resource
from studio.ui import panel, theme


def luminance(name: str) -> float:
    def linear(c: float) -> float:
        return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4

    c: QColor = theme.color(name)
    return 0.2126 * linear(c.redF()) + 0.7152 * linear(c.greenF()) + 0.0722 * linear(c.blueF())


@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        ("text", "window", 7.0),
        ("text", "well", 7.0),
        ("dim", "window", 4.5),
        ("dim", "chrome", 4.5),
        ("selection_text", "selection", 7.0),
        ("error", "chrome", 4.5),
        ("warning", "chrome", 4.5),
        ("accent", "chrome", 4.5),
    ],
)
def test_text_stands_out_from_its_ground(ink: str, ground: str, least: float) -> None:
    a, b = sorted((luminance(ink), luminance(ground)))
    assert (b + 0.05) / (a + 0.05) >= least  # WCAG 2.1, 1.4.3 and 1.4.6


def test_greys_have_no_hue() -> None:
    for name in ("window", "chrome", "well", "raised", "hover", "pressed", "line", "border", "text", "dim", "stripe"):
        c = theme.color(name)
        assert c.red() == c.green() == c.blue(), name


def test_every_icon_that_is_named_is_drawn() -> None:
    wanted = {command.icon for command in registry.load().values() if command.icon}
    wanted |= {entry.icon for entry in panel.panels().values()}
    for file in (Path(theme.__file__).parent).glob("*.py"):
        wanted |= set(re.findall(r'theme\.icon\("([a-z0-9_-]+)"', file.read_text(encoding="utf-8")))
    missing = sorted(name for name in wanted if not resource("icons", f"{name}.svg").is_file())
    assert missing == []


def test_icons_show_in_every_state_at_every_scale(qapp: Any) -> None:
    from PySide6.QtCore import QSize
    from PySide6.QtGui import QIcon

    icon = theme.icon("tool-move")
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Disabled, QIcon.Mode.Active):
        for ratio in (1.0, 1.25, 1.5, 2.0):
            picture = icon.pixmap(QSize(18, 18), ratio, mode).toImage()
            assert picture.width() >= round(18 * ratio) - 1
            assert any(picture.pixelColor(x, picture.height() // 2).alpha() > 100 for x in range(picture.width()))


def test_the_style_sheet_names_only_colours_that_exist_and_grows(qapp: Any) -> None:
    theme.apply(qapp, scale=1.0)
    small = theme.style_sheet()
    theme.apply(qapp, scale=2.0)
    large = theme.style_sheet()
    theme.apply(qapp, scale=1.0)
    assert "@" not in small and small != large
    assert theme.size(7) == 7
