"""The sky panel: a dome's picture, on which a click makes a light of the colour, strength and direction found there.

Dots show the lights that were made; they are dragged to another place of the sky and selected with a click. The circle
under the pointer is the patch of sky that a new light stands for.
"""

from __future__ import annotations

import html
import itertools

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.errors import StudioError
from studio.scene import sky_lights
from studio.scene.entities import Id
from studio.scene.geometry import Image
from studio.scene.light_pixels import linear_pixels
from studio.scene.lights import Light
from studio.ui import bars, theme
from studio.ui.color_edit import seen
from studio.ui.field_rows import spoken_unit
from studio.ui.i18n import say, tr, translated
from studio.ui.number_edit import Range
from studio.ui.panel import Desk, panel

_WIDEST = 1024  # columns of the picture that is shown
_REACH_PX = 8.0
_drags = itertools.count()


def developed(image: Image) -> NDArray[np.uint8]:
    """RGBX bytes (h, w, 4) of a dome's picture, exposed so that its geometric mean is a middle grey."""
    from studio.ui.developing import Developing, develop

    step = max(1, -(-image.pixels.shape[1] // _WIDEST))
    light = linear_pixels(image, slice(None, None, step))[:, ::step]
    level = np.log2(np.maximum(light.mean(axis=-1), 1e-6)).mean()
    return develop(np.ascontiguousarray(light), "beauty", Developing(exposure_ev=float(np.log2(0.18) - level)))


class SkyPicture(QWidget):
    """The picture with its dots. Places are u, v of the picture."""

    made = Signal(float, float)
    taken = Signal(str)  # a dot was pressed
    moved = Signal(str, float, float)
    ended = Signal()
    hovered = Signal(float, float)  # -1, -1 when the pointer leaves

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sky-picture")
        self.setMouseTracking(True)
        self.setMinimumSize(theme.size(160), theme.size(80))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        say(self.setAccessibleName, N_("Picture of the sky"))
        self.dots: tuple[tuple[Id, tuple[float, float]], ...] = ()
        self.chosen: frozenset[Id] = frozenset()
        self.radius_deg = 2.5
        self._image = QImage()
        self._held: Id = ""
        self.at: tuple[float, float] | None = None  # the place under the pointer

    def sizeHint(self) -> QSize:
        """Twice as wide as high."""
        return QSize(theme.size(360), theme.size(180))

    def show_picture(self, pixels: NDArray[np.uint8] | None) -> None:
        """Show RGBX bytes, or a plain grey sky."""
        if pixels is None:
            self._image = QImage()
        else:
            height, width = pixels.shape[:2]
            self._image = QImage(pixels.tobytes(), width, height, QImage.Format.Format_RGBX8888).copy()
        self.update()

    def frame_box(self) -> QRectF:
        """Where the picture stands: as large as it fits, twice as wide as high, at the top."""
        width = min(float(self.width()), self.height() * 2.0)
        return QRectF((self.width() - width) / 2, 0.0, width, width / 2)

    def spot(self, place: tuple[float, float]) -> QPointF:
        """Where a place is drawn."""
        box = self.frame_box()
        return QPointF(box.left() + place[0] * box.width(), box.top() + place[1] * box.height())

    def _place(self, at: QPointF) -> tuple[float, float] | None:
        box = self.frame_box()
        u, v = (at.x() - box.left()) / box.width(), (at.y() - box.top()) / box.height()
        return (u, v) if 0.0 <= u <= 1.0 and 0.0 <= v <= 1.0 else None

    def _under(self, at: QPointF) -> Id:
        reach = theme.size(int(_REACH_PX))
        near = [(float(np.hypot(*(self.spot(p) - at).toTuple())), id_) for id_, p in self.dots]
        return min(near)[1] if near and min(near)[0] <= reach else ""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take a dot, or make a light."""
        place = self._place(event.position())
        if event.button() != Qt.MouseButton.LeftButton or place is None:
            return
        self._held = self._under(event.position())
        if self._held:
            self.taken.emit(self._held)
        else:
            self.made.emit(*place)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag a dot, or say what is under the pointer."""
        place = self._place(event.position())
        if self._held and place is not None:
            self.moved.emit(self._held, *place)
        self.at = place
        self.hovered.emit(*(place or (-1.0, -1.0)))
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        if self._held:
            self._held = ""
            self.ended.emit()

    def leaveEvent(self, event: object) -> None:
        """Nothing is under the pointer."""
        self.at = None
        self.hovered.emit(-1.0, -1.0)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, the patch under the pointer, the dots."""
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        box = self.frame_box()
        if self._image.isNull():
            painter.fillRect(box, theme.color("well"))
        else:
            painter.drawImage(box, self._image)
        if self.at is not None and not self._held and self.isEnabled():
            tall = box.height() * self.radius_deg / 180.0
            wide = tall / max(float(np.sin(np.pi * self.at[1])), 0.05)
            painter.setPen(QPen(QColor(255, 255, 255, 200), 1.2))
            painter.drawEllipse(self.spot(self.at), max(wide, 2.0), max(tall, 2.0))
        for id_, place in self.dots:
            mark = theme.color("accent") if id_ in self.chosen else QColor(255, 255, 255)
            painter.setPen(QPen(QColor(0, 0, 0, 190), 3.5))
            painter.setBrush(mark)
            painter.drawEllipse(self.spot(place), theme.size(4), theme.size(4))
            painter.setPen(QPen(mark, 1.5))
            painter.drawEllipse(self.spot(place), theme.size(4), theme.size(4))


@panel("sky", N_("Sky"), "right", "light-dome", default=False)
class SkyPanel(QWidget):
    """The picture of the selected dome, or of the first one of the scene."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sky-panel")
        self._studio, self._desk = studio, desk
        self._dome: Id = ""
        self._shown: object = None
        self._token = ""
        self.picture = SkyPicture()
        self.radius = bars.number(
            studio, "sky-radius", N_("Radius of the patch"), Range(0.1, 45.0, 0.5, 10.0), 2.5, unit="deg"
        )
        bars.edited(self.radius, self._sized)
        self.name = QLabel()
        self.name.setProperty("role", "dim")
        self.told = QLabel()
        self.told.setObjectName("sky-told")
        self.told.setProperty("role", "dim")
        self.told.setTextFormat(Qt.TextFormat.RichText)
        self.told.setContentsMargins(theme.size(8), 0, theme.size(8), theme.size(2))
        self.told.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        bar = bars.bar()
        bar.addWidget(self.name, 1)
        bars.labelled(bar, N_("Patch"), self.radius)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, theme.size(4))
        layout.setSpacing(theme.size(2))
        layout.addLayout(bar)
        layout.addWidget(self.told)
        layout.addWidget(self.picture, 1)
        self.picture.made.connect(self._make)
        self.picture.taken.connect(self._take)
        self.picture.moved.connect(self._move)
        self.picture.hovered.connect(self._hover)
        self._forget = studio.watch(self._heard)
        translated(self._relabel)
        self._relabel()

    def close_panel(self) -> None:
        """Stop listening."""
        self._forget()

    def _relabel(self) -> None:
        self.radius.say_unit(spoken_unit("deg"))
        self._follow()

    # --- what is shown -----------------------------------------------------------------------------------------------
    def _heard(self, update: Update) -> None:
        if update.change is not None or update.parts & {"path", "frame"}:
            self._follow()

    def _chosen_dome(self) -> Id:
        """The dome that is selected, or has a selected light below it; else the one shown; else the first."""
        entities = self._studio.posed.entities
        for id_ in reversed(self._studio.selection):
            entity = entities.get(id_)
            for each in (entity, entities.get(entity.parent) if entity is not None else None):
                if isinstance(each, Light) and each.light == "dome":
                    return each.id
        shown = entities.get(self._dome)
        if isinstance(shown, Light) and shown.light == "dome":
            return self._dome
        return next((e.id for e in entities.values() if isinstance(e, Light) and e.light == "dome"), "")

    def _follow(self) -> None:
        scene = self._studio.posed
        self._dome = self._chosen_dome()
        dome = scene.entities.get(self._dome)
        self.picture.setEnabled(dome is not None)
        self.name.setText((dome.name or dome.id) if dome is not None else tr("No dome light in the scene"))
        self.picture.dots = sky_lights.sky_lights(scene, self._dome) if dome is not None else ()
        self.picture.chosen = frozenset(self._studio.selection)
        image = scene.images.get(dome.image) if isinstance(dome, Light) else None
        if image is not self._shown:
            self._shown = image
            if image is None:
                self.picture.show_picture(None)
            else:
                self._desk.bridge.run(lambda: developed(image), then=lambda pixels: self._developed(image, pixels))
        self.picture.update()
        if self.picture.at is None:
            self._hover(-1.0, -1.0)

    def _developed(self, image: Image, pixels: NDArray[np.uint8]) -> None:
        if image is self._shown:
            self.picture.show_picture(pixels)

    def _sized(self, value: float) -> None:
        self.picture.radius_deg = value
        self.picture.update()

    def _hover(self, u: float, v: float) -> None:
        if u < 0 or not self._dome:
            self.told.setText(html.escape(tr("Click the sky to make a light of it.")) if self._dome else "")
            return
        patch = sky_lights.patch_of(self._studio.posed, self._dome, u, v, radius_deg=self.radius.value)
        peak = max(*patch.radiance, 1e-30)
        r, g, b = (c / peak for c in patch.radiance)
        swatch = f'<span style="color:{seen((r, g, b)).name()}">\u25a0</span>'
        self.told.setText(f"{swatch}&nbsp; {patch.luminance:,.3g} nt&nbsp;&nbsp; {patch.illuminance_lx:,.3g} lx")

    # --- what is done ------------------------------------------------------------------------------------------------
    def _make(self, u: float, v: float) -> None:
        self._studio.attempt("lights.from_sky", dome=self._dome, u=u, v=v, radius_deg=self.radius.value)

    def _take(self, id_: str) -> None:
        self._token = f"sky-{next(_drags)}"
        self._studio.select([id_])

    def _move(self, id_: str, u: float, v: float) -> None:
        try:
            with self._studio.document.edit(N_("Move light in the sky"), coalesce=self._token) as edit:
                edit.apply(sky_lights.turn, id_, u, v)
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")
