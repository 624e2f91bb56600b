"""The document: one scene that changes by edits, each undoable, each told to the world once.

    with document.edit(_("Mute lights")) as edit:
        edit.apply(mute, document.selection)

A scope collects any number of operations. When it ends well, the difference between the scenes before and after is
stored as a patch (what was, what is, by id), the patch goes on the undo history, and subscribers get one frozen
`Change`. When it ends in an exception, the scene is as it was and nothing is told. A scope inside a scope joins it;
scopes with the same `coalesce` token (a drag of a slider) become one step of the history, though each is told.

An edit acts on the scene as it stands at the document's frame (`posed`). A field that it changed and that a curve
drives gets a key there; a field that it left alone is what it was, however it is driven.

Selection is remembered by edits and is no edit itself: selecting is told but never put on the history, and undoing
an edit brings back the selection it was made with, so that the next click acts on what the artist sees.
"""

from __future__ import annotations

import enum
import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

import msgspec
import numpy as np

from studio.errors import BadAsset
from studio.scene.clips import check_strip
from studio.scene.entities import Group, Id
from studio.scene.keyed_edit import posed, settled
from studio.scene.pose import Posing, posing_of, split_track
from studio.scene.scatter import has_rules, scattered
from studio.scene.scene import Scene
from studio.scene.schema import Field, Touches, check, check_together, fields
from studio.scene.transforms import on_cycles, parent_rows

P = ParamSpec("P")
R = TypeVar("R")
_SECTIONS = ("entities", "materials", "meshes", "images", "skins", "tracks", "clips", "strips", "extra")
_VALUES = ("name", "camera", "fps", "frame_start", "frame_end", "timeline", "notes")
_ALL = Touches.TRANSFORM | Touches.GEOMETRY | Touches.MATERIAL | Touches.LIGHT | Touches.CAMERA
_SECTION_TOUCHES = {
    "meshes": Touches.GEOMETRY,
    "skins": Touches.GEOMETRY,
    "images": Touches.MATERIAL | Touches.LIGHT,
    "tracks": _ALL,
    "clips": _ALL,
    "strips": _ALL,
    "extra": Touches.NOTHING,
}


