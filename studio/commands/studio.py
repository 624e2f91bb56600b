"""The studio: the open document and all that stands around it. What commands and scripts act on.

It knows no window: whoever shows it watches it (`watch`) and answers its questions (`face`). So a script, a test and
the window drive the very same thing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from studio.commands.face import Face, Headless
from studio.commands.preferences import Preferences, save_preferences
from studio.commands.registry import Call, Command, find
from studio.commands.watching import Watched
from studio.errors import StudioError, UsageError
from studio.scene import project, project_lock
from studio.scene.document import Change, Document
from studio.scene.entities import Id
from studio.scene.flat import FlatScene
from studio.scene.flatten import flatten
from studio.scene.material_edits import MaterialClip
from studio.scene.project_lock import ProjectLock
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.assets.library import Library

T = TypeVar("T")
REMEMBERED_CALLS = 200
RENDER_SIZE = (640, 360)


@dataclass(frozen=True, slots=True)
class Update:
    """Something happened: the document changed (`change`), or the named parts of the studio did: "path", "frame",
    "playing", "autokey", "picked", "preferences", "saved", "render size", "performance", "capture", "baked"."""

    change: Change | None = None
    parts: frozenset[str] = frozenset()


class Studio:
    """A document, its place on disk, the current frame, the preferences and a face. Belongs to one thread."""

    def __init__(
        self, *, preferences: Preferences | None = None, face: Face | None = None, scene: Scene | None = None
    ) -> None:
        self._preferences = preferences if preferences is not None else Preferences()
        self.face: Face = face if face is not None else Headless()
        self.document = Document(scene, history=self._preferences.undo_steps)
        self.calls: deque[Call] = deque(maxlen=REMEMBERED_CALLS)
        self.path: Path | None = None  # of the project; None while it has none
        self.clipboard: Scene | None = None
        self.material_clip: MaterialClip | None = None  # what was copied of a material
        self.lock: ProjectLock | None = None  # that says that this studio has the project open
        self.on_disk = ""  # fingerprint of the project as it was opened or saved here last
        self._library: Library | None = None
        self._playing = False
        self._picked: dict[str, tuple[int, ...]] = {}
        self._picked_times: dict[str, Any] = {}
        self._strips: tuple[Id, ...] = ()
        self._render_size = RENDER_SIZE
        self._flat: FlatScene | None = None
        self._flat_of: tuple[Scene, float] | None = None
        self._performance: Callable[[Scene], Scene] | None = None
        self._watched = Watched[Update]()
        self._own: dict[type, Any] = {}
        self._endings: list[Callable[[], object]] = []
        self.document.subscribe(self._changed)

    # --- watching ----------------------------------------------------------------------------------------------------
    def watch(self, callback: Callable[[Update], None]) -> Callable[[], None]:
        """Call `callback` with every `Update`, until the function that this returns is called."""
        return self._watched.watch(callback)

    def _changed(self, change: Change) -> None:
        self._watched.tell(Update(change=change))

    def tell(self, *parts: str) -> None:
        """Tell the watchers that parts of the studio changed."""
        self._watched.tell(Update(parts=frozenset(parts)))

    # --- state -------------------------------------------------------------------------------------------------------
    @property
    def scene(self) -> Scene:
        """The document's scene."""
        return self.document.scene

    @property
    def selection(self) -> tuple[Id, ...]:
        """The document's selection."""
        return self.document.selection

    @property
    def frame(self) -> float:
        """The current frame."""
        return self.document.frame

    @frame.setter
    def frame(self, frame: float) -> None:
        if frame != self.document.frame:
            self.document.frame = frame
            self.tell("frame")

    @property
    def posed(self) -> Scene:
        """The document's scene as it stands at the current frame."""
        return self.document.posed

    @property
    def autokey(self) -> bool:
        """Whether editing a field that has no curve yet gives it one, with a key at the current frame."""
        return self.document.autokey

    @autokey.setter
    def autokey(self, on: bool) -> None:
        if on != self.document.autokey:
            self.document.autokey = on
            self.tell("autokey")

    @property
    def picked(self) -> Mapping[str, tuple[int, ...]]:
        """The keys that are selected, in the dope sheet, the curve editor and wherever else keys are seen: names of
        tracks with the numbers of their keys. Keys of a track whose times changed since are not among them."""
        tracks = self.document.scene.tracks
        return {name: rows for name, rows in self._picked.items() if self._still(name, tracks)}

    @picked.setter
    def picked(self, picked: Mapping[str, Sequence[int]]) -> None:
        tracks = self.document.scene.tracks
        new = {
            name: kept
            for name, rows in picked.items()
            if name in tracks and (kept := tuple(sorted({row for row in rows if 0 <= row < len(tracks[name].times)})))
        }
        if new != self.picked:
            self._picked = new
            self._picked_times = {name: tracks[name].times for name in new}
            self.tell("picked")

    @property
    def chosen_strips(self) -> tuple[Id, ...]:
        """Ids of the strips that are selected."""
        return tuple(id_ for id_ in self._strips if id_ in self.document.scene.strips)

    @chosen_strips.setter
    def chosen_strips(self, ids: Iterable[Id]) -> None:
        new = tuple(dict.fromkeys(ids))
        if new != self._strips:
            self._strips = new
            self.tell("picked")

    def _still(self, name: str, tracks: Mapping[str, Any]) -> bool:
        """Whether a track has its keys where they were when they were picked."""
        if name not in tracks:
            return False
        was, now = self._picked_times[name], tracks[name].times
        return was is now or (len(was) == len(now) and bool((was == now).all()))

    @property
    def playing(self) -> bool:
        """Whether the timeline plays. Whoever shows it moves `frame` meanwhile."""
        return self._playing

    @playing.setter
    def playing(self, on: bool) -> None:
        if on != self._playing:
            self._playing = on
            self.tell("playing")

    @property
    def render_size(self) -> tuple[int, int]:
        """Width and height in pixels of the pictures rendered live; viewports frame their cameras for it."""
        return self._render_size

    @render_size.setter
    def render_size(self, size: tuple[int, int]) -> None:
        if size != self._render_size:
            self._render_size = size
            self.tell("render size")

    @property
    def preferences(self) -> Preferences:
        """The preferences; `prefer` changes them."""
        return self._preferences

    def prefer(self, **values: Any) -> None:
        """Change preferences and keep them on disk. What cannot be kept is notified and lasts until the end."""
        new = self._preferences.replace(**values)
        if new == self._preferences:
            return
        self._preferences = new
        self.tell("preferences")
        try:
            save_preferences(new)
        except StudioError as fault:
            self.face.notify(str(fault), kind="warning")

    @property
    def performance(self) -> Callable[[Scene], Scene] | None:
        """What lays a live performance over the scene for whoever draws it, and for nobody else: the document hears
        nothing of it. It gives the same object for the same scene and performance."""
        return self._performance

    @performance.setter
    def performance(self, performance: Callable[[Scene], Scene] | None) -> None:
        if performance is not self._performance:
            self._performance = performance
            self.tell("performance")

    @property
    def flat(self) -> FlatScene:
        """The scene at the current frame as renderers read it; the same object as long as neither changes, and its
        sections as long as they hold the same."""
        seen = self.document.scene if self._performance is None else self._performance(self.document.scene)
        now = (seen, self.document.frame)
        if self._flat is None or self._flat_of is None or self._flat_of[0] is not now[0] or self._flat_of[1] != now[1]:
            self._flat = flatten(*now, previous=self._flat)
            self._flat_of = now
        return self._flat

    def own(self, kind: type[T], *arguments: Any) -> T:
        """The studio's one `kind` (its board, its light mix), made of `arguments` when it is first asked for.

        For what topics of commands keep beside the scene, without the studio knowing them.
        """
        if kind not in self._own:
            self._own[kind] = kind(*arguments)
        found: T = self._own[kind]
        return found

    # --- doing -------------------------------------------------------------------------------------------------------
    def run(self, id_: str, /, **arguments: Any) -> object:
        """Give a command. `UsageError` when there is none of that id, it does not apply now, or does not take these
        arguments; whatever `StudioError` the command meets."""
        command = find(id_)
        if not command.when(self):
            raise UsageError(f'"{command.title}" does not apply now')
        self._check(command, arguments)
        result = command.run(self, **arguments)
        if command.recorded:
            self.calls.append(Call(id_, dict(arguments)))
        return result

    @staticmethod
    def _check(command: Command, arguments: dict[str, Any]) -> None:
        import inspect

        taken = [p.name for p in list(inspect.signature(command.run).parameters.values())[1:]]
        unknown = [name for name in arguments if name not in taken]
        if unknown:
            takes = ", ".join(taken) or "nothing"
            raise UsageError(f'"{command.title}" takes {takes}, not {", ".join(unknown)}')

    def attempt(self, id_: str, /, **arguments: Any) -> bool:
        """Give a command from the interface: a fault is notified as its sentence. Whether it was done."""
        try:
            self.run(id_, **arguments)
        except StudioError as fault:
            self.face.notify(str(fault), kind="error")
            return False
        return True

    def enabled(self, command: Command) -> bool:
        """Whether a command applies now."""
        return bool(command.when(self))

    def edit(self, label: str, operation: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        """One operation of `studio.scene.edits` as one undoable step; gives what it gives beside the scene."""
        with self.document.edit(label) as edit:
            return edit.apply(operation, *arguments, **named)

    def select(self, ids: Iterable[Id]) -> None:
        """Select entities or materials."""
        self.document.select(ids)

    def show_scene(self, scene: Scene, path: Path | None) -> None:
        """Take another scene; `path` is its project, or None."""
        self.hold(path)
        self.document.frame = scene.frame_start
        self.document.load(scene)
        self.tell("path", "frame", "saved")

    def hold(self, path: Path | None, *, force: bool = False, on_disk: str | None = None) -> None:
        """Have a project, or none, as the open one: lock it, unless somebody else has (`force` takes it over), and
        remember how it stands on disk (`on_disk`: how it was read)."""
        if self.lock is not None and (
            force or path is None or self.lock.file.parent != path.absolute() or not self.lock.held
        ):
            self.lock.release()
            self.lock = None
        self.path = path
        if path is not None and self.lock is None:
            self.lock = project_lock.take(path, force=force)
        self.on_disk = (project.fingerprint(path) if path is not None else "") if on_disk is None else on_disk

    @property
    def library(self) -> Library:
        """The asset library, opened when it is first asked for. `CannotWrite` when it has no place on the disk."""
        if self._library is None:
            from studio.assets.library import Library

            self._library = Library()
        return self._library

    def at_end(self, call: Callable[[], object]) -> None:
        """Call something when the studio is closed: what an `own` kind has to bring to its end."""
        self._endings.append(call)

    def close(self) -> None:
        """Let go of the project and of the library. Neither is to be used any more."""
        while self._endings:
            self._endings.pop()()
        self.hold(None)
        if self._library is not None:
            self._library.close()
            self._library = None
