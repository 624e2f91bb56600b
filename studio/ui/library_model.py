"""What the library's grid shows: the assets found, and their thumbnails as they come.

Thumbnails are read, and made where there are none, for what is on the screen and a little around it; the window's
thread only ever draws pixmaps that are ready. Those seen last are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QObject, QPersistentModelIndex, Qt, QUrl, Signal
from PySide6.QtGui import QImage, QPixmap

from studio.assets.library import Library
from studio.assets.library_index import Asset
from studio.assets.thumbnails import Thumbnail, Thumbnails
from studio.commands.registry import N_
from studio.ui import theme
from studio.ui.bridge import Bridge
from studio.ui.i18n import tr

MIME = "application/x-myriad-asset"  # ids of assets, one a line
ASSET = Qt.ItemDataRole.UserRole
KIND_TITLES = {
    "model": N_("Models"),
    "hdri": N_("Environments"),
    "image": N_("Textures"),
    "material": N_("Materials"),
    "rig": N_("Light rigs"),
    "ies": N_("IES profiles"),
    "project": N_("Projects"),
}
KIND_ICONS = {
    "model": "mesh",
    "hdri": "light-dome",
    "image": "picture",
    "material": "material",
    "rig": "lights",
    "ies": "light-spot",
    "project": "folder",
}
_KEPT = 900  # pixmaps
_BATCH = 12  # files that are read in one go
Index = QModelIndex | QPersistentModelIndex


class ThumbnailShelf(QObject):
    """Pixmaps of thumbnails at the size that they are shown. `came` tells the ids of assets that got theirs."""

    came = Signal(list)

    def __init__(self, library: Library, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._library, self._bridge = library, bridge
        self._pixmaps: OrderedDict[tuple[str, str], QPixmap] = OrderedDict()
        self._broken: dict[tuple[str, str], str] = {}
        self._stale: set[tuple[str, str]] = set()  # of another size than the one that is shown
        self._px = 0
        self._wanted: list[Asset] = []
        self._reading = self._closed = False
        self.maker = Thumbnails(self._made)

    def close(self) -> None:
        """Read and make nothing any more."""
        self._closed = True
        self.maker.close()

    def resize(self, px: int) -> None:
        """Show thumbnails in so many device pixels from now on; those at hand are stretched until read anew."""
        if px != self._px:
            self._px = px
            self._broken.clear()
            self._stale = set(self._pixmaps)

    def pixmap(self, asset: Asset) -> QPixmap | None:
        """The thumbnail, None as long as there is none."""
        return self._pixmaps.get((asset.hash, asset.kind))

    def broken(self, asset: Asset) -> str:
        """Why there is no thumbnail, "" when nothing is known to be wrong."""
        return self._broken.get((asset.hash, asset.kind), "")

    def show(self, assets: Sequence[Asset]) -> None:
        """These are on the screen, the first of them most of all."""
        self._wanted = [a for a in assets if self._lacks((a.hash, a.kind)) and a.hash]
        for asset in assets:
            if (asset.hash, asset.kind) in self._pixmaps:
                self._pixmaps.move_to_end((asset.hash, asset.kind))
        self._read()

    def _lacks(self, key: tuple[str, str]) -> bool:
        return (key not in self._pixmaps or key in self._stale) and key not in self._broken

    def forget(self, asset: Asset) -> None:
        """Have the thumbnail of an asset made anew."""
        key = (asset.hash, asset.kind)
        self._pixmaps.pop(key, None)
        self._broken.pop(key, None)
        self.maker.forget(asset)

    def _read(self) -> None:
        """Read on a thread those that are on disk; have the others made."""
        if self._reading or self._closed or not self._wanted:
            return
        batch, px = self._wanted[:_BATCH], self._px
        self._reading = True

        def read() -> list[tuple[Asset, QImage | None, str, bool]]:
            return [(asset, *_read(self.maker.find(asset), px)) for asset in batch]

        def done(found: list[tuple[Asset, QImage | None, str, bool]]) -> None:
            self._reading = False
            if self._closed:
                return
            known = {asset.id for asset, _, _, there in found if there}
            for asset, image, sentence, there in found:
                if there:
                    self._take(asset, image, sentence)
            self._wanted = [asset for asset in self._wanted if self._lacks((asset.hash, asset.kind))]
            unread = [asset for asset in self._wanted if asset not in batch]
            if known:
                self.came.emit(list(known))
            if unread:
                self._wanted = unread + [asset for asset in batch if asset.id not in known]
            if unread and known:
                self._read()
            else:
                self.maker.want(self._wanted)

        self._bridge.run(read, then=done)

    def _take(self, asset: Asset, image: QImage | None, sentence: str) -> None:
        key = (asset.hash, asset.kind)
        self._stale = self._stale - {key}
        if image is None or image.isNull():
            self._broken[key] = sentence or tr("The thumbnail cannot be read.")
            return
        self._pixmaps[key] = QPixmap.fromImage(image)
        self._pixmaps.move_to_end(key)
        while len(self._pixmaps) > _KEPT:
            self._pixmaps.popitem(last=False)

    def _made(self, id_: int, thumbnail: Thumbnail, about: dict[str, object]) -> None:
        """One was made. Called on the maker's thread."""
        image, sentence, there = _read(thumbnail, self._px)
        if about:
            self._library.learned(id_, about)

        def take() -> None:
            asset = self._library.index.get(id_)
            if asset is not None and there and not self._closed:
                self._take(asset, image, sentence)
                self.came.emit([id_])

        self._bridge.post(take)


