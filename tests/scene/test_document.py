"""The document: edit scopes, undo and redo, selection and the one signal."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from studio.errors import BadAsset
from studio.scene import edits, keying
from studio.scene.document import Document, difference
from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.scene.schema import Touches
from tests.scene.rigs import scene_of, studio_scene


@pytest.fixture
def told():
    return []


@pytest.fixture
def document(told):
    out = Document(studio_scene())
    out.subscribe(told.append)
    return out


def test_one_edit_tells_one_change(document, told):
    before = document.scene
    with document.edit("Dim") as edit:
        edit.replace(["key", "fill"], intensity=2.0)
        edit.apply(edits.mute, ["rim"])
        assert document.scene is before
    (change,) = told
    assert change.label == "Dim"
    assert change.ids == {"key", "fill", "rim"}
    assert change.touches == Touches.LIGHT
    assert change.before is before
    assert change.after is document.scene
    assert document.undo_label == "Dim"


def test_an_abandoned_drag_leaves_neither_undo_nor_redo_and_what_could_be_redone_can_be_again(document, told):
    with document.edit("Rename") as edit:
        edit.replace("key", name="K")
    document.undo()
    before = document.scene
    for value in (2.0, 3.0):
        with document.edit("Dim", coalesce="drag") as edit:
            edit.replace("key", intensity=value)
    assert not document.abandon("another")
    assert document.abandon("drag")
    assert document.scene.entities["key"] is before.entities["key"]
    assert (document.undo_label, document.redo_label) == ("", "Rename")
    assert not document.modified
    assert told[-1].source == "undo"
    assert not document.abandon("drag")


@pytest.mark.parametrize(
    ("operation", "touched"),
    [
        (lambda s: s.replace("floor", translation=(1.0, 0.0, 0.0)), Touches.TRANSFORM),
        (lambda s: s.replace("wood", specular_roughness=0.1), Touches.MATERIAL),
        (lambda s: s.replace("camera", f_stop=2.0), Touches.CAMERA),
        (lambda s: s.replace("key", name="K"), Touches.NOTHING),
        (lambda s: s.replace("rig", visible=False), Touches.HIERARCHY),
        (lambda s: s.add(Light(id="new")), Touches.HIERARCHY | Touches.LIGHT),
        (lambda s: edits.reorder(s, ["key"]), Touches.HIERARCHY),
        (lambda s: edits.set_camera(s, ""), Touches.CAMERA),
    ],
)
def test_a_change_says_what_it_touches(document, told, operation, touched):
    with document.edit("Edit") as edit:
        edit.apply(operation)
    assert told[0].touches == touched


def test_an_edit_that_changes_nothing_tells_nothing(document, told):
    with document.edit("Nothing") as edit:
        edit.apply(lambda scene: scene)
    assert not told
    assert not document.undo_label


def test_undo_and_redo_give_back_the_same_records(document, told):
    before = document.scene
    with document.edit("Delete") as edit:
        edit.apply(edits.delete, ["rig", "wood"])
    after = document.scene
    assert document.undo()
    assert list(document.scene.entities) == list(before.entities)
    assert all(document.scene.entities[k] is v for k, v in before.entities.items())
    assert document.scene.materials["wood"] is before.materials["wood"]
    assert document.redo_label == "Delete"
    assert document.redo()
    assert list(document.scene.entities) == list(after.entities)
    assert [c.source for c in told] == ["edit", "undo", "redo"]
    assert not document.redo()


def test_an_edit_after_undo_forgets_what_could_be_redone(document):
    for n in (1.0, 2.0):
        with document.edit("Set") as edit:
            edit.replace("key", intensity=n)
    document.undo()
    with document.edit("Other") as edit:
        edit.replace("key", exposure=1.0)
    assert not document.redo()


def test_a_failing_scope_leaves_everything_as_it_was(document, told):
    before = document.scene
    with pytest.raises(ZeroDivisionError), document.edit("Broken") as edit:
        edit.replace("key", intensity=2.0)
        edit.selection = ("key",)
        _ = 1 / 0
    assert document.scene is before
    assert document.selection == ()
    assert not told
    with document.edit("Fine") as edit:
        edit.replace("key", intensity=2.0)
    assert len(told) == 1


@pytest.mark.parametrize(
    "put",
    [
        {"key": Light(id="key", intensity=-1.0)},
        {"key": Light(id="key", light="distant", unit="cd")},
        {"key": Light(id="other")},
        {"rig": Group(id="rig", parent="rig")},
        {"rig": Group(id="rig", parent="nobody")},
    ],
)
def test_scenes_that_cannot_be_are_refused_at_the_end_of_the_scope(document, told, put):
    before = document.scene
    with pytest.raises(BadAsset), document.edit("Bad") as edit:
        edit.scene = edit.scene.put(put)
    assert document.scene is before
    assert not told


def test_removing_a_parent_alone_is_refused(document):
    with pytest.raises(BadAsset, match="gone"), document.edit("Bad") as edit:
        entities = {k: v for k, v in edit.scene.entities.items() if k != "rig"}
        edit.scene = scene_of(*edit.scene.materials.values()).put(entities)


def test_scopes_inside_a_scope_join_it(document, told):
    with document.edit("Outer") as outer:
        outer.replace("key", intensity=1.0)
        with document.edit("Inner") as inner:
            assert inner is outer
            inner.replace("fill", intensity=2.0)
    assert [c.label for c in told] == ["Outer"]
    document.undo()
    assert document.scene.entities["key"].intensity == 100.0


def test_an_inner_scope_that_fails_takes_back_its_own_part(document):
    with document.edit("Outer") as outer:
        outer.replace("key", intensity=1.0)
        with pytest.raises(BadAsset), document.edit("Inner") as inner:
            inner.replace("fill", intensity=2.0)
            inner.replace("nobody", intensity=2.0)
    assert document.scene.entities["key"].intensity == 1.0
    assert document.scene.entities["fill"].intensity == 100.0


def test_a_drag_is_one_step_but_every_move_is_told(document, told):
    for n in range(10):
        with document.edit("Drag", coalesce="drag 1") as edit:
            edit.replace("key", intensity=float(n))
    with document.edit("Drag", coalesce="drag 2") as edit:
        edit.replace("key", intensity=50.0)
    assert len(told) == 11
    document.undo()
    assert document.scene.entities["key"].intensity == 9.0
    document.undo()
    assert document.scene.entities["key"].intensity == 100.0
    assert not document.undo()


def test_a_drag_that_comes_back_to_where_it_began_still_undoes(document):
    key = document.scene.entities["key"]
    with document.edit("Drag", coalesce="d") as edit:
        edit.replace("key", intensity=1.0)
    with document.edit("Drag", coalesce="d") as edit:
        edit.scene = edit.scene.put({"key": key})
    assert document.undo()
    assert document.scene.entities["key"] is key


def test_selecting_is_told_and_not_undoable(document, told):
    document.select(["key", "nobody", "key", "wood"])
    assert document.selection == ("key", "wood")
    assert told[-1].source == "select"
    assert told[-1].selected
    document.select(["key", "wood"])
    assert len(told) == 1
    assert not document.undo()


def test_undo_brings_back_the_selection_that_the_edit_was_made_with(document):
    document.select(["key"])
    with document.edit("Duplicate") as edit:
        edit.selection = edit.apply(edits.duplicate, ["key"])
    assert document.selection == ("key.2",)
    document.select(["floor"])
    document.undo()
    assert document.selection == ("key",)
    document.redo()
    assert document.selection == ("key.2",)


def test_what_is_gone_is_not_selected(document):
    document.select(["key", "floor"])
    with document.edit("Delete") as edit:
        edit.apply(edits.delete, ["key"])
    assert document.selection == ("floor",)


def test_modified_means_different_from_what_was_saved(document):
    assert not document.modified
    with document.edit("Set") as edit:
        edit.replace("key", intensity=1.0)
    assert document.modified
    document.undo()
    assert not document.modified
    document.redo()
    document.mark_saved()
    assert not document.modified
    document.undo()
    assert document.modified


def test_changes_made_by_a_subscriber_come_after_the_one_it_is_told():
    document = Document(studio_scene())
    first, second = [], []

    def reacts(change):
        first.append(change.label)
        if change.label == "A":
            with document.edit("B") as edit:
                edit.replace("fill", intensity=1.0)

    document.subscribe(reacts)
    stop = document.subscribe(lambda change: second.append(change.label))
    with document.edit("A") as edit:
        edit.replace("key", intensity=1.0)
    assert first == second == ["A", "B"]
    stop()
    stop()
    document.undo()
    assert second == ["A", "B"]


def test_a_subscriber_that_fails_keeps_nobody_else_from_being_told():
    document, heard = Document(studio_scene()), []

    def fails(change):
        raise KeyError("panel")

    document.subscribe(fails)
    document.subscribe(heard.append)
    with pytest.raises(KeyError), document.edit("A") as edit:
        edit.replace("key", intensity=1.0)
    assert len(heard) == 1
    assert document.scene.entities["key"].intensity == 1.0


def test_the_history_is_as_long_as_it_is_told_to_be():
    document = Document(studio_scene(), history=3)
    for n in range(5):
        with document.edit("Set") as edit:
            edit.replace("key", intensity=float(n))
    assert [document.undo() for _ in range(4)] == [True, True, True, False]


def test_loading_forgets_the_history(document, told):
    with document.edit("Set") as edit:
        edit.replace("key", intensity=1.0)
    document.load(studio_scene())
    assert not document.undo()
    assert not document.modified
    assert told[-1].label == "Open"


def test_undo_inside_a_scope_is_an_error(document):
    with pytest.raises(RuntimeError), document.edit("A"):
        document.undo()


def test_a_patch_does_and_undoes_what_differs():
    before = studio_scene()
    after = edits.duplicate(edits.delete(before, ["set"]), ["rig"])[0]
    patch = difference(before, after)
    assert list(patch.apply(before).entities.items()) == list(after.entities.items())
    assert list(patch.apply(after, undo=True).entities.items()) == list(before.entities.items())
    assert not difference(before, before)


class Session(RuleBasedStateMachine):
    """Any mix of edits, undos and redos: undo always gives the state before, redo the state after."""

    def __init__(self):
        super().__init__()
        self.document = Document(studio_scene())
        self.states = [self.document.scene]
        self.at = 0

    def do(self, operation):
        before = self.document.scene
        try:
            with self.document.edit("Edit") as edit:
                edit.apply(operation)
        except BadAsset:
            assert self.document.scene is before
            return
        if self.document.scene is not before:
            self.states[self.at + 1 :] = [self.document.scene]
            self.at += 1

    def some(self, data):
        return data.draw(st.sampled_from(sorted(self.document.scene.entities) or ["nobody"]))

    @rule(data=st.data(), x=st.floats(-5, 5))
    def move(self, data, x):
        id_ = self.some(data)
        self.do(lambda scene: edits.translate(scene, [id_], (x, 0.0, 0.0)))

    @rule(data=st.data())
    def delete(self, data):
        id_ = self.some(data)
        self.do(lambda scene: edits.delete(scene, [id_]))

    @rule(data=st.data())
    def duplicate(self, data):
        id_ = self.some(data)
        self.do(lambda scene: edits.duplicate(scene, [id_]))

    @rule(data=st.data())
    def hang(self, data):
        id_, parent = self.some(data), self.some(data)
        self.do(lambda scene: edits.reparent(scene, [id_], parent))

    @rule(data=st.data())
    def reorder(self, data):
        id_, before = self.some(data), self.some(data)
        self.do(lambda scene: edits.reorder(scene, [id_], before))

    @rule(data=st.data(), frame=st.integers(1, 5))
    def key(self, data, frame):
        id_ = self.some(data)
        self.do(lambda scene: keying.set_key(scene, id_, "translation", float(frame)))

    @rule()
    def undo(self):
        assert self.document.undo() == (self.at > 0)
        self.at = max(self.at - 1, 0)

    @rule()
    def redo(self):
        assert self.document.redo() == (self.at + 1 < len(self.states))
        self.at = min(self.at + 1, len(self.states) - 1)

    @invariant()
    def the_scene_is_the_one_of_that_moment(self):
        now, then = self.document.scene, self.states[self.at]
        for section in ("entities", "materials", "tracks"):
            mine, theirs = getattr(now, section), getattr(then, section)
            assert list(mine) == list(theirs)
            assert all(a is b for a, b in zip(mine.values(), theirs.values(), strict=True))
        assert now.camera == then.camera


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_records_are_shared_by_all_versions_of_a_scene(document):
    before = document.scene
    with document.edit("Set") as edit:
        edit.replace("key", intensity=1.0)
    shared = [k for k, v in before.entities.items() if document.scene.entities[k] is v]
    assert len(shared) == len(before.entities) - 1
    assert isinstance(before.entities["key"], msgspec.Struct)


def test_an_abandoned_drag_leaves_scene_selection_and_history_as_they_were():
    document = Document(scene_of(Light(id="a")))
    with document.edit("First") as edit:
        edit.replace("a", intensity=1.0)
    document.undo()
    before = document.scene
    for value in (2.0, 3.0):
        with document.edit("Drag", coalesce="drag-1") as edit:
            edit.replace("a", intensity=value)
    assert not document.abandon("another") and document.abandon("drag-1")
    assert document.scene.entities == before.entities
    assert document.undo_label == "" and document.redo_label == "First"
    assert document.redo() and document.scene.entities["a"].intensity == 1.0
    assert not document.abandon("drag-1")
