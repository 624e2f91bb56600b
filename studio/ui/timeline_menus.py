"""Menus and tips of the timeline: what a right click offers for a marker, a cut, the sound or a frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.commands.time import retimed
from studio.scene.entities import Camera, Id
from studio.scene.timeline import Cut, changed_cut, changed_marker, with_cut, without_cut
from studio.ui import theme
from studio.ui.i18n import tr
from studio.ui.panel import Desk
from studio.ui.timeline_paint import MARKER_COLORS
from studio.ui.timeline_scale import told

MARKER_TITLES = {"yellow": N_("Yellow"), "red": N_("Red"), "green": N_("Green"), "blue": N_("Blue"), "grey": N_("Grey")}
assert MARKER_TITLES.keys() == MARKER_COLORS.keys()


@dataclass(frozen=True, slots=True)
class Hit:
    """What lies under the pointer: "marker", "cut", "camera" (between cuts), "preview" (0 or 1), "sound" or ""."""

    kind: str = ""
    index: int = -1


class TimelineMenus:
    """Menus over a canvas."""

    def __init__(self, studio: Studio, desk: Desk, canvas: QWidget) -> None:
        self._studio, self._desk, self._canvas = studio, desk, canvas

    def _run(self, id_: str, **arguments: object) -> None:
        self._studio.attempt(id_, **arguments)

    def offer_cameras(self, hit: Hit, frame: float, at: QPoint) -> None:
        """The cameras alone."""
        menu = QMenu(self._canvas)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._offer_cameras(menu, frame, hit)
        menu.popup(at)

    def offer(self, hit: Hit, frame: float, at: QPoint, fit: Callable[[], None]) -> None:
        """What can be done with what was hit, at a place of the screen."""
        timeline = self._studio.scene.timeline
        menu = QMenu(self._canvas)
        menu.setObjectName("timeline.menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if hit.kind == "marker":
            menu.addAction(tr("Rename marker…"), partial(self._run, "time.rename_marker", index=hit.index))
            colours = menu.addMenu(tr("Colour"))
            for name, title in MARKER_TITLES.items():
                action = colours.addAction(tr(title), partial(self._recolor, hit.index, name))
                action.setCheckable(True)
                action.setChecked(timeline.markers[hit.index].color == name)
            menu.addAction(
                theme.icon("delete"), tr("Delete marker"), partial(self._run, "time.remove_marker", index=hit.index)
            )
        else:
            menu.addAction(theme.icon("marker"), tr("Add marker"), partial(self._run, "time.add_marker", frame=frame))
            menu.addAction(tr("Preview from here"), partial(self._run, "time.preview", first=frame))
            menu.addAction(tr("Preview up to here"), partial(self._run, "time.preview", last=frame))
            if timeline.preview is not None:
                menu.addAction(tr("Clear preview range"), partial(self._run, "time.clear_preview"))
        if hit.kind in ("cut", "camera"):
            menu.addSeparator()
            self._offer_cameras(menu, frame, hit)
        if hit.kind == "sound":
            menu.addSeparator()
            menu.addActions(self._desk.context_menu("sound", menu).actions())
        menu.addSeparator()
        menu.addAction(theme.icon("fit"), tr("Show the whole range"), fit)
        menu.popup(at)

    def _recolor(self, index: int, color: str) -> None:
        retimed(self._studio, N_("Colour of the marker"), lambda t: changed_marker(t, index, color=color))

    def _offer_cameras(self, menu: QMenu, frame: float, hit: Hit) -> None:
        """The cameras: for the cut that was hit, else for a cut at the frame."""
        scene = self._studio.scene
        now = scene.timeline.cuts[hit.index].camera if hit.index >= 0 else scene.camera
        for camera in (e for e in scene.entities.values() if isinstance(e, Camera)):
            if hit.kind == "cut":
                call = partial(self._set_camera, hit.index, camera.id)
                text = camera.name or camera.id
            else:
                call = partial(self._cut_to, frame, camera.id)
                text = tr("Cut to {camera} at frame {frame}", camera=camera.name or camera.id, frame=f"{frame:g}")
            action = menu.addAction(theme.icon("camera"), text, call)
            action.setCheckable(hit.kind == "cut")
            action.setChecked(hit.kind == "cut" and camera.id == now)
        if hit.kind == "cut":
            menu.addAction(theme.icon("delete"), tr("Delete cut"), partial(self._uncut, hit.index))

    def _cut_to(self, frame: float, camera: Id) -> None:
        retimed(self._studio, N_("Cut to camera"), lambda t: with_cut(t, Cut(frame=frame, camera=camera)))

    def _set_camera(self, index: int, camera: Id) -> None:
        retimed(self._studio, N_("Camera of the cut"), lambda t: changed_cut(t, index, camera=camera))

    def _uncut(self, index: int) -> None:
        retimed(self._studio, N_("Delete cut"), lambda t: without_cut(t, index))

    def tip(self, hit: Hit) -> str:
        """What hovering says."""
        scene = self._studio.scene
        code = self._studio.preferences.timecode
        if hit.kind == "marker":
            marker = scene.timeline.markers[hit.index]
            return f"{marker.name or tr('Marker')}  ·  {told(marker.frame, scene.fps, as_timecode=code)}"
        if hit.kind in ("cut", "camera"):
            id_ = scene.timeline.cuts[hit.index].camera if hit.index >= 0 else scene.camera
            found = scene.entities.get(id_)
            return found.name or id_ if found is not None else tr("No camera")
        if hit.kind == "sound":
            return self._desk.sound.fault or tr("Alt and drag moves the sound.")
        return ""
