"""Fields, their checks, and the codec that keeps what it does not know."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadAsset
from studio.scene.entities import Camera, Constraint, Figure, Group, MeshObject, Path
from studio.scene.lights import Light
from studio.scene.materials import Material, Texture
from studio.scene.schema import (
    Touches,
    check,
    decode_entities,
    decode_materials,
    encode,
    fields,
    kinds,
    touches,
    upgrade,
    validate,
)


def back(record):
    text = b"[" + encode(record) + b"]"
    decode = decode_materials if isinstance(record, Material) else decode_entities
    return decode(text, where="test")[0]


def test_every_kind_is_known_by_its_tag():
    found = {"group": Group, "mesh": MeshObject, "camera": Camera, "path": Path, "constraint": Constraint}
    assert dict(kinds()) == {**found, "figure": Figure, "light": Light}


def test_fields_tell_shape_unit_limits_and_default():
    known = fields(Light)
    assert known["intensity"].shape == "float"
    assert known["intensity"].spec.lo == 0.0
    assert known["color"].shape == "vector"
    assert known["color"].width == 3
    assert known["muted"].shape == "bool"
    assert known["exposure"].spec.unit == "stops"
    assert known["temperature_k"].default == 6500.0
    assert fields(MeshObject)["morph_weights"].width == 0
    assert fields(MeshObject)["materials"].shape == "ids"
    assert "id" not in known


@pytest.mark.parametrize("kind", [Group, MeshObject, Camera, Light, Material])
def test_every_field_has_a_label_and_a_default_that_it_allows(kind):
    for name, field in fields(kind).items():
        assert field.label
        assert check(kind, name, field.default) == field.default


def test_only_numbers_can_be_animated():
    assert fields(Light)["intensity"].animatable
    assert fields(Light)["muted"].animatable
    assert not fields(Light)["unit"].animatable
    assert not fields(Light)["locked"].animatable


def test_touches_say_what_an_edit_makes_stale():
    assert touches(Light, ["intensity"]) == Touches.LIGHT
    assert touches(Light, ["translation", "visible"]) == Touches.TRANSFORM | Touches.HIERARCHY
    assert touches(Group, []) == Touches.NOTHING


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("intensity", -1.0),
        ("intensity", float("nan")),
        ("intensity", "bright"),
        ("intensity", True),
        ("temperature_k", 90_000.0),
        ("color", (1.0, 1.0)),
        ("color", (1.0, 1.0, -1.0)),
        ("color", 3.0),
        ("muted", 1),
        ("name", 5),
        ("translation", (0.0, 0.0, float("inf"))),
        ("no_such_field", 1.0),
    ],
)
def test_values_that_a_field_does_not_allow_are_refused(name, value):
    with pytest.raises(BadAsset):
        check(Light, name, value, where="lamp")


def test_values_are_stored_as_the_field_stores_them():
    assert check(Light, "color", [1, 0, 0]) == (1.0, 0.0, 0.0)
    assert isinstance(check(Light, "intensity", 5), float)
    assert check(Camera, "blades", 6.0) == 6
    with pytest.raises(BadAsset, match="whole"):
        check(Camera, "blades", 6.5)
    assert check(MeshObject, "materials", ["a"]) == ("a",)


def test_a_fault_names_the_record_and_the_field():
    with pytest.raises(BadAsset, match=r'Camera "Wide": Focal length .* 0\.1 mm'):
        validate(Camera(id="c", name="Wide", focal_length_mm=0.0))
    validate(Camera(id="c"))
    with pytest.raises(BadAsset, match="lx"):
        validate(Light(id="l", light="distant", unit="nt"))


finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(codec="utf-8"), max_size=12)
lights = st.builds(
    Light,
    id=text,
    name=text,
    parent=text,
    translation=st.tuples(finite, finite, finite),
    intensity=finite,
    unit=text,
    color=st.tuples(finite, finite, finite),
    muted=st.booleans(),
)
json_values = st.recursive(
    st.none() | st.booleans() | finite | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
)


@given(lights)
def test_entities_survive_a_round_trip(light):
    assert back(light) == light


@given(
    st.dictionaries(text.filter(lambda k: k not in Light.__struct_fields__ and k != "kind"), json_values, max_size=4)
)
def test_unknown_fields_survive_a_round_trip(unknown):
    written = msgspec.json.encode({"kind": "light", "id": "l", "intensity": 3.0, **unknown})
    light = decode_entities(b"[" + written + b"]", where="test")[0]
    assert light.intensity == 3.0
    assert msgspec.json.decode(encode(light)) == {"kind": "light", "id": "l", "intensity": 3.0, **unknown}
    assert {k: msgspec.json.decode(v) for k, v in back(light).extra.items()} == unknown


def test_unknown_fields_survive_an_edit():
    light = decode_entities(b'[{"kind":"light","id":"l","flicker":[1,2]}]', where="test")[0]
    edited = msgspec.structs.replace(light, intensity=2.0)
    assert b'"flicker":[1,2]' in encode(edited)


def test_materials_survive_with_textures_and_unknown_fields():
    material = Material(id="m", base_color=(1.0, 0.0, 0.0), textures={"base_color": Texture(image="k", uv=1)})
    assert back(material) == material
    kept = decode_materials(b'[{"id":"m","velvet":0.5}]', where="test")[0]
    assert b'"velvet":0.5' in encode(kept)


def test_only_what_differs_from_the_defaults_is_written():
    assert encode(Group(id="g")) == b'{"kind":"group","id":"g"}'


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{}",
        b"[1]",
        b'[{"kind":"portal","id":"x"}]',
        b'[{"id":"x"}]',
        b'[{"kind":"light","intensity":"bright"}]',
        b'[{"kind":"light","intensity":NaN}]',
        b'[{"kind":"light","intensity":1e999}]',
        b'[{"kind":"light","color":[1,2]}]',
        b'[{"kind":"light","name":"\xff"}]',
        b"[" * 100_000,
    ],
)
def test_text_that_is_no_entities_is_refused_by_name(text):
    with pytest.raises(BadAsset, match=r"hall\.json"):
        decode_entities(text, where="hall.json")


def test_a_number_that_is_not_finite_cannot_be_written():
    with pytest.raises(BadAsset, match="Key"):
        encode(Light(id="l", name="Key", intensity=float("nan")))
    assert b"null" in encode(Light(id="l", name="null"))


def test_documents_pass_through_every_upgrade_after_their_version():
    def second(document):
        return document | {"seen": [*document.get("seen", []), 2]}

    def third(document):
        return document | {"seen": [*document.get("seen", []), 3]}

    assert upgrade({}, 1, [second, third]) == {"seen": [2, 3]}
    assert upgrade({}, 2, [second, third]) == {"seen": [3]}
    assert upgrade({}, 3, [second, third]) == {}