class Absent(enum.Enum):
    """Stands in a patch for what is not there."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Change:
    """What happened, once per edit, undo, redo or selection. `ids` are the entities and materials that differ."""

    label: str
    ids: frozenset[Id]
    touches: Touches
    before: Scene
    after: Scene
    selection: tuple[Id, ...]
    selected: bool = False  # the selection differs
    source: str = "edit"  # "edit", "undo", "redo" or "select"


@dataclass(frozen=True, slots=True)
class Patch:
    """The difference of two scenes: per section, id -> (what was, what is), `ABSENT` where there was or is nothing.

    `orders` holds the order of keys before and after, for sections where that is not simply the old order.
    """

    sections: Mapping[str, Mapping[str, tuple[Any, Any]]]
    orders: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    values: Mapping[str, tuple[Any, Any]]

    def __bool__(self) -> bool:
        return bool(self.sections or self.orders or self.values)

    def apply(self, scene: Scene, *, undo: bool = False) -> Scene:
        """The scene after the edit, or before it; `scene` must be what the patch was made on."""
        side = 0 if undo else 1
        new: dict[str, Any] = {name: pair[side] for name, pair in self.values.items()}
        for name in self.sections.keys() | self.orders.keys():
            section = dict(getattr(scene, name))
            for key, pair in self.sections.get(name, {}).items():
                if pair[side] is ABSENT:
                    del section[key]
                else:
                    section[key] = pair[side]
            if name in self.orders:
                section = {key: section[key] for key in self.orders[name][side]}
            new[name] = section
        return replace(scene, **new)

    def then(self, later: Patch) -> Patch:
        """One patch that does this one and then `later`."""
        sections: dict[str, dict[str, tuple[Any, Any]]] = {k: dict(v) for k, v in self.sections.items()}
        for name, changes in later.sections.items():
            mine = sections.setdefault(name, {})
            for key, (was, now) in changes.items():
                mine[key] = (mine[key][0] if key in mine else was, now)
        orders = dict(self.orders)
        for name, (first, last) in later.orders.items():
            orders[name] = (orders[name][0] if name in orders else first, last)
        values = dict(self.values)
        for name, (was, now) in later.values.items():
            values[name] = (values[name][0] if name in values else was, now)
        kept = {n: {k: p for k, p in c.items() if p[0] is not p[1]} for n, c in sections.items()}
        return Patch({n: c for n, c in kept.items() if c}, orders, values)


def difference(before: Scene, after: Scene) -> Patch:
    """The patch from one scene to another; records are compared by identity, as edits share what they leave alone."""
    sections, orders = {}, {}
    for name in _SECTIONS:
        old, new = getattr(before, name), getattr(after, name)
        if old is new:
            continue
        old_keys, new_keys = list(old), list(new)
        if old_keys == new_keys:
            differ = np.flatnonzero(np.fromiter(map(is_not, old.values(), new.values()), np.bool_, len(old)))
            changed = {key: (old[key], new[key]) for key in (new_keys[i] for i in differ.tolist())}
        else:
            keys = dict.fromkeys((*old_keys, *new_keys))
            pairs = {key: (old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys}
            changed = {key: pair for key, pair in pairs.items() if pair[0] is not pair[1]}
            orders[name] = (tuple(old_keys), tuple(new_keys))
        if changed:
            sections[name] = changed
    values = {n: (getattr(before, n), getattr(after, n)) for n in _VALUES if getattr(before, n) != getattr(after, n)}
    return Patch(sections, orders, values)


class Edit:
    """An open edit scope. `scene` is the scene so far; operations are pure functions of it."""

    __slots__ = ("_selection", "coalesce", "label", "scene")

    def __init__(self, label: str, scene: Scene, selection: tuple[Id, ...], coalesce: str) -> None:
        self.label, self.scene, self.coalesce = label, scene, coalesce
        self._selection = selection

    @overload
    def apply(
        self, operation: Callable[Concatenate[Scene, P], tuple[Scene, R]], *args: P.args, **kwargs: P.kwargs
    ) -> R: ...

    @overload
    def apply(self, operation: Callable[Concatenate[Scene, P], Scene], *args: P.args, **kwargs: P.kwargs) -> Scene: ...

    def apply(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run an operation of `studio.scene.edits` (or any like it) on the scene so far.

        Gives what the operation gives besides the scene (the ids of copies, say), or else the scene.
        """
        out = operation(self.scene, *args, **kwargs)
        if isinstance(out, tuple):
            self.scene, result = out
            return result
        self.scene = out
        return out

    def replace(self, ids: Id | Iterable[Id], **values: Any) -> Scene:
        """Set fields of entities or materials, see `Scene.replace`."""
        self.scene = self.scene.replace(ids, **values)
        return self.scene

    @property
    def selection(self) -> tuple[Id, ...]:
        """The selection after this edit; set it to select what the edit made."""
        return self._selection

    @selection.setter
    def selection(self, ids: Iterable[Id]) -> None:
        self._selection = tuple(dict.fromkeys(ids))


@dataclass(frozen=True, slots=True)
class _Step:
    label: str
    patch: Patch
    ids: frozenset[Id]
    touches: Touches
    selection_before: tuple[Id, ...]
    selection_after: tuple[Id, ...]
    coalesce: str
    revision_before: int
    revision: int


