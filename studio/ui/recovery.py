"""Autosave, and what is offered after a crash.

While a document has changes, a backup of it is written every few minutes, when the studio loses the focus, and
never twice for the same state: into the ring of its project, or, for a scene that has none yet, into a folder of this
session among the user's data. A session leaves a note of itself with a lock that dies with its process. A note whose
lock is free is of a session that did not end properly; what it left is compared with what was saved by content, and
if it differs, the artist is asked once. A session that ends properly takes its note and its folder with it.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QLockFile, Qt, QTimer

from studio.commands.preferences import Preferences
from studio.commands.registry import N_
from studio.commands.studio import Update
from studio.errors import StudioError
from studio.resources import data_folder
from studio.scene import project
from studio.scene.project_lock import BEAT_S
from studio.scene.scene import Scene
from studio.ui.i18n import tr

if TYPE_CHECKING:
    from studio.ui.application import Application

_NOTE, _LOCK, _UNSAVED = "session.json", "session.lock", "unsaved.studio"
_RECOVER, _DISCARD, _LATER = N_("Recover"), N_("Discard"), N_("Ask me later")


@dataclass(frozen=True, slots=True)
class Left:
    """What a session that did not end properly left: its folder, the project it worked on (None: it had none), and
    the backup that holds what was not saved."""

    folder: Path
    project: Path | None
    backup: Path


class Recovery:
    """Watches over the work of one session."""

    def __init__(self, application: Application, folder: Path | None = None) -> None:
        self._app = application
        self._sessions = folder or data_folder() / "sessions"
        self.folder = self._sessions / uuid.uuid4().hex[:12]
        self._lock: QLockFile | None = None
        self._last: Scene | None = None  # what the newest backup, or the disk, holds
        self._writing = False
        self._timer = QTimer(application.qt, singleShot=True)
        self._timer.timeout.connect(self.save)
        self._beat = QTimer(application.qt, interval=round(BEAT_S * 1000))
        self._beat.timeout.connect(self._touch_lock)
        self._beat.start()
        self.prefer(application.studio.preferences)
        self._forget = application.studio.watch(self._updated)
        application.qt.applicationStateChanged.connect(self._state_changed)

    def prefer(self, preferences: Preferences) -> None:
        """Take the interval from the preferences, at once."""
        self._timer.setInterval(max(1000, round(preferences.autosave_minutes * 60_000)))

    # --- while working -----------------------------------------------------------------------------------------------
    def _updated(self, update: Update) -> None:
        if "path" in update.parts or "saved" in update.parts:
            self._last = self._app.studio.scene
            self._note()
        change = update.change
        if change is not None and change.before is not change.after and not self._timer.isActive():
            self._timer.start()

    def _state_changed(self, state: Qt.ApplicationState) -> None:
        if state != Qt.ApplicationState.ApplicationActive and self._lock is not None:
            self.save()

    @property
    def place(self) -> Path:
        """The project whose ring takes the backups."""
        return self._app.studio.path or self.folder / _UNSAVED

    def save(self) -> None:
        """Write a backup on a thread, if there is anything that the last one does not hold."""
        studio = self._app.studio
        scene, place, keep = studio.scene, self.place, studio.preferences.autosave_count
        if self._writing or scene is self._last or not studio.document.modified:
            return
        self._writing = True
        self._timer.stop()

        def done(_: object) -> None:
            self._writing = False
            self._last = scene
            if studio.scene is not scene:
                self._timer.start()

        def failed(fault: Exception) -> None:
            self._writing = False
            self._timer.start()
            if not isinstance(fault, StudioError):
                raise fault
            self._app.face.notify(str(fault), kind="warning")

        self._app.bridge.run(lambda: project.autosave(scene, place, keep=keep), then=done, failed=failed)

    def _touch_lock(self) -> None:
        """Say in the open project that it is still being worked on."""
        lock = self._app.studio.lock
        if lock is not None:
            lock.beat()

    def _note(self) -> None:
        """Leave a note of what this session works on."""
        if self._lock is None:
            return
        path = self._app.studio.path
        text = json.dumps({"project": str(path.resolve()) if path else ""})
        passing = self.folder / f".{_NOTE}.tmp"
        try:
            passing.write_text(text, encoding="utf-8")
            passing.replace(self.folder / _NOTE)
        except OSError as fault:
            self._app.face.notify(
                tr(
                    "Recovery after a crash is off: {folder} cannot be written ({why}).",
                    folder=self.folder,
                    why=fault.strerror,
                ),
                kind="warning",
            )

    # --- beginning and ending ----------------------------------------------------------------------------------------
    def begin(self) -> bool:
        """Start watching, and ask about what crashed sessions left. Whether something was recovered."""
        recovered = False
        for left in tuple(self.left_behind()):
            if not recovered:
                recovered = self._offer(left)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            self._app.face.notify(
                tr(
                    "Recovery after a crash is off: {folder} cannot be written ({why}).",
                    folder=self.folder,
                    why=fault.strerror,
                ),
                kind="warning",
            )
            return recovered
        self._lock = QLockFile(str(self.folder / _LOCK))
        self._lock.setStaleLockTime(0)
        self._lock.tryLock(0)
        self._note()
        return recovered

    def end(self) -> None:
        """The session ended properly: nothing of it needs to be kept."""
        self._timer.stop()
        self._beat.stop()
        self._forget()
        self._app.qt.applicationStateChanged.disconnect(self._state_changed)
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def left_behind(self) -> Iterator[Left]:
        """What sessions that did not end properly left. Sessions that left nothing are cleared away."""
        for folder in sorted(self._sessions.iterdir()) if self._sessions.is_dir() else []:
            if folder == self.folder or not folder.is_dir() or not _is_dead(folder):
                continue
            left = _left(folder)
            if left is None:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                yield left

    def _offer(self, left: Left) -> bool:
        name = left.project.stem if left.project else tr("a scene without a project")
        question = tr(
            "The studio did not end properly. Work on {name} that was not saved was found. Recover it?", name=name
        )
        answer = self._app.face.ask(question, (_RECOVER, _DISCARD, _LATER))
        if answer == _DISCARD:
            _discard(left)
        if answer != _RECOVER:
            return False
        return self._recover(left)

    def _recover(self, left: Left) -> bool:
        studio = self._app.studio
        try:
            scene = project.load_project(left.backup)
        except StudioError as fault:
            self._app.face.notify(str(fault), kind="error")
            return False
        try:
            saved = project.load_project(left.project) if left.project else Scene()
        except StudioError as fault:  # what was saved is damaged; what was not is whole
            self._app.face.notify(str(fault), kind="warning")
            saved = Scene()
        studio.show_scene(saved, left.project)
        with studio.document.edit(N_("Recover")) as edit:
            edit.scene = scene
        self._last = None
        # kept until this session has a backup of its own
        self._app.bridge.run(
            lambda: project.autosave(scene, self.place, keep=studio.preferences.autosave_count),
            then=lambda _: shutil.rmtree(left.folder, ignore_errors=True),
        )
        return True


def _is_dead(folder: Path) -> bool:
    """Whether the process that held a session's lock is gone."""
    lock = QLockFile(str(folder / _LOCK))
    lock.setStaleLockTime(0)
    if not lock.tryLock(0):
        return False
    lock.unlock()
    return True


def _left(folder: Path) -> Left | None:
    """What the session of a folder left that is on no disk otherwise."""
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        where = str(note.get("project", "")) if isinstance(note, dict) else ""
    except (OSError, ValueError):
        where = ""
    work = Path(where) if where else None
    for place in filter(None, (work, folder / _UNSAVED)):
        try:
            backup = project.recoverable(place) if place.is_dir() else None
        except StudioError:  # a damaged folder offers nothing
            continue
        if backup is not None:
            return Left(folder, work if place == work else None, backup)
    return None


def _discard(left: Left) -> None:
    """Forget what a session left."""
    if left.project is not None:
        left.backup.unlink(missing_ok=True)
    shutil.rmtree(left.folder, ignore_errors=True)
