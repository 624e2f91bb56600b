"""Edits of what moves: they act on what is seen, and become keys."""

import numpy as np
import pytest

from studio.scene import edits, keying
from studio.scene.animation import evaluate
from studio.scene.document import Document
from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.scene.scene import Scene


def document(**values: float) -> Document:
    """A lamp whose intensity goes from 10 to 20 over frames 1 to 11, and a group that nothing drives."""
    scene = Scene(frame_end=11.0).add(Light(id="l", light="point", unit="cd", intensity=10.0), Group(id="g"))
    scene = keying.set_key(scene, "l", "intensity", 1.0, 10.0)
    scene = keying.set_key(scene, "l", "intensity", 11.0, 20.0)
    made = Document(scene)
    made.frame = 6.0
    return made


def at(made: Document, frame: float) -> float:
    return float(evaluate(made.scene.tracks["l.intensity"], frame)[0, 0])


def test_the_posed_scene_has_the_values_of_the_frame():
    made = document()
    assert made.posed.entities["l"].intensity == pytest.approx(15.0)
    assert made.posed.entities["g"] is made.scene.entities["g"]
    made.frame = 1.0
    assert made.posed.entities["l"].intensity == pytest.approx(10.0)


def test_a_scene_that_nothing_drives_is_its_own_posed_scene():
    made = Document(Scene().add(Group(id="g")))
    assert made.posed is made.scene


def test_changing_a_driven_field_keys_it_and_leaves_the_field_alone():
    made = document()
    before = made.scene.entities["l"]
    with made.edit("Brighter") as edit:
        edit.apply(edits.offset_field, ["l"], "intensity", times=2.0)
    assert made.scene.entities["l"] is before
    assert at(made, 6.0) == pytest.approx(30.0)
    assert at(made, 1.0) == pytest.approx(10.0)
    assert made.undo()
    assert len(made.scene.tracks["l.intensity"].times) == 2


def test_what_an_edit_leaves_alone_stays_as_it_was():
    made = document()
    before = made.scene
    with made.edit("Move") as edit:
        edit.apply(edits.translate, ["l", "g"], (1.0, 0.0, 0.0))
    assert made.scene.entities["l"].intensity == 10.0, "the present value of the curve is not written into the field"
    assert made.scene.entities["l"].translation == (1.0, 0.0, 0.0)
    assert made.scene.tracks is before.tracks
    with made.edit("Nothing") as edit:
        edit.apply(lambda scene: scene)
    assert made.undo_label == "Move"


def test_a_drag_adds_up_from_where_it_began():
    made = document()
    began = made.posed
    for factor in (1.1, 1.5, 3.0):
        with made.edit("Drag", coalesce="drag") as edit:
            edit.apply(edits.change_numbers, ["l"], "intensity", lambda old, f=factor: old * f, since=began)
    assert at(made, 6.0) == pytest.approx(45.0)
    assert made.undo() and not made.undo()


def test_autokey_gives_curves_to_what_has_none():
    made = document()
    made.autokey = True
    with made.edit("Move") as edit:
        edit.apply(edits.translate, ["g"], (0.0, 2.0, 0.0))
    assert made.scene.tracks["g.translation"].times.tolist() == [6.0]
    np.testing.assert_allclose(made.scene.tracks["g.translation"].values, [[0.0, 2.0, 0.0]])
    with made.edit("Mute") as edit:
        edit.apply(edits.mute, ["l"])
    assert "l.muted" not in made.scene.tracks and made.scene.entities["l"].muted


def test_a_field_keeps_its_present_value_when_its_curve_goes():
    made = document()
    with made.edit("Remove animation") as edit:
        edit.apply(keying.remove_track, "l.intensity", made.frame)
    assert made.scene.tracks == {}
    assert made.scene.entities["l"].intensity == pytest.approx(15.0)


def test_a_change_of_a_curve_names_what_it_drives():
    made = document()
    told = []
    made.subscribe(told.append)
    with made.edit("Key") as edit:
        edit.apply(keying.set_key, "l", "intensity", 3.0, 1.0)
    assert told[0].ids == {"l"}


def test_what_an_edit_adds_and_removes_stays_so():
    made = document()
    with made.edit("Swap") as edit:
        edit.scene = edit.scene.remove(["g"]).add(Group(id="new"))
    assert set(made.scene.entities) == {"l", "new"}
    assert made.undo()
    assert set(made.scene.entities) == {"l", "g"}
