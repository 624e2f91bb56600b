"""Folders of files to send, made by code: small, large, edited and shared ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.farm.bundles.cas import blob_key
from studio.farm.bundles.journal import Journal
from studio.farm.bundles.manifest import BundleFile, Layout, Manifest, bundle_key, digest_of, encoded, layout_key
from studio.farm.bundles.transfer import Upload, upload
from studio.farm.store import Store

MIB = 1 << 20


def noise(size: int, seed: int) -> bytes:
    """Bytes that nothing shares."""
    return np.random.default_rng(seed).bytes(size)


def make_files(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def some_files() -> dict[str, bytes]:
    """A bundle's worth of kinds: empty, small, twice the same, whole, and cut into chunks."""
    return {
        "scene.json": b'{"scene": 1}',
        "assets/empty.npy": b"",
        **{f"assets/small{i}.npz": noise(3000 + i, i) for i in range(40)},
        "assets/same1.npy": noise(50_000, 77),
        "assets/same2.npy": noise(50_000, 77),
        "assets/picture.npy": noise(2 * MIB, 101),
        "assets/mesh.npz": noise(12 * MIB, 102),
    }


def send(folder: Path, store: Store, *, journal: Path | None = None, **options: object) -> Upload:
    """Send every file below a folder."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    with Journal(journal) as known:
        return upload(folder, names, store, journal=known, **options)  # type: ignore[arg-type]


def content(folder: Path) -> dict[str, bytes]:
    """The files below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def put_bundle(store: Store, files: tuple[BundleFile, ...], layout: Layout | None = None) -> str:
    """Put a manifest of any kind into a store, as an enemy would."""
    text = encoded(Manifest(files=files))
    hash_ = digest_of(text)
    store.put(bundle_key(hash_), text)
    store.put(layout_key(hash_), encoded(layout or Layout()))
    return hash_


def put_blob(store: Store, data: bytes) -> str:
    """Put bytes under their hash."""
    hash_ = digest_of(data)
    store.put(blob_key(hash_), data)
    return hash_
