"""Key dots: the small marks beside fields that say whether a field moves and whether it has a key at this frame.

An empty ring: no curve. A diamond, half filled: a curve, but no key here. A full diamond: a key. A diamond with a bar:
several that differ. While keys are set by themselves every mark stands in a ring. So each state is a shape of its own,
and colour only helps. A press sets a key or removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QAction, QColor, QGuiApplication, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from studio.commands import keys
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.scene import keying
from studio.scene.animation import Curve
from studio.scene.entities import Id
from studio.scene.pose import split_track
from studio.scene.scene import Scene
from studio.ui import theme
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk

NONE, ANIMATED, KEY, MIXED = "none", "animated", "key", "mixed"
_TOLD = {
    NONE: N_("No animation; press to set a key"),
    ANIMATED: N_("Animated, no key at this frame; press to set one"),
    KEY: N_("Key at this frame; press to remove it"),
    MIXED: N_("Some have a key at this frame; press to set one for all"),
}

_index: tuple[Mapping[str, Curve], dict[str, set[Id]]] = ({}, {})


def _driven(tracks: Mapping[str, Curve]) -> dict[str, set[Id]]:
    """Ids by the field that a track drives; kept as long as the tracks are the same."""
    global _index
    if _index[0] is not tracks:
        found: dict[str, set[Id]] = {}
        for track in tracks:
            target, field, _ = split_track(track)
            found.setdefault(field, set()).add(target)
        _index = tracks, found
    return _index[1]


def state_of(scene: Scene, ids: Sequence[Id], field: str, frame: float) -> str:
    """What a dot says of a field of several."""
    driven = _driven(scene.tracks).get(field)
    if not driven or driven.isdisjoint(ids):
        return NONE
    found = {keying.keyed(scene, id_, field, frame) if id_ in driven else "" for id_ in ids}
    if len(found) > 1:
        return MIXED
    return {"": NONE, "animated": ANIMATED, "key": KEY}[found.pop()]


def moves(scene: Scene, ids: Iterable[Id]) -> bool:
    """Whether any field of any of these is driven by a curve."""
    wanted = set(ids)
    return any(not wanted.isdisjoint(found) for found in _driven(scene.tracks).values())


def toggle(studio: Studio, ids: Sequence[Id], field: str) -> None:
    """Set a key of a field on all of these, or remove it where all have one."""
    on = state_of(studio.scene, ids, field, studio.frame) != KEY
    studio.attempt("keys.field", field=field, ids=tuple(ids), on=on)


# --- drawing ---------------------------------------------------------------------------------------------------------
def paint_dot(painter: QPainter, box: QRectF, state: str, *, autokey: bool = False, hovered: bool = False) -> None:
    """A mark in the middle of a box."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    centre, size = box.center(), theme.scale()
    accent = QColor(theme.color("accent"))
    if hovered:
        accent = accent.lighter(120)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if autokey:
        painter.setPen(QPen(theme.color("error"), 1.3 * size))
        painter.drawEllipse(centre, 6.2 * size, 6.2 * size)
    if state == NONE:
        painter.setPen(QPen(theme.color("text" if hovered else "disabled"), 1.2 * size))
        painter.drawEllipse(centre, 2.4 * size, 2.4 * size)
        painter.restore()
        return
    diamond = _diamond(centre, 4.3 * size)
    painter.setPen(QPen(accent, 1.3 * size))
    if state == KEY:
        painter.setBrush(accent)
    painter.drawPath(diamond)
    if state == ANIMATED:
        painter.setClipRect(QRectF(centre.x() - 9 * size, centre.y() - 9 * size, 9 * size, 18 * size))
        painter.fillPath(diamond, accent)
    elif state == MIXED:
        painter.drawLine(QPointF(centre.x() - 1.8 * size, centre.y()), QPointF(centre.x() + 1.8 * size, centre.y()))
    painter.restore()


def _diamond(centre: QPointF, reach: float) -> QPainterPath:
    path = QPainterPath(QPointF(centre.x(), centre.y() - reach))
    for x, y in ((reach, 0.0), (0.0, reach), (-reach, 0.0)):
        path.lineTo(centre.x() + x, centre.y() + y)
    path.closeSubpath()
    return path