def _read(thumbnail: Thumbnail | None, px: int) -> tuple[QImage | None, str, bool]:
    """A thumbnail's picture in the size that is shown, or what is wrong with it; and whether there is anything yet."""
    if thumbnail is None:
        return None, "", False
    if thumbnail.sentence:
        return None, thumbnail.sentence, True
    from PIL import Image

    try:  # not by QImage: Pillow lets the window's thread go on meanwhile
        with Image.open(thumbnail.path) as opened:
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None, "", True
    if px and max(picture.size) != px:
        scale = px / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    data, row = picture.tobytes(), picture.width * 3
    return QImage(data, picture.width, picture.height, row, QImage.Format.Format_RGB888).copy(), "", True


class LibraryModel(QAbstractListModel):
    """The assets found, in their order."""

    def __init__(self, shelf: ThumbnailShelf, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shelf = shelf
        self._assets: list[Asset] = []
        self._rows: dict[int, int] = {}
        shelf.came.connect(self._came)

    def show(self, assets: list[Asset]) -> None:
        """Show other assets. Where only what is known of them changed, the view keeps its place and selection."""
        if [asset.id for asset in assets] == [asset.id for asset in self._assets]:
            changed = [row for row, (a, b) in enumerate(zip(assets, self._assets, strict=True)) if a is not b]
            self._assets = assets
            if changed:
                self.dataChanged.emit(self.index(changed[0]), self.index(changed[-1]))
            return
        self.beginResetModel()
        self._assets = assets
        self._rows = {asset.id: row for row, asset in enumerate(assets)}
        self.endResetModel()

    @property
    def assets(self) -> Sequence[Asset]:
        """What is shown."""
        return self._assets

    def asset(self, index: Index) -> Asset | None:
        """The asset of an index."""
        return self._assets[index.row()] if 0 <= index.row() < len(self._assets) else None

    def index_of(self, id_: int) -> QModelIndex:
        """The index of an asset, an invalid one when it is not shown."""
        row = self._rows.get(id_, -1)
        return self.index(row) if row >= 0 else QModelIndex()

    def _came(self, ids: list[int]) -> None:
        rows = sorted(self._rows[id_] for id_ in ids if id_ in self._rows)
        if rows:
            self.dataChanged.emit(self.index(rows[0]), self.index(rows[-1]), [Qt.ItemDataRole.DecorationRole])

    # --- Qt ----------------------------------------------------------------------------------------------------------
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  # Qt's own signature
        return 0 if parent.isValid() else len(self._assets)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        asset = self.asset(index)
        if asset is None:
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return asset.name
        if role == ASSET:
            return asset
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(asset)
        return None

    def _tip(self, asset: Asset) -> str:
        lines = [asset.name, f"{tr(KIND_TITLES[asset.kind])} · {size_text(asset.size)}", asset.path]
        facts = asset.facts
        if (pixels := facts.get("pixels")) and isinstance(pixels, list):
            lines.append(f"{pixels[0]} × {pixels[1]}")
        if asset.tags:
            lines.append(" · ".join(asset.tags))
        return "\n".join(filter(None, (*lines, asset.note, self._shelf.broken(asset))))

    def flags(self, index: Index) -> Qt.ItemFlag:
        out = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
        return out | Qt.ItemFlag.ItemIsDragEnabled if index.isValid() else out

    def mimeTypes(self) -> list[str]:
        return [MIME, "text/uri-list"]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        found = [asset for index in indexes if (asset := self.asset(index)) is not None]
        return mime_of(found)

    def supportedDragActions(self) -> Qt.DropAction:
        return Qt.DropAction.CopyAction


def mime_of(assets: Sequence[Asset]) -> QMimeData:
    """Assets as what is dragged: their numbers for us, their files for other programs."""
    out = QMimeData()
    out.setData(MIME, "\n".join(str(asset.id) for asset in assets).encode())
    out.setUrls([QUrl.fromLocalFile(asset.path) for asset in assets])
    return out


def ids_of(mime: QMimeData) -> list[int]:
    """The assets that are dragged."""
    text = bytes(mime.data(MIME).data()).decode(errors="replace") if mime.hasFormat(MIME) else ""
    return [int(line) for line in text.split() if line.isdecimal()]


def size_text(size: int) -> str:
    """Bytes as a person reads them."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= power:
            return f"{size / power:.{1 if size < 10 * power else 0}f} {unit}"
    return f"{size} B"


def stars(rating: int) -> str:
    """A rating as stars."""
    return "★" * rating


def kind_icon(kind: str, tint: str = "") -> Any:
    """The icon of a kind."""
    return theme.icon(KIND_ICONS.get(kind, "folder"), tint)
