"""What a bundle is: the paths of its files with the hashes of their bytes; and where a store keeps those bytes.

    bundles/<hash>    the manifest; its own BLAKE3 is the bundle's name, so two submissions of one scene are one bundle
    layouts/<hash>    which files of it lie in packs and which are cut into chunks; all others lie whole in blobs/
    packs/<hash>      what is in a pack, for whoever has a file of it to send again
    blobs/..          packs, chunks and whole files, each under the hash of its bytes

The manifest alone says what the bundle is. A layout is advice: whatever it leads to is taken only when it has the hash
that the manifest says, so a layout may be made anew for another store, or when packs are made into one.

All of it is JSON, which may come from anybody and is checked here to the last number before anything is fetched.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from studio.errors import BadAsset
from studio.farm.bundles import chunks, packs
from studio.farm.bundles import paths as bundle_paths
from studio.farm.bundles.cas import digest_of, is_hash
from studio.farm.model import Record
from studio.farm.store import Store

MOST_FILES = 500_000
LARGEST_MANIFEST = 128 << 20
LARGEST_FILE = 1 << 42
LARGEST_PACK = packs.MOST
_encoder = msgspec.json.Encoder(order="deterministic")
T = TypeVar("T")


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

    def blobs(self) -> dict[str, int]:
        """The sizes of what there is to fetch, by hash: what two files share is there once."""
        return {file.hash: file.size for file in self.files}


class Layout(Record, frozen=True):
    """Where a store has the files of a bundle that do not lie there whole, by the hashes of files."""

    packs: dict[str, dict[str, tuple[int, int]]] = msgspec.field(
        default_factory=dict
    )  # of a pack -> of a file -> where it begins, its bytes
    chunks: dict[str, tuple[tuple[str, int], ...]] = msgspec.field(default_factory=dict)  # hashes and sizes, in order


class PackIndex(Record, frozen=True):
    """What is in a pack."""

    files: dict[str, tuple[int, int]]


def bundle_key(hash_: str) -> str:
    """Where a manifest lies."""
    return f"bundles/{hash_}"


def layout_key(hash_: str) -> str:
    """Where the layout of a bundle lies."""
    return f"layouts/{hash_}"


def index_key(pack: str) -> str:
    """Where the index of a pack lies."""
    return f"packs/{pack}"


def encoded(record: Record) -> bytes:
    """The text of a manifest, a layout or an index: the same for the same."""
    return _encoder.encode(record)


def read_manifest(store: Store, hash_: str) -> Manifest:
    """The manifest of a bundle; BadAsset when it is damaged or hostile."""
    where = f"{store.name}: the bundle {hash_[:12]!r}"
    if not is_hash(hash_):
        raise BadAsset(f"{where} has a name that no bundle has; do not trust the job")
    data = store.get(bundle_key(hash_), most=LARGEST_MANIFEST)
    if digest_of(data) != hash_:
        raise BadAsset(f"{where} is damaged; submit the job again")
    manifest = _decoded(data, Manifest, where)
    check_manifest(manifest, where)
    return manifest


def check_manifest(manifest: Manifest, where: str) -> None:
    """Raise BadAsset for a manifest that names files which no bundle may hold."""
    if len(manifest.files) > MOST_FILES:
        raise BadAsset(f"{where} has more than {MOST_FILES:,} files; do not trust it")
    sizes: dict[str, int] = {}
    for file in manifest.files:
        fault = bundle_paths.fault_of(file.path)
        if fault:
            raise BadAsset(f"{where} names {file.path[:80]!r}, which {fault}; do not trust it")
        if not is_hash(file.hash) or not 0 <= file.size <= LARGEST_FILE:
            raise BadAsset(f"{where} has no true hash and size of {file.path[:80]!r}; do not trust it")
        if sizes.setdefault(file.hash, file.size) != file.size:
            raise BadAsset(f"{where} gives {file.path[:80]!r} two sizes; do not trust it")
    same = bundle_paths.clash(file.path for file in manifest.files)
    if same is not None:
        raise BadAsset(
            f"{where} names {same[0][:80]!r} and {same[1][:80]!r}, which are one on some systems; rename one"
        )


def read_layout(store: Store, hash_: str, manifest: Manifest) -> Layout:
    """The layout of a bundle, without what other bundles have in its packs. BadAsset when it is damaged or hostile."""
    where = f"{store.name}: the layout of the bundle {hash_[:12]}"
    layout = _decoded(store.get(layout_key(hash_), most=LARGEST_MANIFEST), Layout, where)
    check_layout(layout, manifest, where)
    return layout


def check_layout(layout: Layout, manifest: Manifest, where: str) -> None:
    """Raise BadAsset for a layout that is not of a manifest, or asks for more than its files are."""
    sizes = manifest.blobs()
    for pack, entries in layout.packs.items():
        check_entries(pack, entries, where)
        for hash_, (_, size) in entries.items():
            if sizes.get(hash_, size) != size:
                raise BadAsset(f"{where} has a file of another size in a pack; submit the job again")
    for hash_, cuts in layout.chunks.items():
        plain = all(is_hash(chunk) and 0 < size <= chunks.MOST for chunk, size in cuts)
        if hash_ not in sizes or not plain or sum(size for _, size in cuts) != sizes[hash_]:
            raise BadAsset(f"{where} has chunks that are not of its files; submit the job again")


def check_entries(pack: str, entries: packs.Entries, where: str) -> None:
    """Raise BadAsset for what cannot be in a pack."""
    plain = is_hash(pack) and all(is_hash(hash_) for hash_ in entries)
    fits = all(at >= 0 and 0 <= size <= packs.SMALL and at + size <= LARGEST_PACK for at, size in entries.values())
    if not plain or not fits:
        raise BadAsset(f"{where} has a pack that cannot be; submit the job again")


def decoded_index(data: bytes, pack: str, where: str) -> dict[str, tuple[int, int]]:
    """The entries of a pack's index. BadAsset when it is damaged or hostile."""
    entries = _decoded(data, PackIndex, where).files
    check_entries(pack, entries, where)
    return entries


def _decoded(data: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadAsset(f"{where} cannot be read ({fault}); submit the job again") from fault
