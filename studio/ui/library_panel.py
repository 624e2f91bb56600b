"""The library: folders, kinds and tags at the left, a search line above, assets as tiles or rows, and below them what
is known of those that are selected. From here they are dragged into the viewport, onto texture slots and elsewhere.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, Qt, QTimer, QUrl
from PySide6.QtGui import (
    QDesktopServices,
    QDragEnterEvent,
    QDropEvent,
    QHideEvent,
    QKeySequence,
    QResizeEvent,
    QShortcut,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QSlider,
    QSplitter,
    QStackedWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from studio.assets.library import Library
from studio.assets.library_index import Asset
from studio.assets.library_kinds import KINDS
from studio.commands.registry import N_
from studio.commands.studio import Studio
from studio.errors import StudioError
from studio.ui import bars, theme
from studio.ui.i18n import say, tr, translated
from studio.ui.library_grid import LARGEST, SMALLEST, USUAL, LibraryGrid
from studio.ui.library_model import KIND_TITLES, LibraryModel, ThumbnailShelf, kind_icon, stars
from studio.ui.panel import Desk, panel

_PLACE = Qt.ItemDataRole.UserRole  # of an entry of the tree: what it narrows the search to
_NARROW = 460  # units of width below which parts stand below each other
_TYPED_MS, _HEARD_MS, _OTHERS_MS = 60, 120, 3000
_SORTS = (("relevance", N_("Best first")), ("name", N_("By name")), ("recent", N_("Last used first")))


@panel("library", N_("Library"), "left", "library")
class LibraryPanel(QWidget):
    """The library of the person at the window."""

    def __init__(self, studio: Studio, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("library")
        self._studio, self._desk = studio, desk
        self._library: Library = studio.library
        self._closed = False
        self._known = -1
        self._narrow: bool | None = None
        self.shelf = ThumbnailShelf(self._library, desk.bridge, self)
        self.model = LibraryModel(self.shelf, self)
        self._timers()
        self._build()
        self.setAcceptDrops(True)
        self._library.heard = lambda: desk.bridge.post(self._heard_soon)
        self._library.told = lambda sentence: desk.bridge.post(lambda: studio.face.notify(sentence, kind="warning"))
        if self._library.warning:
            studio.face.notify(self._library.warning, kind="warning")
            self._library.index.warning = ""
        self._forget = studio.watch(lambda update: self._heard_soon() if "library" in update.parts else None)
        self._library.watch()
        self._fill()

    def close_panel(self) -> None:
        """Stop listening; thumbnails are made no more."""
        self._closed = True
        self._forget()
        self._library.heard = lambda: None
        self._library.told = lambda sentence: None
        self.shelf.close()

    # --- building ----------------------------------------------------------------------------------------------------
    def _timers(self) -> None:
        def timer(interval: int, call: Any, *, single: bool = True) -> QTimer:
            made = QTimer(self, singleShot=single, interval=interval)
            made.timeout.connect(call)
            return made

        self._typed = timer(_TYPED_MS, self._search)
        self._changed = timer(_HEARD_MS, self._fill)
        self._others = timer(_OTHERS_MS, self._library.look, single=False)  # another studio may write

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self._split = QSplitter(Qt.Orientation.Horizontal, self)
        self._split.setObjectName("library-split")
        self._split.addWidget(self._make_tree())
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._make_bar())
        self.grid = LibraryGrid(self.model, self.shelf)
        self._empty = QLabel()
        self._empty.setProperty("role", "empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._stack = QStackedWidget()
        self._stack.setObjectName("library-stack")
        self._stack.addWidget(self.grid)
        self._stack.addWidget(self._empty)
        column.addWidget(self._stack, 1)
        column.addWidget(self._make_details())
        self._split.addWidget(right)
        self._split.setStretchFactor(1, 1)
        layout.addWidget(self._split)
        self.grid.selectionModel().selectionChanged.connect(lambda *_: self._tell_details())
        self.grid.customContextMenuRequested.connect(self._menu)
        self.grid.used.connect(self._use)
        find = QShortcut(QKeySequence("Ctrl+F"), self)
        find.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        find.activated.connect(self.search.setFocus)
        self._arrange()
        translated(self._retranslate)

    def _make_tree(self) -> QTreeWidget:
        tree = self.tree = QTreeWidget()
        tree.setObjectName("library-tree")
        tree.setHeaderHidden(True)
        tree.setIndentation(theme.size(12))
        tree.setUniformRowHeights(True)
        tree.setMinimumWidth(theme.size(110))
        tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tree.customContextMenuRequested.connect(self._tree_menu)
        tree.currentItemChanged.connect(lambda *_: self._search())
        say(tree.setAccessibleName, N_("Folders, kinds and tags"))
        return tree

    def _make_bar(self) -> QVBoxLayout:
        bar = QVBoxLayout()
        bar.setContentsMargins(theme.size(6), theme.size(5), theme.size(6), theme.size(5))
        bar.setSpacing(theme.size(4))
        self.search = QLineEdit()
        self.search.setObjectName("library-search")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(lambda: self._typed.start())
        say(self.search.setPlaceholderText, N_("Search: words, pinyin, tag:wood, kind:hdri, fav"))
        say(self.search.setAccessibleName, N_("Search the library"))
        self.count = QLabel()
        self.count.setObjectName("library-count")
        self.count.setProperty("role", "dim")
        self.sort = QComboBox()
        self.sort.setObjectName("library-sort")
        for key, _ in _SORTS:
            self.sort.addItem("", key)
        self.sort.currentIndexChanged.connect(lambda: self._search())
        say(self.sort.setAccessibleName, N_("Order"))
        self.rows = bars.button("library-rows", "rows", N_("Show as a list"), checkable=True)
        self.rows.toggled.connect(self._show_rows)
        self.side = QSlider(Qt.Orientation.Horizontal)
        self.side.setObjectName("library-size")
        self.side.setRange(SMALLEST, LARGEST)
        self.side.setValue(USUAL)
        self.side.setMinimumWidth(theme.size(40))
        self.side.setMaximumWidth(theme.size(90))
        self.side.valueChanged.connect(self.grid_side)
        say(self.side.setAccessibleName, N_("Size of the thumbnails"))
        say(self.side.setToolTip, N_("Size of the thumbnails"))
        self.add = bars.button("library-add", "add", N_("Add a folder"))
        self.add.clicked.connect(lambda: self._desk.give("library.add_folder"))
        self._bar = _rows(bar, 2)
        return bar

    def _make_details(self) -> QWidget:
        """What is known of the selected assets, to be changed here."""
        box = self._details = QWidget()
        box.setObjectName("library-details")
        column = QVBoxLayout(box)
        column.setContentsMargins(theme.size(6), theme.size(4), theme.size(6), theme.size(4))
        column.setSpacing(theme.size(4))
        self._facts = _rows(column, 3)
        self.favourite = bars.button("library-favourite", "favourite", N_("Favourite"), checkable=True)
        self.favourite.clicked.connect(lambda on: self._attempt("library.favourite", assets=self._chosen_ids(), on=on))
        self.rating = QComboBox()
        self.rating.setObjectName("library-rating")
        for number in range(6):
            self.rating.addItem(stars(number) or "–", number)
        self.rating.activated.connect(lambda at: self._attempt("library.rate", assets=self._chosen_ids(), stars=at))
        say(self.rating.setAccessibleName, N_("Rating"))
        self.tags = QLineEdit()
        self.tags.setObjectName("library-tags")
        self.tags.editingFinished.connect(self._tag)
        say(self.tags.setPlaceholderText, N_("Tags, with commas between them"))
        say(self.tags.setAccessibleName, N_("Tags"))
        self.note = QLineEdit()
        self.note.setObjectName("library-note")
        self.note.editingFinished.connect(self._annotate)
        say(self.note.setPlaceholderText, N_("Note"))
        say(self.note.setAccessibleName, N_("Note on the asset"))
        self._what = QLabel()
        self._what.setProperty("role", "dim")
        self._what.setTextFormat(Qt.TextFormat.PlainText)
        box.hide()
        return box

    def _arrange(self) -> None:
        """Stand the parts below each other where the panel is narrow, else side by side."""
        narrow = self.width() < theme.size(_NARROW)
        if narrow == self._narrow:
            return
        self._narrow = narrow
        self._split.setOrientation(Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal)
        share = (self.height() // 4, self.height()) if narrow else (theme.size(150), self.width())
        self._split.setSizes(list(share))
        tools = [(self.count, 1), (self.sort, 0), (self.side, 0), (self.rows, 0)]
        facts = [(self.favourite, 0), (self.rating, 0), (self._what, 1)]
        if narrow:
            _fill(self._bar, [[(self.search, 1), (self.add, 0)], tools])
            _fill(self._facts, [facts, [(self.tags, 1)], [(self.note, 1)]])
        else:
            _fill(self._bar, [[(self.search, 1), *((widget, 0) for widget, _ in tools), (self.add, 0)], []])
            _fill(self._facts, [[*((w, 0) for w, _ in facts), (self.tags, 3), (self.note, 2)], [], []])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _retranslate(self) -> None:
        for at, (_, title) in enumerate(_SORTS):
            self.sort.setItemText(at, tr(title))
        if self._known >= 0:
            self._known = -1
            self._fill()

    # --- filling -----------------------------------------------------------------------------------------------------
    def _heard_soon(self) -> None:
        """The library changed; many changes are shown together."""
        if not self._closed and not self._changed.isActive():
            self._changed.start()

    def _fill(self) -> None:
        """Show what the library holds now."""
        if self._closed:
            return
        if self._library.revision != self._known:
            self._known = self._library.revision
            self._fill_tree()
        self._search()

    def _fill_tree(self) -> None:
        tree = self.tree
        place = self._place()
        open_ = {item.data(0, _PLACE) for item in self._items() if item.isExpanded()} | {("kinds", ""), ("folders", "")}
        blocked = tree.blockSignals(True)
        tree.clear()
        assets = self._library.index.assets
        first = self._entry(tree, tr("All assets"), "library", ("all", ""), len(assets))
        liked = sum(asset.favourite for asset in assets)
        self._entry(tree, tr("Favourites"), "favourite", ("favourite", ""), liked)
        kinds = self._library.kinds()
        above = self._entry(tree, tr("Kinds"), "", ("kinds", ""))
        for kind in KINDS:
            if kinds[kind]:
                self._entry(above, tr(KIND_TITLES[kind]), kind_icon(kind), ("kind", kind), kinds[kind])
        above = self._entry(tree, tr("Folders"), "", ("folders", ""))
        for folder in self._library.folders:
            own = folder.path == os.path.realpath(self._library.own_folder)
            name = tr("Kept here") if own else os.path.basename(folder.path) or folder.path
            held = [asset.path for asset in assets if asset.folder == folder.id]
            root = self._entry(above, name, "folder", ("folder", folder.path), len(held), tip=folder.path)
            self._subfolders(root, folder.path, held)
        tags = self._library.tags()
        if tags:
            above = self._entry(tree, tr("Tags"), "", ("tags", ""))
            for tag, count in sorted(tags.items()):
                self._entry(above, tag, "", ("tag", tag), count)
        for item in self._items():
            item.setExpanded(item.data(0, _PLACE) in open_ or item.data(0, _PLACE) == ("tags", ""))
            if item.data(0, _PLACE) == place:
                tree.setCurrentItem(item)
        if tree.currentItem() is None:
            tree.setCurrentItem(first)
        tree.blockSignals(blocked)

    def _entry(
        self,
        parent: QTreeWidget | QTreeWidgetItem,
        title: str,
        icon: Any,
        place: tuple[str, str],
        count: int | None = None,
        *,
        tip: str = "",
    ) -> QTreeWidgetItem:
        item = QTreeWidgetItem(parent)
        item.setText(0, title if count is None else f"{title}  {count:,}")
        item.setToolTip(0, tip or title)
        item.setData(0, _PLACE, place)
        if icon:
            item.setIcon(0, theme.icon(icon) if isinstance(icon, str) else icon)
        if place[0] in ("kinds", "folders", "tags"):
            item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            item.setForeground(0, theme.color("dim"))
        return item

    def _subfolders(self, root: QTreeWidgetItem, folder: str, paths: list[str]) -> None:
        """Folders below a watched one that hold something, as they nest."""
        counts: dict[str, int] = {}
        for path in paths:
            place = os.path.dirname(path)
            while len(place) > len(folder):
                counts[place] = counts.get(place, 0) + 1
                place = os.path.dirname(place)
        made = {folder: root}
        for place in sorted(counts):
            above = made[os.path.dirname(place)]
            made[place] = self._entry(above, os.path.basename(place), "folder", ("folder", place), counts[place])

    def _items(self) -> list[QTreeWidgetItem]:
        out, open_ = [], [self.tree.topLevelItem(i) for i in range(self.tree.topLevelItemCount())]
        while open_:
            item = open_.pop()
            if item is not None:
                out.append(item)
                open_ += [item.child(i) for i in range(item.childCount())]
        return out

    def _place(self) -> tuple[str, str]:
        item = self.tree.currentItem()
        return tuple(item.data(0, _PLACE)) if item is not None else ("all", "")

    def _search(self) -> None:
        """Show what fits the search line and the chosen entry of the tree."""
        self._typed.stop()
        kind, value = self._place()
        narrowed: dict[str, Any] = {kind: value} if kind in ("kind", "folder", "tag") else {}
        found = self._library.search(
            self.search.text(), favourite=kind == "favourite", sort=str(self.sort.currentData()), **narrowed
        )
        chosen = self._chosen_ids()
        self.model.show(found)
        if not self.grid.selectionModel().hasSelection():
            self._select(chosen)
        self.count.setText(tr("{count} assets", count=f"{len(found):,}"))
        self._stack.setCurrentIndex(0 if found else 1)
        if not found:
            self._empty.setText(self._why_empty())
        self._tell_details()

    def _select(self, ids: list[int]) -> None:
        from PySide6.QtCore import QItemSelectionModel

        for id_ in ids:
            index = self.model.index_of(id_)
            if index.isValid():
                self.grid.selectionModel().select(index, QItemSelectionModel.SelectionFlag.Select)

    def _why_empty(self) -> str:
        if self._library.busy:
            return tr("Looking through the folders…")
        if not self._library.folders:
            return tr("Add a folder of models, environments, textures or materials, or drop one here.")
        return tr("Nothing here fits the search.") if self.search.text().strip() else tr("Nothing here yet.")

    # --- looks -------------------------------------------------------------------------------------------------------
    def grid_side(self, side: int) -> None:
        """Show thumbnails of another size."""
        self.grid.set_side(side)

    def _show_rows(self, on: bool) -> None:
        self.grid.show_as(rows=on)
        self.side.setEnabled(not on)
        self.rows.setIcon(theme.icon("grid" if on else "rows"))

    # --- what is selected --------------------------------------------------------------------------------------------
    def _chosen_ids(self) -> list[int]:
        return [asset.id for asset in self.grid.chosen()]

    def _tell_details(self) -> None:
        chosen = self.grid.chosen()
        self._details.setVisible(bool(chosen))
        if not chosen:
            return
        first = chosen[0]
        self.favourite.setChecked(all(asset.favourite for asset in chosen))
        self.favourite.setIcon(theme.icon("favourite-on" if self.favourite.isChecked() else "favourite"))
        self.rating.setCurrentIndex(first.rating)
        shared = set(first.tags).intersection(*(asset.tags for asset in chosen))
        if not self.tags.hasFocus():
            self.tags.setText(", ".join(sorted(shared)))
        if not self.note.hasFocus():
            self.note.setText(first.note)
        metrics = self._what.fontMetrics()
        text = first.name if len(chosen) == 1 else tr("{count} selected", count=len(chosen))
        self._what.setText(
            metrics.elidedText(
                text,
                Qt.TextElideMode.ElideMiddle,
                max(theme.size(60), self._what.width() if self._narrow else theme.size(180)),
            )
        )

    def _tag(self) -> None:
        """Give the selected assets the tags of the field, and take those away that left it."""
        chosen = self.grid.chosen()
        if not chosen:
            return
        shared = set(chosen[0].tags).intersection(*(asset.tags for asset in chosen))
        new = {tag for part in self.tags.text().replace("，", ",").split(",") if (tag := part.strip())}
        if new != shared:
            ids = [asset.id for asset in chosen]
            self._attempt("library.tag", assets=ids, add=sorted(new - shared), remove=sorted(shared - new))

    def _annotate(self) -> None:
        chosen = self.grid.chosen()
        if chosen and self.note.text().strip() != chosen[0].note:
            self._guarded(lambda: self._library.annotate([asset.id for asset in chosen], self.note.text()))

    def _attempt(self, id_: str, **arguments: Any) -> None:
        self._studio.attempt(id_, **arguments)
        self._fill()

    def _guarded(self, call: Any) -> None:
        try:
            call()
        except StudioError as fault:
            self._studio.face.notify(str(fault), kind="error")

    def _use(self, asset: Asset | None, *, replacing: bool = False) -> None:
        if asset is not None:
            self._studio.attempt("library.add", asset=asset.id, replacing=replacing)

    def _use_all(self, assets: list[Asset]) -> None:
        for asset in assets:
            self._use(asset)

    # --- menus -------------------------------------------------------------------------------------------------------
    def _menu(self, at: QPoint) -> None:
        chosen = self.grid.chosen()
        menu = QMenu(self)
        menu.setObjectName("library.menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if chosen:
            self._asset_actions(menu, chosen)
            menu.addSeparator()
        menu.addAction(tr("Rescan the library"), partial(self._desk.give, "library.rescan"))
        menu.popup(self.grid.viewport().mapToGlobal(at))

    def _asset_actions(self, menu: QMenu, chosen: list[Asset]) -> None:
        first, ids = chosen[0], [asset.id for asset in chosen]
        menu.addAction(theme.icon("add"), tr("Add to the scene"), partial(self._use_all, chosen))
        if first.kind == "model" and self._studio.selection:
            menu.addAction(tr("Replace what is selected"), lambda: self._use(first, replacing=True))
        menu.addSeparator()
        liked = all(asset.favourite for asset in chosen)
        title = tr("No favourite any more") if liked else tr("Make favourite")
        like = partial(self._attempt, "library.favourite", assets=ids, on=not liked)
        menu.addAction(theme.icon("favourite"), title, like)
        tags = menu.addMenu(tr("Tags"))
        for tag in sorted(self._library.tags()):
            action = tags.addAction(tag)
            action.setCheckable(True)
            action.setChecked(all(tag in asset.tags for asset in chosen))
            change = "remove" if action.isChecked() else "add"
            action.triggered.connect(partial(self._attempt, "library.tag", assets=ids, **{change: [tag]}))
        tags.addAction(tr("New tag…"), partial(self._new_tag, ids))
        menu.addSeparator()
        folder = os.path.dirname(first.path)
        opened = partial(QDesktopServices.openUrl, QUrl.fromLocalFile(folder))
        menu.addAction(theme.icon("folder"), tr("Show in its folder"), opened)
        menu.addAction(tr("Make the thumbnail anew"), lambda: self._renew(chosen))

    def _new_tag(self, ids: list[int]) -> None:
        tag = self._studio.face.ask_text(N_("New tag"))
        if tag:
            self._attempt("library.tag", assets=ids, add=[tag])

    def _renew(self, assets: list[Asset]) -> None:
        for asset in assets:
            self._guarded(partial(self.shelf.forget, asset))
        self.grid.ask()

    def _tree_menu(self, at: QPoint) -> None:
        item = self.tree.itemAt(at)
        kind, value = item.data(0, _PLACE) if item is not None else ("", "")
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(theme.icon("add"), tr("Add a folder"), partial(self._desk.give, "library.add_folder"))
        if kind == "folder":
            rescan = partial(self._attempt, "library.rescan", path=value)
            menu.addAction(tr("Rescan the folder"), rescan)
            found = next((folder for folder in self._library.folders if folder.path == value), None)
            if found is not None:
                polling = menu.addAction(tr("Look at it in turns (network folder)"))
                polling.setCheckable(True)
                polling.setChecked(found.polling)
                turn = partial(self._attempt, "library.add_folder", path=value, polling=not found.polling)
                polling.triggered.connect(lambda *_: turn())
                remove = partial(self._attempt, "library.remove_folder", path=value)
                menu.addAction(theme.icon("delete"), tr("Remove the folder from the library"), remove)
        menu.popup(self.tree.viewport().mapToGlobal(at))

    # --- folders dropped ---------------------------------------------------------------------------------------------
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _folders(event):
            event.acceptProposedAction()
        else:
            event.ignore()

    def dropEvent(self, event: QDropEvent) -> None:
        folders = _folders(event)
        if folders:
            event.acceptProposedAction()
        for folder in folders:
            self._attempt("library.add_folder", path=str(folder))

    # --- being seen --------------------------------------------------------------------------------------------------
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._others.start()
        self.grid.fit()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._others.stop()


def _rows(column: QVBoxLayout, count: int) -> list[QHBoxLayout]:
    """Empty rows in a column."""
    made = [QHBoxLayout() for _ in range(count)]
    for row in made:
        row.setSpacing(theme.size(5))
        column.addLayout(row)
    return made


def _fill(rows: list[QHBoxLayout], wanted: list[list[tuple[QWidget, int]]]) -> None:
    """Put widgets with their stretches into rows, and nothing else."""
    for row in rows:
        while row.count():
            row.takeAt(0)
    for row, widgets in zip(rows, wanted, strict=True):
        for widget, stretch in widgets:
            row.addWidget(widget, stretch)


def _folders(event: QDragEnterEvent | QDropEvent) -> list[Path]:
    """Folders of a drop, projects not among them."""
    paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
    return [path for path in paths if path.is_dir() and path.suffix.lower() != ".studio"]
