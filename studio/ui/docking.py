"""The docking side of a window: where its panels stand, and how that is kept.

Panels are built when they are first shown. A layout (which panels, where, how the viewports look) is a text that the
preferences keep under a name; the last one comes back at the next start.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import PySide6QtAds as ads  # noqa: N813  # as its documentation has it
from PySide6.QtCore import QByteArray, QObject, QSize, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QIcon, QShowEvent
from PySide6.QtWidgets import QLabel, QMainWindow, QSplitter, QVBoxLayout, QWidget

from studio.ui import menus, theme
from studio.ui import panel as panel_table
from studio.ui.i18n import say, tr

if TYPE_CHECKING:
    from studio.ui.application import Application
    from studio.ui.panel import Desk
    from studio.ui.view import View


PLACES = {
    "left": ads.DockWidgetArea.LeftDockWidgetArea,
    "right": ads.DockWidgetArea.RightDockWidgetArea,
    "centre": ads.DockWidgetArea.CenterDockWidgetArea,
    "bottom": ads.DockWidgetArea.BottomDockWidgetArea,
    "foot": ads.DockWidgetArea.BottomDockWidgetArea,
}
_SIZE = QSize(1440, 900)
_SIDE, _BOTTOM = (0.17, 0.20), 0.21  # share of the window that outliner and inspector, and the light list, take
_FOOT = 124.0  # height of the timeline, which is always seen, at an interface scale of 1
_configured = False


def configure_docking() -> None:
    """Settings of the docking library, once, before the first window."""
    global _configured
    if _configured:
        return
    _configured = True
    flag = ads.CDockManager.eConfigFlag
    ads.CDockManager.setConfigFlags(
        flag.OpaqueSplitterResize
        | flag.DockAreaHasTabsMenuButton
        | flag.DockAreaDynamicTabsMenuButtonVisibility
        | flag.DockAreaHasUndockButton
        | flag.AllTabsHaveCloseButton
        | flag.TabCloseButtonIsToolButton
        | flag.RetainTabSizeWhenCloseButtonHidden
        | flag.FloatingContainerHasWidgetTitle
        | flag.DoubleClickUndocksWidget
        | flag.MiddleMouseButtonClosesTab
        | flag.FocusHighlighting
        | flag.AlwaysShowTabs
        | flag.DisableStylesheet
    )


class _Holder(QWidget):
    """Where a panel will stand: it is built when this is first shown."""

    def __init__(self, window: DockingWindow, id_: str) -> None:
        super().__init__()
        self.setObjectName(f"holder.{id_}")
        self._window, self.id = window, id_
        self.content: QWidget | None = None
        self.state: dict[str, object] = {}
        self.setAcceptDrops(True)  # also in a window of its own
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        self._window.dragEnterEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        self._window.dropEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        self.build()
        super().showEvent(event)

    def build(self) -> None:
        """Make the panel, unless it is there."""
        if self.content is not None:
            return
        entry = panel_table.find(kind_of(self.id))
        if entry is None:
            return
        window = self._window
        made: list[QWidget] = []
        window.application.guarded(lambda: made.append(entry.make(window.application.studio, window.desk)))
        if not made:
            label = QLabel(tr("This panel could not be opened; the log says why."), self)
            label.setProperty("role", "empty")
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            made.append(label)
        self.content = made[0]
        view = getattr(self.content, "view", None)
        if view is not None and self.state:
            view.restore(self.state)
        self._layout().addWidget(self.content)
        self.setFocusProxy(self.content)

    def _layout(self) -> QVBoxLayout:
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        return layout

    def release(self) -> None:
        """Take the panel down; it is built again when it is shown again."""
        if self.content is None:
            return
        close = getattr(self.content, "close_panel", None)
        if close is not None:
            close()
        self._layout().removeWidget(self.content)
        self.content.setParent(None)
        self.content.deleteLater()
        self.content = None


def kind_of(id_: str) -> str:
    """The panel that a dock holds: "viewport" of "viewport.2"."""
    return id_.partition(".")[0]


class DockingWindow(QMainWindow):
    """A main window whose middle is docks. The main one starts with all default panels, another with a viewport."""

    if TYPE_CHECKING:

        @property
        def desk(self) -> Desk:
            """The window as its panels see it."""

    def __init__(self, application: Application, *, main: bool) -> None:
        super().__init__()
        configure_docking()
        self.application, self.main = application, main
        self.resize(_SIZE)
        self._docks: dict[str, ads.CDockWidget] = {}
        self._floating_shortcuts: list[menus.Shortcuts] = []
        self.docks = ads.CDockManager(self)
        self.docks.setObjectName("docks")
        self._dress_docks()
        self.docks.floatingWidgetCreated.connect(self._adopt)

    def _dress_docks(self) -> None:
        icons = self.docks.iconProvider()
        for which, name in (
            (ads.TabCloseIcon, "close"),
            (ads.DockAreaCloseIcon, "close"),
            (ads.DockAreaMenuIcon, "more"),
            (ads.DockAreaUndockIcon, "undock"),
            (ads.DockAreaMinimizeIcon, "minimize"),
            (ads.AutoHideIcon, "pin"),
        ):
            icons.registerCustomIcon(which, QIcon(theme.icon(name)))  # it takes what it is given

    def _adopt(self, floating: ads.CFloatingDockContainer) -> None:
        """Panels in a window of their own keep the shortcuts, and take dropped files."""
        floating.setObjectName("floating")
        if floating.windowType() != Qt.WindowType.Tool:  # a tool window shares its parent's shortcuts
            self._floating_shortcuts = [s for s in self._floating_shortcuts if s.alive]
            self._floating_shortcuts.append(menus.Shortcuts(self.application.studio, self.application.give, floating))

    # --- panels ------------------------------------------------------------------------------------------------------
    def add_dock(self, id_: str) -> ads.CDockWidget:
        """The dock of a panel, made but not placed yet."""
        found = self._docks.get(id_)
        if found is not None:
            return found
        entry = panel_table.find(kind_of(id_))
        if entry is None:
            raise KeyError(id_)
        dock = ads.CDockWidget(self.docks, id_)
        dock.setObjectName(id_)
        dock.setIcon(theme.icon(entry.icon))
        holder = _Holder(self, id_)
        dock.setWidget(holder, ads.CDockWidget.eInsertMode.ForceNoScrollArea)
        dock.setMinimumSizeHintMode(ads.CDockWidget.eMinimumSizeHintMode.MinimumSizeHintFromDockWidget)
        say(_Title(dock, id_.partition(".")[2]).set_title, entry.title)
        dock.closed.connect(lambda: self._closed(id_))
        self._docks[id_] = dock
        return dock

    def _closed(self, id_: str) -> None:
        entry = panel_table.find(kind_of(id_))
        if entry is not None and entry.several and not self.docks.isRestoringState():
            self.holder(id_).release()

    def holder(self, id_: str) -> _Holder:
        """Where a panel stands or will stand."""
        widget = self._docks[id_].widget()
        assert isinstance(widget, _Holder)
        return widget

    def show_panel(self, id_: str) -> QWidget | None:
        """Open a panel, or bring the open one forward; gives its widget."""
        if panel_table.find(kind_of(id_)) is None:
            return None
        if id_ not in self._docks:
            self._place(id_)
        dock = self._docks[id_]
        dock.toggleView(True)
        dock.setAsCurrentTab()
        dock.raise_()
        holder = self.holder(id_)
        holder.build()
        if holder.content is not None and kind_of(id_) == "viewport":
            holder.content.setFocus(Qt.FocusReason.OtherFocusReason)
        return holder.content

    def panel(self, id_: str) -> QWidget | None:
        """The widget of an open panel."""
        return self.holder(id_).content if id_ in self._docks else None

    def is_open(self, id_: str) -> bool:
        """Whether a panel is open."""
        return id_ in self._docks and not self._docks[id_].isClosed()

    def close_panel(self, id_: str) -> None:
        """Close a panel."""
        if self.is_open(id_):
            self._docks[id_].toggleView(False)

    def new_viewport(self) -> QWidget | None:
        """Open one more viewport, beside the one that was used last."""
        ids = ["viewport", *(f"viewport.{n}" for n in range(2, 100))]
        id_ = next(name for name in ids if not self.is_open(name))
        if id_ not in self._docks:
            beside = next((self._docks[n].dockAreaWidget() for n in reversed(ids) if self.is_open(n)), None)
            sizes = list(self.docks.splitterSizes(beside)) if beside is not None else []
            row = beside.parentSplitter().indexOf(beside) if beside is not None else 0
            self.docks.addDockWidget(PLACES["right"], self.add_dock(id_), beside)
            now = self.docks.splitterSizes(self._docks[id_].dockAreaWidget())
            if len(now) == len(sizes) + 1:  # both share the room that the one had
                half = sizes[row] // 2
                self.docks.setSplitterSizes(beside, [*sizes[:row], half, sizes[row] - half, *sizes[row + 1 :]])
        return self.show_panel(id_)

    def _place(self, id_: str) -> None:
        """Dock a panel where its kind stands: as a tab of the others there, else at that side."""
        entry = panel_table.find(kind_of(id_))
        assert entry is not None
        areas = [
            dock.dockAreaWidget()
            for name, dock in self._docks.items()
            if not dock.isClosed() and not dock.isFloating() and self._area_of(name) == entry.area
        ]
        place = PLACES["centre"] if areas else PLACES[entry.area]
        self.docks.addDockWidget(place, self.add_dock(id_), areas[0] if areas else None)

    def _area_of(self, id_: str) -> str:
        entry = panel_table.find(kind_of(id_))
        return entry.area if entry is not None else ""

    # --- layouts -----------------------------------------------------------------------------------------------------
    def default_layout(self) -> None:
        """The layout of a first start: outliner, viewport, inspector, the light list and the timeline below. A second
        window starts with a viewport alone."""
        self._remove_all()
        entries = [e for e in panel_table.panels().values() if e.default and (self.main or e.id == "viewport")]
        # The order makes the shape: the bottom lies below left and centre, the right side goes from top to bottom.
        for area in ("centre", "left", "bottom", "foot", "right"):
            first: Any = None
            for entry in (e for e in entries if e.area == area):
                dock = self.add_dock(entry.id)
                if first is not None:
                    self.docks.addDockWidget(PLACES["centre"], dock, first)
                else:
                    beside = self._docks["viewport"].dockAreaWidget() if area == "left" else None
                    first = self.docks.addDockWidget(PLACES[area], dock, beside)
            if first is not None:
                first.setCurrentIndex(0)
        self._size_areas()

    def _size_areas(self) -> None:
        width, height = self.width(), self.height()
        left, right = (round(width * share) for share in _SIDE)
        if "viewport" in self._docks:
            area = self._docks["viewport"].dockAreaWidget()
            self.docks.setSplitterSizes(area, [left, width - left - right])
        if "light_list" in self._docks and (splitter := self._docks["light_list"].dockAreaWidget().parentSplitter()):
            below, foot = round(height * _BOTTOM), theme.size(_FOOT)
            splitter.setSizes([height - below - foot, below, foot][: splitter.count()])
        root = self.docks.rootSplitter()
        if root.orientation() == Qt.Orientation.Horizontal and root.count() == 2:
            root.setSizes([width - right, right])

    def _remove_all(self) -> None:
        for id_ in tuple(self._docks):
            self.holder(id_).release()
            dock = self._docks.pop(id_)
            self.docks.removeDockWidget(dock)
            dock.deleteLater()

    def layout_text(self) -> str:
        """The present layout as a text."""
        looks = {id_: view.state() for id_, view in self._views().items()}
        kept = {"panels": list(self._docks), "state": self.docks.saveState().data().decode(), "looks": looks}
        return json.dumps(kept)

    def take_layout(self, text: str) -> bool:
        """Arrange the panels as a text of `layout_text` says; False, and the default, when it says nothing usable."""
        try:
            found = json.loads(text)
            state = QByteArray(str(found["state"]).encode())
            ids = [id_ for id_ in found["panels"] if panel_table.find(kind_of(str(id_)))]
            looks: Mapping[str, Any] = found.get("looks", {})
        except (ValueError, KeyError, TypeError, AttributeError):
            self.default_layout()
            return False
        self._remove_all()
        for id_ in ids:
            self.add_dock(id_)
            kept = looks.get(id_)
            self.holder(id_).state = kept if isinstance(kept, dict) else {}
            self._place(id_)
        whole = state.startsWith(b"<?xml") and state.trimmed().endsWith(b"</QtAdvancedDockingSystem>")
        if not ids or not whole or not self.docks.restoreState(state):
            self.default_layout()
            return False
        return True

    def _views(self) -> dict[str, View]:
        found = {id_: getattr(self.holder(id_).content, "view", None) for id_ in self._docks}
        return {id_: view for id_, view in found.items() if view is not None}

    @property
    def places(self) -> Mapping[str, Any]:
        """The sides of the window, as the docking library names them."""
        return PLACES

    @property
    def views(self) -> list[View]:
        """The viewports of this window."""
        return list(self._views().values())

    def geometry_text(self) -> str:
        """Size and place on the screen, with the layout."""
        return json.dumps({"geometry": _base64(self.saveGeometry()), "layout": self.layout_text()})

    def take_geometry(self, text: str) -> None:
        """Take what `geometry_text` gave; the default for anything else."""
        try:
            found = json.loads(text)
            self.restoreGeometry(QByteArray(base64.b64decode(found["geometry"])))
            self.take_layout(found["layout"])
        except (ValueError, KeyError, TypeError):
            self.default_layout()


class _Title(QObject):
    """Says the title of a panel on its tab; of a second, third, ... of a kind with its number. It is the dock's child,
    so that nobody speaks to a dock that is gone."""

    def __init__(self, dock: ads.CDockWidget, number: str) -> None:
        super().__init__(dock)
        self._dock, self._number = dock, number

    def set_title(self, title: str) -> None:
        title = f"{title} {self._number}".rstrip()
        self._dock.setWindowTitle(title)
        self._dock.setTabToolTip(title)


def give_height(widget: QWidget, missing: int) -> None:
    """Make the dock that a widget stands in higher, by taking from the highest one over or under it."""
    child, parent = widget, widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QSplitter) and parent.orientation() == Qt.Orientation.Vertical and parent.count() > 1:
            sizes, own = parent.sizes(), parent.indexOf(child)
            giver = max((i for i in range(len(sizes)) if i != own), key=lambda i: sizes[i])
            taken = min(missing, sizes[giver] // 3)
            sizes[own], sizes[giver] = sizes[own] + taken, sizes[giver] - taken
            parent.setSizes(sizes)
            return
        child, parent = parent, parent.parentWidget()


def _base64(data: QByteArray) -> str:
    return base64.b64encode(data.data()).decode()
