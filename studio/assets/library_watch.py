"""Hearing of changes in folders, and telling of them once they have settled.

The operating system's own notices are used (inotify, FSEvents, ReadDirectoryChanges, by watchdog); a folder on a
network file system sends none and is looked at in turns. Saving one file makes a handful of notices and copying a
folder thousands, so paths are collected until nothing more came for a moment, and then told together, on one thread.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from studio.assets.library_index import Folder

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

QUIET_S, LONGEST_S = 0.3, 3.0  # without a notice before paths are told, and at most while notices keep coming
POLL_S = 10.0
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "ceph", "fuse.rclone"})
_TELLING = frozenset({"created", "deleted", "modified", "moved", "closed"})


def wants_polling(path: str) -> bool:
    """Whether a folder lies on a network file system, where changes by other machines are not told."""
    if not sys.platform.startswith("linux"):
        return path.startswith("\\\\")
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            mounts = [line.split()[1:3] for line in file]
    except OSError:
        return False
    held = [(place, kind) for place, kind in mounts if path == place or path.startswith(place.rstrip("/") + "/")]
    return bool(held) and max(held, key=lambda mount: len(mount[0]))[1] in _REMOTE


class Watch:
    """Watches folders until it is closed; `changed` gets sets of paths on the watch's own thread, `failed` sentences
    about folders that can only be looked at in turns."""

    def __init__(
        self,
        changed: Callable[[frozenset[str]], object],
        *,
        failed: Callable[[str], object] = lambda sentence: None,
        quiet_s: float = QUIET_S,
        poll_s: float = POLL_S,
    ) -> None:
        self._changed, self._failed = changed, failed
        self._quiet_s, self._poll_s = quiet_s, poll_s
        self._paths: set[str] = set()
        self._first = self._last = 0.0
        self._guard = threading.Condition()
        self._closed = False
        self._observers: dict[bool, Any] = {}
        self._watched: dict[str, tuple[bool, Any]] = {}
        self._thread = threading.Thread(target=self._tell, name="library-watch", daemon=True)
        self._thread.start()

    def follow(self, folders: Iterable[Folder]) -> None:
        """Watch these folders and no others."""
        wanted = {folder.path: folder.polling for folder in folders if os.path.isdir(folder.path)}
        for path, (polling, watch) in tuple(self._watched.items()):
            if wanted.get(path) != polling:
                self._observers[polling].unschedule(watch)
                del self._watched[path]
        for path, polling in wanted.items():
            if path not in self._watched:
                self._begin(path, polling)

    def _begin(self, path: str, polling: bool) -> None:
        from watchdog.events import FileSystemEventHandler

        watch = self

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                watch.note(event)

        try:
            observer = self._observer(polling)
            self._watched[path] = (polling, observer.schedule(Handler(), path, recursive=True))
        except OSError as fault:  # the system's limit of watches, most often
            if polling:
                self._failed(f"The folder {path} cannot be watched ({fault.strerror or fault}); rescan it by hand.")
                return
            self._failed(
                f"The folder {path} is looked at every {self._poll_s:g} s: the system allows no more watches "
                f"({fault.strerror or fault})."
            )
            self._begin(path, True)

    def _observer(self, polling: bool) -> Any:
        if polling not in self._observers:
            from watchdog.observers import Observer
            from watchdog.observers.polling import PollingObserver

            made = PollingObserver(timeout=self._poll_s) if polling else Observer()
            made.daemon = True
            made.start()
            self._observers[polling] = made
        return self._observers[polling]

    def note(self, event: FileSystemEvent) -> None:
        """Take a notice."""
        if event.event_type not in _TELLING or (event.is_directory and event.event_type == "modified"):
            return
        self.add(os.fsdecode(path) for path in (event.src_path, event.dest_path) if path)

    def add(self, paths: Iterable[str]) -> None:
        """Have paths told with the next ones."""
        with self._guard:
            now = time.monotonic()
            self._first = self._first if self._paths else now
            self._last = now
            self._paths.update(paths)
            self._guard.notify()

    def _tell(self) -> None:
        while True:
            with self._guard:
                while not self._closed and (wait := self._wait()) != 0.0:
                    self._guard.wait(wait if wait > 0 else None)
                if self._closed:
                    return
                paths, self._paths = frozenset(self._paths), set()
            self._changed(paths)

    def _wait(self) -> float:
        """Seconds until the paths are told, -1 while there are none."""
        if not self._paths:
            return -1.0
        now = time.monotonic()
        return max(0.0, min(self._last + self._quiet_s, self._first + LONGEST_S) - now)

    def close(self) -> None:
        """Stop watching; what was not told yet is not told any more."""
        with self._guard:
            self._closed = True
            self._guard.notify()
        for observer in self._observers.values():
            observer.stop()
        for observer in self._observers.values():
            observer.join()
        if threading.current_thread() is not self._thread:
            self._thread.join()
