"""Qt's events as the tools know them: device pixels, plain names, no Qt.

This is the one place where logical positions become device pixels, with the pixel ratio of the widget itself, so a
pick never misses by a fraction on a screen at 125 %.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QCursor, QKeyEvent, QMouseEvent, QWheelEvent

from studio.viewport.tools.events import Button, KeyEvent, PointerEvent, WheelEvent

_BUTTONS: dict[Qt.MouseButton, Button] = {
    Qt.MouseButton.LeftButton: "left",
    Qt.MouseButton.MiddleButton: "middle",
    Qt.MouseButton.RightButton: "right",
}
_MODIFIERS = (
    (Qt.KeyboardModifier.ShiftModifier, "shift"),
    (Qt.KeyboardModifier.ControlModifier, "ctrl"),
    (Qt.KeyboardModifier.AltModifier, "alt"),
    (Qt.KeyboardModifier.MetaModifier, "meta"),
)
_KEYS = {
    Qt.Key.Key_Escape: "escape",
    Qt.Key.Key_Return: "enter",
    Qt.Key.Key_Enter: "enter",
    Qt.Key.Key_Tab: "tab",
    Qt.Key.Key_Backtab: "tab",
    Qt.Key.Key_Space: "space",
    Qt.Key.Key_Backspace: "backspace",
    Qt.Key.Key_Delete: "delete",
    Qt.Key.Key_Home: "home",
    Qt.Key.Key_End: "end",
    Qt.Key.Key_Left: "left",
    Qt.Key.Key_Right: "right",
    Qt.Key.Key_Up: "up",
    Qt.Key.Key_Down: "down",
    Qt.Key.Key_Shift: "shift",
    Qt.Key.Key_Control: "ctrl",
    Qt.Key.Key_Alt: "alt",
    Qt.Key.Key_Meta: "meta",
}
_CURSORS = {
    "": Qt.CursorShape.ArrowCursor,
    "move": Qt.CursorShape.SizeAllCursor,
    "rotate": Qt.CursorShape.PointingHandCursor,
    "size": Qt.CursorShape.SizeFDiagCursor,
    "orbit": Qt.CursorShape.ClosedHandCursor,
    "pan": Qt.CursorShape.SizeAllCursor,
    "dolly": Qt.CursorShape.SizeVerCursor,
    "fly": Qt.CursorShape.CrossCursor,
    "cross": Qt.CursorShape.CrossCursor,
}


def claimed(event: QEvent, mine: Callable[[QKeyEvent], bool]) -> bool:
    """Whether a key is taken by a widget before it becomes a shortcut of the window: called first in `event`, which is
    done where this is True. `mine` says which keys the widget wants."""
    if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent) or not mine(event):
        return False
    event.accept()
    return True


def device_size(width: float, height: float, ratio: float) -> tuple[int, int]:
    """Device pixels of a widget's logical size. The hundredth outweighs what 1.25 and 1.5 lose in binary, so that
    half a pixel is rounded as Qt rounds it."""
    return max(1, round(width * ratio + 0.01)), max(1, round(height * ratio + 0.01))


def modifiers(held: Qt.KeyboardModifier) -> frozenset[str]:
    """Names of the modifiers that are held."""
    return frozenset(name for flag, name in _MODIFIERS if held & flag)


def pointer(event: QMouseEvent, kind: str, ratio: float) -> PointerEvent | None:
    """A mouse event as tools know it; None for a button that they have no name for."""
    button = _BUTTONS.get(event.button(), "")
    if kind in ("press", "release", "double") and not button:
        return None
    if kind == "move" and not event.buttons():
        kind = "hover"
    at = event.position()
    points = event.points()
    pressure = points[0].pressure() if points and event.pointingDevice() is not None else 1.0
    return PointerEvent(
        kind,  # type: ignore[arg-type]  # one of the literals, by the caller
        at.x() * ratio,
        at.y() * ratio,
        button,
        modifiers(event.modifiers()),
        pressure or 1.0,
        event.timestamp() / 1000.0,
    )


def leaving(ratio: float, at: QPointF) -> PointerEvent:
    """The pointer left the widget."""
    return PointerEvent("leave", at.x() * ratio, at.y() * ratio)


def wheel(event: QWheelEvent, ratio: float) -> WheelEvent:
    """A wheel event. Qt turns it sideways while Alt is held; it is turned back."""
    at, delta = event.position(), event.angleDelta()
    dx, dy = delta.x() / 120.0, delta.y() / 120.0
    if event.modifiers() & Qt.KeyboardModifier.AltModifier and dy == 0.0:
        dx, dy = 0.0, dx
    return WheelEvent(at.x() * ratio, at.y() * ratio, dx, dy, modifiers(event.modifiers()), event.timestamp() / 1000.0)


def key(event: QKeyEvent, kind: str) -> KeyEvent | None:
    """A key event; None for a key without a name (dead keys, media keys)."""
    name = key_name(event)
    if not name:
        return None
    return KeyEvent(
        kind,  # type: ignore[arg-type]  # "press" or "release", by the caller
        name,
        event.text(),
        modifiers(event.modifiers()),
        event.isAutoRepeat(),
        event.timestamp() / 1000.0,
    )


def key_name(event: QKeyEvent) -> str:
    """The name of a key as `KeyEvent` has it, "" for none."""
    code = event.key()
    found = _KEYS.get(Qt.Key(code)) if code in _KEY_CODES else None
    if found:
        return found
    if Qt.Key.Key_F1 <= code <= Qt.Key.Key_F35:
        return f"f{code - Qt.Key.Key_F1 + 1}"
    if 0x20 < code < 0x7F:
        name = chr(code).lower()
        pad = event.modifiers() & Qt.KeyboardModifier.KeypadModifier
        return f"num{name}" if pad and name in "0123456789.,+-*/" else name
    return ""


_KEY_CODES = frozenset(int(code) for code in _KEYS)


def cursor(name: str) -> QCursor:
    """The pointer's shape of a tool's name for it."""
    return QCursor(_CURSORS.get(name, Qt.CursorShape.ArrowCursor))
