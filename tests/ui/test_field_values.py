"""What the inspector shows of a selection."""

from studio.scene.entities import Camera, Group, MeshObject
from studio.scene.lights import Light
from studio.scene.materials import Material
from studio.scene.scene import Scene
from studio.ui.field_values import sections


def _scene() -> Scene:
    return Scene().add(
        Light(id="a", light="spot", intensity=5.0),
        Light(id="b", light="rectangle", unit="nt", translation=(0.0, 1.0, 0.0)),
        Group(id="g"),
        Camera(id="c"),
        MeshObject(id="m", materials=("red", "")),
        Material(id="red", name="red"),
    )


def _names(section) -> list[str]:
    return [shared.field.name for shared in section.fields]


def test_a_selection_of_several_kinds_has_a_section_for_each():
    found = sections(_scene(), ["a", "b", "g", "c", "m"])
    assert [(s.title, s.count) for s in found] == [
        ("Place", 5),
        ("Light", 2),
        ("Camera", 1),
        ("Object", 1),
        ("Group", 1),
        ("Material", 1),
    ]


def test_fields_that_mean_nothing_for_any_are_left_out():
    spot = sections(_scene(), ["a"])[1]
    assert "outer_cone_deg" in _names(spot) and "width_m" not in _names(spot)
    both = sections(_scene(), ["a", "b"])[1]
    assert {"outer_cone_deg", "width_m"} <= set(_names(both))
    width = next(s for s in both.fields if s.field.name == "width_m")
    assert width.ids == ("b",)


def test_values_that_differ_are_mixed_by_component():
    place = sections(_scene(), ["a", "b"])[0]
    translation = next(s for s in place.fields if s.field.name == "translation")
    assert translation.mixed == (False, True, False)


def test_units_offered_are_those_that_every_selected_kind_takes():
    one = next(s for s in sections(_scene(), ["b"])[1].fields if s.field.name == "unit")
    both = next(s for s in sections(_scene(), ["a", "b"])[1].fields if s.field.name == "unit")
    assert set(one.choices) == {"nt", "cd", "lm", "W"} and set(both.choices) == {"cd", "lm", "W"}


def test_what_no_hand_edits_is_not_shown():
    names = [n for s in sections(_scene(), ["m", "g"]) for n in _names(s)]
    assert not {"parent", "skin", "joints", "mesh", "shear", "extra", "id"} & set(names)