# --- the button ------------------------------------------------------------------------------------------------------
class KeyDot(QToolButton):
    """The mark of one field of what is shown beside it. `follow` brings it to the present frame."""

    def __init__(self, studio: Studio, desk: Desk, field: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._studio, self._desk, self._field = studio, desk, field
        self._ids: tuple[Id, ...] = ()
        self._state = NONE
        self.setObjectName(f"key-{field}")
        self.setProperty("role", "quiet")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # fields follow each other by Tab; Ctrl+K keys the one in focus
        self.setFixedSize(theme.size(16), theme.size(18))
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(lambda at: self.popup(self.mapToGlobal(at)))
        self.clicked.connect(self.toggle)
        say(self.setAccessibleName, N_("Key"))
        translated(self._tell)

    @property
    def state(self) -> str:
        """What it says: "none", "animated", "key" or "mixed"."""
        return self._state

    def follow(self, ids: tuple[Id, ...]) -> None:
        """Say what is true of these now."""
        self._ids = ids
        state = state_of(self._studio.scene, ids, self._field, self._studio.frame)
        if state != self._state:
            self._state = state
            self._tell()
        self.update()

    def _tell(self) -> None:
        text = tr(_TOLD[self._state])
        self.setToolTip(text)
        self.setAccessibleDescription(text)

    def toggle(self) -> None:
        """Set a key, or remove it."""
        toggle(self._studio, self._ids, self._field)

    def popup(self, at: QPoint) -> None:
        """What can be done with the animation of the field."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        fill_menu(menu, self._studio, self._desk, self._ids, self._field)
        menu.popup(at)

    def sizeHint(self) -> QSize:
        """Room for the mark and its ring."""
        return QSize(theme.size(16), theme.size(18))

    def paintEvent(self, event: QPaintEvent) -> None:
        """The mark."""
        painter = QPainter(self)
        paint_dot(painter, QRectF(self.rect()), self._state, autokey=self._studio.autokey, hovered=self.underMouse())
        painter.end()


def fill_menu(menu: QMenu, studio: Studio, desk: Desk, ids: Sequence[Id], field: str) -> None:
    """Put what can be done with the animation of a field of several into a menu."""
    scene, frame = studio.scene, studio.frame
    state = state_of(scene, ids, field, frame)
    tracks = [track for id_ in ids for track in keys.tracks_of_field(scene, id_, field)] if state != NONE else []

    def act(text: str, run: Callable[[], object], on: bool = True) -> QAction:
        action = menu.addAction(tr(text))
        action.triggered.connect(lambda: run())
        action.setEnabled(on)
        return action

    def key(on: bool) -> None:
        studio.attempt("keys.field", field=field, ids=tuple(ids), on=on)

    def go(later: bool) -> None:
        there = keys.neighbour(studio.scene, tracks, studio.frame, later=later)
        if there is not None:
            studio.frame = there

    act(N_("Set key"), lambda: key(True), state != KEY)
    act(N_("Delete key"), lambda: key(False), state in (KEY, MIXED))
    act(N_("Remove animation"), lambda: studio.attempt("keys.remove_field", field=field, ids=tuple(ids)), bool(tracks))
    menu.addSeparator()
    act(N_("Previous key"), lambda: go(False), keys.neighbour(scene, tracks, frame, later=False) is not None)
    act(N_("Next key"), lambda: go(True), keys.neighbour(scene, tracks, frame, later=True) is not None)
    menu.addSeparator()
    act(N_("Copy value"), lambda: copy_value(studio, ids[0], field), bool(ids))
    act(N_("Show in curve editor"), lambda: show_curves(studio, desk, ids, field), bool(tracks))


def copy_value(studio: Studio, id_: Id, field: str) -> None:
    """Put a field's present value on the clipboard, as it can be typed."""
    value = getattr(studio.posed.get(id_), field)
    text = ", ".join(f"{v:.6g}" for v in value) if isinstance(value, tuple) else f"{value:.6g}"
    QGuiApplication.clipboard().setText(text)


def show_curves(studio: Studio, desk: Desk, ids: Sequence[Id], field: str) -> None:
    """Open the curve editor on a field of what is selected."""
    from studio.ui.curve_editor import CurveEditor

    editor = desk.show_panel("curve_editor")
    if not isinstance(editor, CurveEditor):
        return
    try:
        editor.reveal(ids[0], field)
    except StudioError as fault:
        studio.face.notify(str(fault), kind="error")
