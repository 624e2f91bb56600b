"""The asset library: what lies in the artist's folders, found by name, kind, tag and liking.

    library = Library()
    library.add_folder("/projects/assets")
    library.search("木头 kind:material")

Folders are scanned and watched on threads of the library's own; looking at it and searching never wait for them. A
file that was moved or renamed is known again by its content and keeps what was said of it. Whoever shows the library
hears of changes by `heard`, from any thread.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from studio.assets import library_search
from studio.assets.library_index import Asset, Folder, Index
from studio.assets.library_kinds import MATERIAL, RIG, Found, content_hash, look_at, owner, sharpened, walk
from studio.assets.library_parts import material_part, rig_part, save_part
from studio.assets.library_watch import POLL_S, QUIET_S, Watch, wants_polling
from studio.errors import BadAsset, StudioError, UsageError
from studio.resources import data_folder
from studio.scene.entities import Id
from studio.scene.scene import Scene

_BATCH = 64  # files of one transaction
MOST_FILES = 500_000  # of one folder: more is somebody's whole disk
MOST_RATING = 5


class Library:
    """The library of one person. From any thread; `close` it. `heard` is called when its contents changed, `told`
    with sentences about what went wrong beside the work."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        heard: Callable[[], object] = lambda: None,
        told: Callable[[str], object] = lambda sentence: None,
        quiet_s: float = QUIET_S,
        poll_s: float = POLL_S,
    ) -> None:
        self.index = Index(path)
        self.heard, self.told = heard, told
        self._timing = (quiet_s, poll_s)
        self._watch: Watch | None = None
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._working = 0
        self._idle = threading.Event()
        self._idle.set()
        self._guard = threading.Lock()
        self._closed = False

    # --- looking -----------------------------------------------------------------------------------------------------
    @property
    def warning(self) -> str:
        """The sentence about a damaged file that was set aside when the library was opened, "" for none."""
        return self.index.warning

    @property
    def own_folder(self) -> Path:
        """Where materials and rigs go that are kept in the library."""
        return data_folder() / "library"

    @property
    def folders(self) -> tuple[Folder, ...]:
        """The watched folders."""
        return self.index.folders

    @property
    def revision(self) -> int:
        """A number that differs whenever the contents do."""
        return self.index.revision

    def refresh(self) -> bool:
        """Take over what another studio wrote since; whether there was anything."""
        return self.index.refresh()

    def look(self) -> None:
        """Take over, on a thread, what another studio wrote since; `heard` is called when there was anything."""
        self._run(self.index.refresh)

    def get(self, id_: int | str) -> Asset:
        """The asset of an id; UsageError for one that is not there (any more)."""
        try:
            found = self.index.get(int(id_))
        except ValueError:
            found = None
        if found is None or found.missing:
            raise UsageError(f"there is no asset {id_!s:.40} in the library; it may have been moved or deleted")
        return found

    def search(
        self,
        text: str = "",
        *,
        kind: str = "",
        folder: str = "",
        tag: str = "",
        favourite: bool = False,
        sort: str = "relevance",
    ) -> list[Asset]:
        """Assets that a text fits (see `studio.assets.library_search.parse`), of a kind, below a folder's path, with
        a tag; the best first."""
        pool = self.index.assets
        if kind:
            pool = [asset for asset in pool if asset.kind == kind]
        if favourite:
            pool = [asset for asset in pool if asset.favourite]
        if tag:
            pool = [asset for asset in pool if tag in asset.tags]
        if folder:
            start = folder.rstrip(os.sep) + os.sep
            pool = [asset for asset in pool if asset.path.startswith(start)]
        return library_search.search(pool, text, sort=sort)

    def tags(self) -> Counter[str]:
        """Every tag with how many assets have it."""
        return Counter(tag for asset in self.index.assets for tag in asset.tags)

    def kinds(self) -> Counter[str]:
        """Every kind with how many assets are of it."""
        return Counter(asset.kind for asset in self.index.assets)

    # --- what a person says ------------------------------------------------------------------------------------------
    def tag(self, ids: Iterable[int], *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Give tags to assets and take others away."""
        new = [clean for tag in add if (clean := " ".join(tag.split())[:60])]
        gone = set(remove)
        wanted = [self.get(id_).id for id_ in ids]
        self.index.update(wanted, lambda asset: replace(asset, tags=tuple(sorted({*asset.tags} - gone | {*new}))))
        self.heard()

    def set_favourite(self, ids: Iterable[int], on: bool = True) -> None:
        """Make assets favourites, or not any more."""
        self.index.change(tuple(ids), favourite=on)
        self.heard()

    def rate(self, ids: Iterable[int], stars: int) -> None:
        """Give assets 0 to 5 stars."""
        if not 0 <= stars <= MOST_RATING:
            raise UsageError(f"a rating is 0 to {MOST_RATING} stars, not {stars}")
        self.index.change(tuple(ids), rating=stars)
        self.heard()

    def annotate(self, ids: Iterable[int], note: str) -> None:
        """Write a note to assets."""
        self.index.change(tuple(ids), note=note.strip()[:4000])
        self.heard()

    def used(self, id_: int) -> None:
        """Note that an asset was used now."""
        self.index.change([id_], used=time.time())
        self.heard()

    # --- keeping parts of scenes -------------------------------------------------------------------------------------
    def keep_material(self, scene: Scene, id_: Id) -> Path:
        """Keep a material with its textures in the library; gives its file."""
        return self._keep(material_part(scene, id_), MATERIAL)

    def keep_rig(self, scene: Scene, ids: Iterable[Id], name: str) -> Path:
        """Keep lights as a rig in the library; gives its file."""
        return self._keep(rig_part(scene, ids, name), RIG)

    def _keep(self, part: Scene, kind: str) -> Path:
        path = save_part(part, self.own_folder, kind)
        root = os.path.realpath(self.own_folder)
        if not any(_within(root, folder.path) for folder in self.folders):
            self.add_folder(root)
        self.file([str(Path(root) / path.name)])
        return path

    # --- folders -----------------------------------------------------------------------------------------------------
    def add_folder(self, path: str | os.PathLike[str], *, polling: bool | None = None) -> Folder:
        """Watch a folder and all below it, and scan it on a thread. `polling` (None: on network file systems) looks
        at it in turns. BadAsset when there is none, UsageError when it is watched already as part of another."""
        place = os.path.realpath(os.path.expanduser(path))
        if not os.path.isdir(place):
            raise BadAsset(f"{os.fspath(path)} is no folder; choose one that holds assets.")
        above = next((f for f in self.folders if f.path != place and _within(place, f.path)), None)
        if above is not None:
            raise UsageError(f"{place} is in the library already, as part of {above.path}")
        made = self.index.add_folder(place, polling=wants_polling(place) if polling is None else polling)
        for folder in self.folders:  # folders below it are part of it now
            if folder.id != made.id and _within(folder.path, place):
                self._absorb(folder, made)
        if self._watch is not None:
            self._watch.follow(self.folders)
        self._run(lambda: self._scan(made))
        self.heard()
        return made

    def _absorb(self, folder: Folder, into: Folder) -> None:
        inside = [asset for asset in self.index.below(folder.path) if asset.folder == folder.id]
        self.index.change([asset.id for asset in inside], folder=into.id)
        self.index.remove_folder(folder.id)

    def remove_folder(self, path: str) -> None:
        """Watch a folder no more; what was said of its assets is kept for when it comes back."""
        found = next((folder for folder in self.folders if folder.path == path), None)
        if found is None:
            raise UsageError(f"{path} is no folder of the library")
        self.index.remove_folder(found.id)
        if self._watch is not None:
            self._watch.follow(self.folders)
        self.heard()

    def rescan(self, path: str = "") -> None:
        """Look at every folder again, or at one, on a thread."""
        for folder in self.folders:
            if not path or folder.path == path or _within(path, folder.path):
                self._run(lambda folder=folder: self._scan(folder))  # type: ignore[misc]

    def watch(self) -> None:
        """Scan every folder once and follow its changes from now on."""
        if self._watch is None:
            quiet_s, poll_s = self._timing
            self._watch = Watch(self._changed, failed=lambda text: self.told(text), quiet_s=quiet_s, poll_s=poll_s)
        self._watch.follow(self.folders)
        self.rescan()

    def learned(self, id_: int, about: Mapping[str, object]) -> None:
        """Note what was found out of an asset (bounds, pixels), on a thread."""
        text = json.dumps(about)
        self._run(lambda: self.index.change([id_], about=text))

    def _changed(self, paths: frozenset[str]) -> None:
        self._run(lambda: self.file(paths))

    # --- threads -----------------------------------------------------------------------------------------------------
    def _run(self, job: Callable[[], object]) -> None:
        with self._guard:
            if self._closed:
                return
            self._working += 1
            self._idle.clear()
            self._jobs.put(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="library-scan", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            changed: object = None
            try:
                if not self._closed:
                    changed = job()
            except StudioError as fault:
                self.told(str(fault))
            finally:
                with self._guard:
                    self._working -= 1
                    if not self._working:
                        self._idle.set()
            if changed is not False:
                self.heard()

    @property
    def busy(self) -> bool:
        """Whether folders are being scanned."""
        return not self._idle.is_set()

    def settle(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is being scanned; whether that is so."""
        return self._idle.wait(timeout_s)

    def close(self) -> None:
        """End the threads and let go of the file."""
        with self._guard:
            self._closed = True
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
        self.index.close()

    # --- filing ------------------------------------------------------------------------------------------------------
    def _scan(self, folder: Folder) -> None:
        """Bring the index to what a folder holds now."""
        if not os.path.isdir(folder.path):
            self.index.lose([asset.id for asset in self.index.below(folder.path)])
            self.told(f"The folder {folder.path} of the library is not there; connect its disk, or remove it.")
            return
        self._settle(list(self._walked(folder.path, folder.path)), self.index.below(folder.path), folder)

    def _walked(self, place: str, root: str) -> Iterable[Found]:
        for number, found in enumerate(walk(place, root)):
            if self._closed or number >= MOST_FILES:
                if not self._closed:
                    self.told(f"{root} holds more than {MOST_FILES:,} files; add the folders of assets in it instead.")
                return
            yield found

    def file(self, paths: Iterable[str]) -> None:
        """Look at single paths: files that came, went or changed, or whole folders."""
        by_folder: dict[int, set[str]] = {}
        for path in paths:
            folder = next((f for f in self.folders if _within(path, f.path)), None)
            if folder is not None and (place := owner(path, folder.path)):
                by_folder.setdefault(folder.id, set()).add(place)
        for folder in self.folders:
            places = by_folder.get(folder.id, set())
            tops = [p for p in places if not any(p != q and _within(p, q) and os.path.isdir(q) for q in places)]
            found: dict[str, Found] = {}
            known: dict[int, Asset] = {}
            for place in sorted(tops):
                known |= {asset.id: asset for asset in self.index.below(place)}
                one = look_at(place, folder.path)
                if one is not None:
                    found[one.path] = one
                elif os.path.isdir(place) and (place == folder.path or not os.path.islink(place)):
                    found |= {each.path: each for each in self._walked(place, folder.path)}
            if tops:
                self._settle(list(found.values()), list(known.values()), folder)
        self.heard()

    def _settle(self, found: Sequence[Found], known: Sequence[Asset], folder: Folder) -> None:
        """File what was found where `known` is what was there before."""
        there = {each.path for each in found}
        gone = [asset for asset in known if asset.path not in there and not asset.missing]
        fresh = []
        for each in found:
            old = self.index.at(each.path)
            same = old is not None and (old.size, old.mtime_ns) == (each.size, each.mtime_ns)
            if not same or old is None or old.missing or old.folder != folder.id:
                fresh.append(each)
        taken: set[int] = set()
        for start in range(0, len(fresh), _BATCH):
            if self._closed:
                return
            batch = []
            for each in fresh[start : start + _BATCH]:
                digest = content_hash(each)
                was = self._moved_from(each, digest, taken)
                taken.add(was)
                batch.append((sharpened(each), folder.id, digest, was))
            self.index.put_all(batch)
            self.heard()
        self.index.lose([asset.id for asset in gone if asset.id not in taken])

    def _moved_from(self, found: Found, digest: str, taken: set[int]) -> int:
        """The asset that a new path is the new place of: of the same content, with no file any more. 0 for none."""
        own = self.index.at(found.path)
        if own is not None and not (own.missing and own.hash != digest):
            return own.id
        same = [a for a in self.index.with_hash(digest) if a.id not in taken and a.path != found.path]
        lost = [asset for asset in same if asset.missing or not os.path.exists(asset.path)]
        return max(lost, key=lambda asset: asset.said).id if lost else (own.id if own is not None else 0)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
