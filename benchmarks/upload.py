"""What an edit of a large project costs to send: a project made by code, one material changed, sent again.

    python benchmarks/upload.py [--json] [--size 2.0] [--folder DIR]

The project has the kinds of files that scenes have, in about these shares: pictures of tens of megabytes, large meshes
that are cut into chunks, and thousands of small meshes and tracks that lie in packs. The store is a folder on the same
disk, so the seconds say what the bookkeeping costs, not a network; the bytes are what a network would carry. The target
is 1 % of the project's bytes for an edit of one material. The other edits stand beside it: a picture that is replaced,
a large mesh with a few vertices more, and on the node's side what is fetched of each.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stand.measure import Row, machine, options, say, tell
from studio.farm.bundles.bundle import NodeCache, send_bundle
from studio.farm.bundles.cas import digest_of_file
from studio.farm.store import Objects, Store, open_store
from studio.scene.arrays import pack_npy, pack_npz
from studio.scene.project import save_project
from studio.scene.scene import Scene
from studio.scene.scene_file import asset_name

TARGET = 1.0  # % of the bytes, for a material
COLUMNS = {
    "what": "what",
    "project_mb": "project, MB",
    "sent_mb": "sent, MB",
    "percent": "% of it",
    "target": "at most",
    "met": "met",
    "objects": "objects",
    "send_s": "sending, s",
    "fetched_mb": "node fetches, MB",
    "fetch_s": "fetching, s",
}
_SHARES = {"picture": 0.55, "mesh": 0.25, "small": 0.20}  # of the bytes
_PICTURE, _MESH = 48 << 20, 24 << 20  # bytes of each


class _Counted:
    """A bucket that counts the bytes it gives."""

    def __init__(self, inner: Objects) -> None:
        self._inner, self.bytes = inner, 0

    def get(self, key: str) -> tuple[int, list[bytes]]:
        """See `studio.farm.store.Bucket.get`."""
        size, parts = self._inner.get(key)
        self.bytes += size
        return size, parts  # type: ignore[return-value]

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See `studio.farm.store.Bucket.get_range`."""
        self.bytes += end - start
        return self._inner.get_range(key, start, end)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


class Project:
    """A project of many files, whose scene names assets that nobody has to load."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self._rng = folder, np.random.default_rng(1)
        save_project(Scene(), folder)
        self.document = msgspec.json.decode((folder / "scene.json").read_bytes())
        self.document["images"], self.document["meshes"] = [], {}
        self.document["materials"] = [{"kind": "surface", "id": f"m{i}", "base_color": [0.5] * 3} for i in range(2000)]
        for kind, share in _SHARES.items():
            left = int(size * share)
            while left > 0:
                left -= self._add(kind)
        self.write()

    def write(self) -> None:
        """Write the scene's text."""
        (self.folder / "scene.json").write_bytes(msgspec.json.encode(self.document))

    def _add(self, kind: str) -> int:
        """An asset of a kind; gives its bytes."""
        if kind == "picture":
            name, size = self.store(pack_npy(self._noise(_PICTURE).reshape(-1, 4096, 3)), "npy")
            self.document["images"].append({"key": name[7:39], "file": name})
            return size
        count = _MESH if kind == "mesh" else int(self._rng.lognormal(10.5, 1.2)) % (900 << 10) + 500
        name, size = self.store(pack_npz({"positions": self._noise(count)}), "npz")
        self.document["meshes"][name[7:39]] = name
        return size

    def _noise(self, count: int) -> np.ndarray:
        count -= count % (4096 * 3) if count > 1 << 20 else 0
        return np.frombuffer(self._rng.bytes(count), np.uint8)

    def store(self, data: bytes, suffix: str) -> tuple[str, int]:
        """Write an asset under its name; gives the name and its bytes."""
        name = asset_name(data, suffix)
        (self.folder / name).write_bytes(data)
        return name, len(data)

    # --- edits -------------------------------------------------------------------------------------------------------
    def material(self) -> None:
        """Another colour of one material."""
        self.document["materials"][1234]["base_color"] = [0.8, 0.1, 0.2]
        self.write()

    def picture(self) -> None:
        """Another picture in place of one."""
        self._add("picture")
        self.document["images"].pop(0)
        self.write()

    def vertices(self) -> None:
        """A few vertices more in the middle of a large mesh, which gets another name and moves what is behind them."""
        key = max(self.document["meshes"], key=lambda k: (self.folder / self.document["meshes"][k]).stat().st_size)
        data = (self.folder / self.document["meshes"].pop(key)).read_bytes()
        half = len(data) // 2
        name, _ = self.store(data[:half] + b"a few vertices" * 20 + data[half:], "npz")
        self.document["meshes"][key] = name
        self.write()


def measured(what: str, project: Project, place: Path, work: Path, *, target: float | None) -> Row:
    """Send the project as it is now, and fetch it on a node that has what it was before."""
    begun = time.perf_counter()
    sent = send_bundle(project.folder, open_store(place), journal=work / "journal.sqlite")
    send_s = time.perf_counter() - begun
    counted = _Counted(open_store(place)._inner)  # type: ignore[arg-type]
    cache = NodeCache(work / "cache", floor=0)
    begun = time.perf_counter()
    cache.fetch(Store(counted, str(place)), sent.bundle)  # type: ignore[arg-type]
    fetch_s = time.perf_counter() - begun
    cache.close()
    total = sent.manifest.size
    percent = 100.0 * sent.sent / total
    return {
        "what": what,
        "project_mb": round(total / 1e6, 1),
        "files": len(sent.manifest.files),
        "sent_mb": round(sent.sent / 1e6, 2),
        "percent": round(percent, 3),
        "target": target,
        "met": percent <= target if target is not None else None,
        "objects": sent.objects,
        "read_mb": round(sent.read / 1e6, 1),
        "send_s": round(send_s, 2),
        "fetched_mb": round(counted.bytes / 1e6, 2),
        "fetch_s": round(fetch_s, 2),
        **machine(),
    }


def hashing(project: Project) -> float:
    """Megabytes a second at which the project's files are hashed, from the disk's cache."""
    files = sorted((project.folder / "assets").iterdir())
    begun = time.perf_counter()
    total = sum(digest_of_file(path)[1] for path in files)
    return total / 1e6 / (time.perf_counter() - begun)


def main() -> int:
    """Measure and print; the exit code is 11 when the disk has too little room."""
    parser = options(__doc__)
    parser.add_argument("--size", type=float, default=2.0, help="of the project, in GB")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; a folder for temporary files else")
    args = parser.parse_args()
    size = int(args.size * 1e9)
    with tempfile.TemporaryDirectory(prefix="myriad-upload-", dir=args.folder) as name:
        work = Path(name)
        if shutil.disk_usage(work).free < 4 * size:
            say(f"{work} has too little room: {4 * args.size:.0f} GB are needed; choose another --folder or --size")
            return 11
        say(f"Making a project of {args.size:g} GB ...")
        project = Project(work / "large.studio", size)
        speed = hashing(project)
        place = work / "store"
        rows = [measured("first time", project, place, work, target=None)]
        rows += [measured("nothing changed", project, place, work, target=TARGET)]
        for what, edit, target in (
            ("one material", project.material, TARGET),
            ("a picture replaced", project.picture, None),
            ("a large mesh edited", project.vertices, None),
        ):
            say(f"Sending {what} ...")
            edit()
            rows.append(measured(what, project, place, work, target=target))
    say(f"BLAKE3 of its files: {speed:.0f} MB/s")
    for row in rows:
        row["hash_mb_s"] = round(speed)
    tell(rows, COLUMNS, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