class Document:
    """A scene with a history, a selection and subscribers. Belongs to one thread."""

    def __init__(self, scene: Scene | None = None, *, history: int = 1000) -> None:
        """`history` is how many steps can be undone."""
        self._scene = scene if scene is not None else Scene()
        self._selection: tuple[Id, ...] = ()
        self._undo: deque[_Step] = deque(maxlen=history)
        self._redo: list[_Step] = []
        self._open: Edit | None = None
        self._subscribers: list[Callable[[Change], None]] = []
        self._untold: deque[Change] = deque()
        self._shelved: tuple[str, list[_Step]] = ("", [])
        self._telling = False
        self._frame = self._scene.frame_start
        self._posed: tuple[Scene, float, Scene] | None = None
        self._posing: Posing | None = None
        self.autokey = False  # whether editing a field that has no curve yet gives it one
        self._rules: bool | None = None  # whether groups of the scene scatter lights, None: to be looked up
        self._revision = self._saved = self._last_revision = 0

    # --- reading -----------------------------------------------------------------------------------------------------
    @property
    def scene(self) -> Scene:
        """The scene; inside an edit scope, the scene so far is `edit.scene` and this is still the old one."""
        return self._scene

    @property
    def frame(self) -> float:
        """The frame at which edits of animated fields are keyed. Setting it is no edit, and nobody is told."""
        return self._frame

    @frame.setter
    def frame(self, frame: float) -> None:
        self._frame = float(frame)

    @property
    def posed(self) -> Scene:
        """The scene as it stands at `frame`: fields that curves, strips or constraints drive have their present
        values. The scene itself where nothing moves. What an artist sees and edits."""
        held = self._posed
        if held is None or held[0] is not self._scene or held[1] != self._frame:
            self._posing = posing_of(self._scene, self._posing)
            held = self._posed = (self._scene, self._frame, posed(self._scene, self._frame, self._posing))
        return held[2]

    @property
    def selection(self) -> tuple[Id, ...]:
        """Selected ids, in the order of their selection; ids that are gone from the scene are not among them."""
        return self._selection

    @property
    def undo_label(self) -> str:
        """What `undo` would undo, "" for nothing."""
        return self._undo[-1].label if self._undo else ""

    @property
    def redo_label(self) -> str:
        """What `redo` would do again, "" for nothing."""
        return self._redo[-1].label if self._redo else ""

    @property
    def history(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Labels of what can be undone, oldest first, and of what can be done again, the next first."""
        return tuple(step.label for step in self._undo), tuple(step.label for step in reversed(self._redo))

    @property
    def modified(self) -> bool:
        """Whether the scene differs from the one that was last saved; undoing back to it counts as saved."""
        return self._revision != self._saved

    def mark_saved(self) -> None:
        """Tell the document that its present scene is on disk. The next edit does not coalesce with the last."""
        self._saved = self._revision
        if self._undo:
            self._undo[-1] = replace(self._undo[-1], coalesce="")

    # --- the one signal ----------------------------------------------------------------------------------------------
    def subscribe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call `callback` with every `Change` until the function that this returns is called."""
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def _tell(self, change: Change) -> None:
        """Changes made by a subscriber are told after the one that it is being told, to everybody in one order."""
        self._untold.append(change)
        if self._telling:
            return
        self._telling = True
        failures: list[Exception] = []
        while self._untold:
            told = self._untold.popleft()
            for callback in tuple(self._subscribers):
                try:
                    callback(told)
                except Exception as failure:  # raised below, once everybody has been told
                    failures.append(failure)
        self._telling = False
        if failures:
            raise failures[0] if len(failures) == 1 else ExceptionGroup("subscribers failed", failures)

    # --- editing -----------------------------------------------------------------------------------------------------
    @contextmanager
    def edit(self, label: str, *, coalesce: str = "") -> Iterator[Edit]:
        """A scope whose operations become one undoable step.

        Scopes that follow each other with the same non-empty `coalesce` token become one step of the history. Raises
        BadAsset, and leaves the scene as it was, when the edit makes a scene that cannot be: a value that its field
        does not allow, a parent that does not exist, an entity below itself.
        """
        if self._open is not None:  # a scope inside a scope joins it; should it fail, only its own part is taken back
            outer = self._open
            before = outer.scene, outer.selection
            try:
                yield outer
            except BaseException:
                outer.scene, outer.selection = before
                raise
            return
        edit = self._open = Edit(label, self.posed, self._selection, coalesce)
        try:
            yield edit
        finally:
            self._open = None
        self._commit(edit)

    def _commit(self, edit: Edit) -> None:
        shown = self.posed
        after = settled(self._scene, shown, edit.scene, self._frame, autokey=self.autokey, posing=self._posing)
        patch = difference(self._scene, after)
        if not patch:
            self.select(edit.selection)
            return
        if self._has_rules(patch) and (filled := scattered(self._scene, after)) is not after:
            after = filled
            patch = difference(self._scene, after)
        ids, touched = _examined(patch)
        ids |= _moved_by_strips(patch, self._scene, after)
        _check_tree(patch, after)
        before, chosen = self._scene, self._selection
        self._scene = after
        self._selection = _present(after, edit.selection)
        self._last_revision += 1
        step = _Step(
            edit.label, patch, ids, touched, chosen, self._selection, edit.coalesce, self._revision, self._last_revision
        )
        self._revision = step.revision
        if self._undo and edit.coalesce and self._undo[-1].coalesce == edit.coalesce and not self._redo:
            step = _joined(self._undo.pop(), step)
        else:
            self._shelved = (edit.coalesce, list(self._redo))
        self._undo.append(step)
        self._redo.clear()
        self._tell(Change(edit.label, ids, touched, before, after, self._selection, self._selection != chosen))

    def _has_rules(self, patch: Patch) -> bool:
        """Whether the scene has rules that scatter lights, or gets one: asked at every edit, so it is remembered."""
        pairs = patch.sections.get("entities", {}).values()
        if any(isinstance(e, Group) and e.scatter != "none" for pair in pairs for e in pair):
            self._rules = None
            return True
        if self._rules is None:
            self._rules = has_rules(self._scene)
        return self._rules

    def load(self, scene: Scene, label: str = "Open") -> None:
        """Take another scene, forgetting history and selection; counts as saved."""
        self._refuse_inside("opening a scene")
        patch = difference(self._scene, scene)
        before, chosen = self._scene, self._selection
        self._scene, self._selection, self._rules = scene, (), None
        self._undo.clear()
        self._redo.clear()
        self._last_revision += 1
        self._revision = self._saved = self._last_revision
        everything = Touches.NOTHING
        for flag in Touches:
            everything |= flag
        ids = frozenset(key for name in ("entities", "materials") for key in patch.sections.get(name, {}))
        self._tell(Change(label, ids, everything, before, scene, (), bool(chosen)))

    def undo(self) -> bool:
        """Take back the last step; False when there is none."""
        self._refuse_inside("undoing")
        if not self._undo:
            return False
        step = self._undo.pop()
        self._redo.append(step)
        self._go(step, undo=True)
        return True

    def redo(self) -> bool:
        """Do the last undone step again; False when there is none."""
        self._refuse_inside("redoing")
        if not self._redo:
            return False
        step = self._redo.pop()
        self._undo.append(replace(step, coalesce=""))
        self._go(step, undo=False)
        return True

    def abandon(self, coalesce: str) -> bool:
        """Take back the last step, if edits with this token made it, as though it had never been: it cannot be redone,
        and what could be redone before it can be again. False when there is no such step."""
        self._refuse_inside("abandoning an edit")
        if not coalesce or not self._undo or self._undo[-1].coalesce != coalesce:
            return False
        step = self._undo.pop()
        token, redo = self._shelved
        self._redo = redo if token == coalesce else []
        self._go(step, undo=True)
        return True

    def _go(self, step: _Step, *, undo: bool) -> None:
        before, chosen = self._scene, self._selection
        self._scene, self._rules = step.patch.apply(before, undo=undo), None
        self._selection = _present(self._scene, step.selection_before if undo else step.selection_after)
        self._revision = step.revision_before if undo else step.revision
        source = "undo" if undo else "redo"
        differs = self._selection != chosen
        self._tell(Change(step.label, step.ids, step.touches, before, self._scene, self._selection, differs, source))

    def select(self, ids: Iterable[Id]) -> None:
        """Select entities or materials; ids that are not in the scene are passed over. Inside a scope it is the
        edit's selection that is set."""
        if self._open is not None:
            self._open.selection = tuple(ids)
            return
        chosen = _present(self._scene, ids)
        if chosen != self._selection:
            self._selection = chosen
            none: frozenset[Id] = frozenset()
            self._tell(Change("Select", none, Touches.NOTHING, self._scene, self._scene, chosen, True, "select"))

    def _refuse_inside(self, doing: str) -> None:
        if self._open is not None:
            raise RuntimeError(f"{doing} inside the edit scope {self._open.label!r}")


def _joined(first: _Step, second: _Step) -> _Step:
    return replace(
        second,
        patch=first.patch.then(second.patch),
        ids=first.ids | second.ids,
        touches=first.touches | second.touches,
        selection_before=first.selection_before,
        revision_before=first.revision_before,
    )


def _present(scene: Scene, ids: Iterable[Id]) -> tuple[Id, ...]:
    return tuple(id_ for id_ in dict.fromkeys(ids) if id_ in scene.entities or id_ in scene.materials)


def _examined(patch: Patch) -> tuple[frozenset[Id], Touches]:
    """Ids and touched sections of a patch, with every new value checked on the way."""
    touched = Touches.NOTHING
    ids: set[Id] = set()
    for name, changes in patch.sections.items():
        if name not in ("entities", "materials"):
            touched |= _SECTION_TOUCHES[name]
            if name == "tracks":  # what a curve drives is changed with it
                ids.update(split_track(track)[0] for track in changes)
            if name == "strips":
                _check_strips(changes)
            continue
        ids.update(changes)
        bits = Touches.NOTHING.value
        for id_, (was, now) in changes.items():
            bits |= _compared(id_, was, now)
        touched |= Touches(bits)
    if patch.orders.keys() & {"entities", "materials"}:
        touched |= Touches.HIERARCHY
    if patch.values.keys() & {"camera", "fps", "timeline"}:
        touched |= Touches.CAMERA
    return frozenset(ids), touched


def _moved_by_strips(patch: Patch, before: Scene, after: Scene) -> frozenset[Id]:
    """Ids of what the clips drive that an edit changed, or whose strips it changed."""
    sections = patch.sections
    if not sections.keys() & {"clips", "strips"}:
        return frozenset()
    clips = [clip for pair in sections.get("clips", {}).values() for clip in pair if clip is not ABSENT]
    for pair in sections.get("strips", {}).values():
        played = {strip.clip for strip in pair if strip is not ABSENT}
        clips += [scene.clips[id_] for scene in (before, after) for id_ in played if id_ in scene.clips]
    return frozenset(split_track(track)[0] for clip in clips for track in clip.tracks)


def _check_strips(changes: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse strips whose values cannot be."""
    for id_, (_, now) in changes.items():
        if now is not ABSENT:
            if now.id != id_:
                raise BadAsset(f'The strip "{now.name}" is kept under the id "{id_}" but says that it is "{now.id}".')
            check_strip(now)


def _compared(id_: Id, was: Any, now: Any) -> int:
    """Bits of the Touches of a record's change; its new values are checked."""
    if now is not ABSENT and now.id != id_:
        raise BadAsset(f'"{now.name}" is kept under the id "{id_}" but says that it is "{now.id}".')
    record = was if now is ABSENT else now
    kind: type[msgspec.Struct] = type(record)
    whole = was is ABSENT or now is ABSENT or type(was) is not kind
    bits = Touches.HIERARCHY.value if whole else 0
    differing = []
    known, defaults, values = _fields_of(kind)
    new, old = values(record), defaults if whole else values(was)
    for n in compress(range(len(known)), map(is_not, new, old)):
        if new[n] != old[n]:
            differing.append(known[n].name)
            bits |= known[n].spec.touches.value
    if now is not ABSENT and differing:
        for name in differing:
            check(kind, name, getattr(now, name), where=f'{kind.__name__} "{now.name or id_}"')
        check_together(now, differing)
    if whole:
        bits |= _WHOLE.get(str(kind.__struct_config__.tag), Touches.MATERIAL).value
    return bits


@functools.cache
def _fields_of(kind: type[msgspec.Struct]) -> tuple[tuple[Field, ...], tuple[Any, ...], Callable[[Any], Any]]:
    """The fields of a kind, their defaults, and what reads all their values of a record at once: an edit of 300 lights
    compares 30,000."""
    known = tuple(fields(kind).values())
    return known, tuple(field.default for field in known), attrgetter(*(field.name for field in known))


_WHOLE = {
    "group": Touches.HIERARCHY,
    "mesh": Touches.GEOMETRY | Touches.LIGHT,
    "camera": Touches.CAMERA,
    "light": Touches.LIGHT,
    "path": Touches.HIERARCHY,
    "constraint": Touches.HIERARCHY,
}


def _check_tree(patch: Patch, scene: Scene) -> None:
    """Refuse dangling parents and cycles, which only an edit of the tree can make."""
    changes = patch.sections.get("entities", {})
    if not any(a is ABSENT or b is ABSENT or a.parent != b.parent for a, b in changes.values()):
        return
    listed = list(scene.entities.values())
    parents, dangling = parent_rows(listed, {id_: i for i, id_ in enumerate(scene.entities)})
    for row in dangling:
        raise BadAsset(f'"{listed[row].name or listed[row].id}" hangs below "{listed[row].parent}", which is gone.')
    for row in np.flatnonzero(on_cycles(parents)).tolist():
        raise BadAsset(f'"{listed[row].name or listed[row].id}" would hang below itself; choose another parent.')
