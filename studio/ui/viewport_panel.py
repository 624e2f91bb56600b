"""The viewport panel: a canvas and the bar above it. Several may be open, each with its own camera and look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.commands import registry
from studio.commands.registry import N_
from studio.commands.studio import Studio, Update
from studio.scene import color
from studio.scene.entities import Camera
from studio.scene.expression_edits import figures
from studio.ui import menus, theme
from studio.ui.canvas import Canvas
from studio.ui.i18n import say, tr, translated
from studio.ui.panel import Desk, panel
from studio.ui.view import View
from studio.viewport.view import Mode

_PLACE_TOOL, _FACE_TOOL = "view.tool_place", "view.tool_face"
_TOOL_COMMANDS = ("view.tool_select", "view.tool_move", "view.tool_rotate", "view.tool_scale", _PLACE_TOOL, _FACE_TOOL)
_EXPOSURE_LIMIT_EV = 20.0


@panel("viewport", N_("Viewport"), "centre", "viewport", several=True)
class ViewportPanel(QWidget):
    """A viewport with its bar: tools, mode, camera, what is shown over the picture, exposure and view transform."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._studio, self._desk = studio, desk
        self.view = View(studio, desk.stage)
        self.canvas = Canvas(self.view, self)
        self.canvas.used.connect(lambda: desk.use_viewport(self.view))
        self.canvas.menu_wanted.connect(lambda at: desk.context_menu("viewport", self.canvas).popup(at))
        self.canvas.drawn.connect(desk.viewport_drawn)
        self.canvas.failed.connect(desk.tell_fault)
        self.view.on_status = lambda text: desk.status(tr(text))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._bar())
        layout.addWidget(self.canvas, 1)
        self.setFocusProxy(self.canvas)
        say(self.canvas.setAccessibleName, "Viewport")
        self._forget = studio.watch(self._updated)
        translated(self._retitle)
        theme.signals().changed.connect(self._resize_bar)
        desk.use_viewport(self.view)

    def close_panel(self) -> None:
        """Let go of the studio and of the picture's memory."""
        self._forget()
        self._desk.forget_viewport(self.view)
        self.view.close()

    # --- the bar -----------------------------------------------------------------------------------------------------
    def _bar(self) -> QWidget:
        bar = QWidget(self)
        bar.setObjectName("viewportBar")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = self._row = QHBoxLayout(bar)
        self._tools = [self._tool(id_, bar) for id_ in _TOOL_COMMANDS]
        for button in self._tools:
            row.addWidget(button)
        self._offer_placings(self._tools[_TOOL_COMMANDS.index(_PLACE_TOOL)])
        row.addSpacing(theme.size(6))
        self._mode = self._menu_button(bar, "mode", N_("Mode"), partial(self._fill, "View/Mode"))
        self._camera = self._menu_button(bar, "camera", N_("Camera"), self._fill_camera)
        row.addWidget(self._mode)
        row.addWidget(self._camera)
        row.addStretch(1)
        self._exposure = QDoubleSpinBox(bar)
        self._exposure.setObjectName("exposure")
        self._exposure.setRange(-_EXPOSURE_LIMIT_EV, _EXPOSURE_LIMIT_EV)
        self._exposure.setSingleStep(0.25)
        self._exposure.setDecimals(2)
        self._exposure.setKeyboardTracking(False)
        self._exposure.valueChanged.connect(self._expose)
        self._display = self._menu_button(bar, "display", N_("View transform"), self._fill_display)
        self._overlays = self._menu_button(bar, "overlays", N_("Overlays"), partial(self._fill, "View/Overlays"))
        self._effects = self._menu_button(bar, "effects", N_("Effects"), partial(self._fill, "View/Effects"))
        for widget in (self._exposure, self._display, self._effects, self._overlays):
            row.addWidget(widget)
        self._resize_bar()
        return bar

    def _resize_bar(self) -> None:
        self._row.setContentsMargins(theme.size(4), theme.size(2), theme.size(4), theme.size(2))
        self._row.setSpacing(theme.size(2))
        self._exposure.setFixedWidth(theme.size(74))
        self.setMinimumWidth(theme.size(240))

    def _tool(self, id_: str, bar: QWidget) -> QToolButton:
        button = QToolButton(bar)
        button.setObjectName(id_)
        button.setIcon(theme.icon(id_.replace("view.tool_", "tool-")))
        button.setCheckable(True)
        button.clicked.connect(lambda: self._give(id_))
        return button

    def _offer_placings(self, button: QToolButton) -> None:
        """What the place tool puts under the pointer is chosen by the arrow at its button."""
        menu = QMenu(button)
        menu.setObjectName("placings.menu")
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(partial(self._open, menu, partial(self._fill, "Lights/Place")))
        button.setPopupMode(QToolButton.ToolButtonPopupMode.MenuButtonPopup)
        button.setMenu(menu)

    def _menu_button(self, bar: QWidget, name: str, label: str, fill: Callable[[QMenu], None]) -> QToolButton:
        button = QToolButton(bar)
        button.setObjectName(name)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        menu = QMenu(button)
        menu.setObjectName(f"{name}.menu")
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(partial(self._open, menu, fill))
        button.setMenu(menu)
        say(button.setAccessibleName, label)
        say(button.setToolTip, label)
        return button

    def _open(self, menu: QMenu, fill: Callable[[QMenu], None]) -> None:
        self._desk.use_viewport(self.view)
        menu.clear()
        fill(menu)

    def _give(self, id_: str) -> None:
        self._desk.use_viewport(self.view)
        self._desk.give(id_)
        self._retitle()

    def _fill(self, path: str, menu: QMenu) -> None:
        made = menus.CommandMenu(path, self._studio, self._give, menu)
        made.fill()
        menu.addActions(made.actions())

    def _fill_camera(self, menu: QMenu) -> None:
        cameras = [e for e in self._studio.scene.entities.values() if isinstance(e, Camera)]
        free = menu.addAction(tr("Free view"), lambda: self._look_through(""))
        free.setCheckable(True)
        free.setChecked(not self.view.tools.through)
        for camera in cameras:
            action = menu.addAction(camera.name or camera.id, partial(self._look_through, camera.id))
            action.setCheckable(True)
            action.setChecked(self.view.tools.through == camera.id)
        menu.addSeparator()
        self._fill("View/Camera", menu)
        menu.addSeparator()
        self._fill("View/Direction", menu)

    def _look_through(self, id_: str) -> None:
        self.view.tools.look_through(id_)
        self._retitle()

    def _fill_display(self, menu: QMenu) -> None:
        display, view = self._display_view()
        for name in color.displays():
            submenu = menu.addMenu(name)
            for entry in color.views(name):
                action = submenu.addAction(entry, partial(self._show_as, name, entry))
                action.setCheckable(True)
                action.setChecked((name, entry) == (display, view))

    def _display_view(self) -> tuple[str, str]:
        return self.view.look.display or color.DISPLAY, self.view.look.view or color.DEFAULT_VIEW

    def _show_as(self, display: str, view: str) -> None:
        self.view.look = replace(self.view.look, display=display, view=view)
        self._retitle()

    def _expose(self, stops: float) -> None:
        if stops != self.view.look.exposure_ev:
            self.view.look = replace(self.view.look, exposure_ev=stops)

    # --- following ---------------------------------------------------------------------------------------------------
    def _updated(self, update: Update) -> None:
        if update.change is not None or update.parts & {"path", "preferences"}:
            self._retitle()

    def refresh(self) -> None:
        """Say what is true of the view now; a command may have changed it."""
        self._retitle()

    def _retitle(self) -> None:
        modes = {
            Mode.WIREFRAME: tr("Wireframe"),
            Mode.CLAY: tr("Clay"),
            Mode.LIT: tr("Lit"),
            Mode.ALBEDO: tr("Albedo"),
            Mode.NORMALS: tr("Normals"),
            Mode.COMPLEXITY: tr("Light complexity"),
            Mode.EXPOSURE: tr("False-colour exposure"),
            Mode.DOMINANT: tr("Dominant light"),
        }
        look = self.view.look
        self._mode.setText(modes[look.mode])
        self._mode.setIcon(theme.icon(f"mode-{look.mode.value}"))
        through = self._studio.scene.entities.get(self.view.tools.through)
        self._camera.setText(through.name or through.id if through else tr("Free view"))
        self._camera.setIcon(theme.icon("camera"))
        self._display.setIcon(theme.icon("display"))
        self._display.setText("" if self._display_view() == (color.DISPLAY, color.DEFAULT_VIEW) else look.view)
        self._overlays.setIcon(theme.icon("overlays"))
        self._effects.setIcon(theme.icon("effects"))
        self._exposure.setSuffix(" EV")
        self._exposure.setToolTip(tr("Exposure of this viewport, in stops"))
        self._exposure.setAccessibleName(tr("Exposure of this viewport, in stops"))
        blocked = self._exposure.blockSignals(True)
        self._exposure.setValue(look.exposure_ev)
        self._exposure.blockSignals(blocked)
        commands, keymap = registry.load(), menus.keymap_of(self._studio)
        for button, id_ in zip(self._tools, _TOOL_COMMANDS, strict=True):
            button.setChecked(id_ == f"view.tool_{self._desk.stage.tools.mode}")
            button.setVisible(id_ != _FACE_TOOL or bool(figures(self._studio.scene)))
            if id_ in commands:
                button.setToolTip(menus.tip(commands[id_], keymap))
                button.setAccessibleName(tr(commands[id_].title))

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.LanguageChange:
            self.canvas.update()
        super().changeEvent(event)
