"""What a node fetches: the files of a project under the hashes of their bytes, and a manifest that names them.

A bundle is data and nothing else: no node ever runs anything of it. Its manifest is JSON, sorted, and its own BLAKE3 is
the bundle's name, so two submissions of one scene are one bundle, and an edit sends what it changed.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import msgspec

from studio.errors import BadAsset, CannotWrite
from studio.farm.model import Record
from studio.farm.store import Store
from studio.farm.verify import digest_of
from studio.scene.project import load_project
from studio.scene.scene import Scene

MOST_FILES = 1_000_000
LARGEST_MANIFEST = 256 << 20
_encoder = msgspec.json.Encoder(order="deterministic")


class BundleFile(Record, frozen=True):
    """A file: its path in the bundle, its size and the BLAKE3 of its bytes."""

    path: str
    size: int
    hash: str


class Manifest(Record, frozen=True):
    """What a bundle holds, in the order of its paths."""

    files: tuple[BundleFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def blob_key(hash_: str) -> str:
    """Where the bytes of a hash lie."""
    return f"blobs/{hash_[:2]}/{hash_}"


def make_bundle(
    folder: Path, store: Store, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[str, Manifest]:
    """Put the scene of a project folder into a store; gives the bundle's hash and what it holds.

    What the store has already is not sent again. Raises BadAsset for a file that leads out of the folder.
    """
    files = []
    paths = list(_files(folder))
    there = {key for key, _ in store.list("blobs")}
    total = sum(path.stat().st_size for path in paths)
    done = 0
    for path in paths:
        data = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        files.append(BundleFile(path=name, size=len(data), hash=digest_of(data)))
        if blob_key(files[-1].hash) not in there:
            store.put(blob_key(files[-1].hash), data, once=True)
        done += len(data)
        progress(done, total)
    manifest = Manifest(files=tuple(sorted(files, key=lambda file: file.path)))
    text = _encoder.encode(manifest)
    hash_ = digest_of(text)
    store.put(f"bundles/{hash_}", text, once=True)
    return hash_, manifest


def _files(folder: Path) -> Iterator[Path]:
    """The files of a project that its scene needs: not its versions, backups and renders."""
    for name in ("scene.json", "assets"):
        place = folder / name
        found = [place] if place.is_file() else sorted(place.rglob("*"))
        for path in found:
            if path.is_symlink():
                raise BadAsset(f"{path}: is a link, and a bundle holds files; collect the project's assets first")
            if path.is_file():
                yield path


def read_manifest(store: Store, hash_: str) -> Manifest:
    """The manifest of a bundle; BadAsset when it is damaged or hostile."""
    data = store.get(f"bundles/{hash_}")
    if len(data) > LARGEST_MANIFEST or digest_of(data) != hash_:
        raise BadAsset(f"{store.name}: the bundle {hash_[:12]} is damaged; submit the job again")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadAsset(
            f"{store.name}: the bundle {hash_[:12]} cannot be read ({fault}); submit the job again"
        ) from fault
    if len(manifest.files) > MOST_FILES:
        raise BadAsset(f"{store.name}: the bundle {hash_[:12]} has more than {MOST_FILES:,} files")
    for file in manifest.files:
        parts = PurePosixPath(file.path).parts
        plain = bool(parts) and not file.path.startswith("/") and "\\" not in file.path and ":" not in file.path
        if not plain or ".." in parts or "\0" in file.path or not file.hash.isalnum() or file.size < 0:
            raise BadAsset(
                f"{store.name}: the bundle {hash_[:12]} names {file.path[:80]!r}, which no file may be called"
            )
    return manifest


class NodeCache:
    """Bundles on a node's disk. Blobs are kept under their hashes; each bundle is a folder of links to them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def fetch(self, store: Store, hash_: str) -> Path:
        """The folder of a bundle, whole."""
        folder = self._folder / "bundles" / hash_
        with self._lock:
            if not folder.is_dir():
                manifest = read_manifest(store, hash_)
                self._build(store, manifest, folder)
        return folder

    def scene(self, store: Store, hash_: str, name: str) -> Scene:
        """The scene of a bundle."""
        return load_project(self.fetch(store, hash_) / name if name != "scene.json" else self.fetch(store, hash_))

    def _build(self, store: Store, manifest: Manifest, folder: Path) -> None:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as made:
                whole = Path(made) / "bundle"
                whole.mkdir()
                for file in manifest.files:
                    target = whole / file.path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.link(self._blob(store, file), target)
                whole.rename(folder)
        except OSError as fault:
            if not folder.is_dir():
                raise CannotWrite(
                    f"the node's cache {self._folder} takes no more: {fault.strerror or fault}"
                ) from fault

    def _blob(self, store: Store, file: BundleFile) -> Path:
        path = self._folder / blob_key(file.hash)
        if not path.is_file():
            data = store.get(blob_key(file.hash))
            if len(data) != file.size or digest_of(data) != file.hash:
                raise BadAsset(f"{store.name}: {file.path} is damaged; submit the job again")
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as temporary:
                temporary.write(data)
            os.replace(temporary.name, path)
        return path
