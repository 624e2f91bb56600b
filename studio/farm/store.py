"""Where the farm's truth lies: a folder, an object store of a cloud, or memory, behind four verbs.

Keys are paths like "jobs/j1/units/f24/0-64.part". `put(..., once=True)` creates or does nothing, in one step, which is
the farm's only lock: whoever wins it has won. A store that cannot do that refuses to be used (`probe`).

The stores themselves are obstore's, which speaks to local folders, S3 and what is like it, Google's, Azure's and HTTP;
credentials come from the environment, as those services' own tools take them, never from a URL.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from studio.errors import BadAsset, CannotWrite, Unsupported, UsageError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")
SCHEMES = ("file", "memory", "s3", "gs", "az", "http", "https")


class Store:
    """Objects by key. Every fault is one sentence: `BadAsset` for what is not there, `CannotWrite` for what cannot be
    written or reached."""

    def __init__(self, inner: ObjectStore, name: str) -> None:
        self._inner = inner
        self.name = name

    def put(self, key: str, data: bytes, *, once: bool = False) -> bool:
        """Write an object whole; with `once` only where there is none. Whether it was written."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            obstore.put(self._inner, key, data, mode="create" if once else "overwrite")
        except (AlreadyExistsError, PreconditionError):
            return False
        except Exception as fault:
            raise CannotWrite(f"{self.name}: cannot write {key}: {_told(fault)}") from fault
        return True

    def get(self, key: str) -> bytes:
        """The bytes of an object."""
        import obstore

        return self._read(key, lambda: bytes(obstore.get(self._inner, key).bytes()))

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """Some of the bytes of an object."""
        import obstore

        return self._read(key, lambda: bytes(obstore.get_range(self._inner, key, start=start, end=end)))

    def size(self, key: str) -> int | None:
        """How many bytes an object has; None where there is none."""
        import obstore

        try:
            return int(obstore.head(self._inner, key)["size"])
        except FileNotFoundError:
            return None
        except Exception as fault:
            raise CannotWrite(f"{self.name}: cannot be reached: {_told(fault)}") from fault

    def list(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Keys below a prefix (whole parts of a path), with their sizes, in no order."""
        import obstore

        try:
            for batch in obstore.list(self._inner, prefix or None):
                for found in batch:
                    yield found["path"], found["size"]
        except Exception as fault:
            raise CannotWrite(f"{self.name}: cannot be listed: {_told(fault)}") from fault

    def delete(self, *keys: str) -> None:
        """Remove objects; what is not there is no fault."""
        import obstore

        for key in keys:
            try:
                obstore.delete(self._inner, key)
            except FileNotFoundError:
                continue
            except Exception as fault:
                raise CannotWrite(f"{self.name}: cannot remove {key}: {_told(fault)}") from fault

    def probe(self) -> None:
        """See that the store can be written, and that of two who create one object one wins.

        Raises CannotWrite or Unsupported, each in a sentence.
        """
        key = f"probe/{uuid.uuid4().hex}"
        first, second = self.put(key, b"1", once=True), self.put(key, b"2", once=True)
        kept = self.get(key)
        self.delete(key)
        if not first or second or kept != b"1":
            raise Unsupported(
                f"{self.name}: does not create objects conditionally, which a farm needs; use another store"
            )

    def _read(self, key: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except FileNotFoundError as fault:
            raise BadAsset(f"{self.name}: there is no {key}; it was removed, or never arrived") from fault
        except Exception as fault:
            raise CannotWrite(f"{self.name}: cannot read {key}: {_told(fault)}") from fault


def open_store(place: str | Path) -> Store:
    """The store at a folder or a URL (s3://bucket/prefix, gs://, az://, https://, memory://).

    Raises UsageError for a URL of another kind or with a password, CannotWrite for a folder that cannot be made.
    """
    from obstore.store import LocalStore, MemoryStore, from_url

    text = str(place)
    parts = urlsplit(text)
    if parts.scheme in ("", "file") or len(parts.scheme) == 1:  # one letter is a drive of Windows
        folder = Path(parts.path if parts.scheme == "file" else text)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise CannotWrite(f"cannot make the folder {folder}: {fault.strerror or fault}; choose another") from fault
        return Store(LocalStore(folder), str(folder))
    if parts.scheme not in SCHEMES:
        raise UsageError(f"a store cannot be of the kind {parts.scheme!r}; use a folder or one of {', '.join(SCHEMES)}")
    if parts.password or parts.query:
        raise UsageError("leave keys and passwords out of a store's address; set them in the environment")
    if parts.scheme == "memory":
        return Store(MemoryStore(), "memory")
    try:
        options: dict[str, Any] = {"client_options": {"allow_http": True}} if parts.scheme == "http" else {}
        return Store(from_url(text, **options), f"{parts.scheme}://{parts.netloc}{parts.path}")
    except Exception as fault:
        raise UsageError(f"the store {text!r} cannot be opened: {_told(fault)}") from fault


def _told(fault: BaseException) -> str:
    """The first line of a fault, without what a library adds for itself."""
    return str(fault).strip().splitlines()[0][:300] if str(fault).strip() else type(fault).__name__
