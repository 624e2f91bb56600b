"""The filter language of lights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.scene.light_filter import parse
from studio.scene.lights import Light

LIGHTS = {
    "key": Light(id="key", name="Key spot", light="spot", intensity=800.0, group="keys", outer_cone_deg=30.0),
    "rim": Light(id="rim", name="Rim", light="point", intensity=100.0, muted=True, casts_shadows=False),
    "sky": Light(id="sky", name="Sky 3", light="dome", unit="nt", intensity=0.5, exposure=-2.0, solo=True),
}


def found(text: str) -> list[str]:
    """Ids of the lights that pass."""
    wanted = parse(text)
    return [
        id_
        for id_, light in LIGHTS.items()
        if wanted.matches(lambda field, light=light: getattr(light, field, None), [light.name.lower(), "front rig"])
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["key", "rim", "sky"]),
        ("key", ["key"]),
        ("KEY spot", ["key"]),
        ('"key spot"', ["key"]),
        ("front", ["key", "rim", "sky"]),  # the name of what is above counts
        ("-sky", ["key", "rim"]),
        ("intensity>100", ["key"]),
        ("intensity>=100cd", ["key", "rim"]),
        ("intensity > 100 kind=spot", ["key"]),
        ("kind=spot,dome", ["key", "sky"]),
        ("kind!=spot", ["rim", "sky"]),
        ("-kind=spot", ["rim", "sky"]),
        ("group=KEYS", ["key"]),
        ("group=k*", ["key"]),
        ("muted", ["rim"]),
        ("-muted", ["key", "sky"]),
        ('"muted"', []),
        ("solo -muted", ["sky"]),
        ("casts_shadows=off", ["rim"]),
        ("-shadows", ["rim"]),
        ("exposure<-1", ["sky"]),
        ("exposure=-2stops", ["sky"]),
        ("outer_cone<45", ["key"]),
        ("name=rim", ["rim"]),
        ("intensity＞100", ["key"]),
        ("kind:dome", ["sky"]),
    ],
)
def test_what_is_typed_finds_what_it_says(text, expected):
    assert found(text) == expected and parse(text).faults == ()


@pytest.mark.parametrize(
    ("text", "kind", "near"),
    [
        ("intensty>3", "field", "intensity"),
        ("intensity>", "value", ""),
        ("intensity>bright", "number", ""),
        ("muted=perhaps", "switch", ""),
        ("kind>spot", "order", ""),
        (">5", "before", ""),
    ],
)
def test_what_is_not_understood_is_told_and_passed_over(text, kind, near):
    understood = parse(text)
    assert [(fault.kind, fault.near) for fault in understood.faults] == [(kind, near)]
    assert found(text) == list(LIGHTS)
    assert found(f"{text} key") == ["key"] or kind == "value"


def test_what_has_no_such_field_never_matches():
    assert not parse("intensity>0").matches(lambda field: None, ["a group"])
    assert not parse("kind!=spot").matches(lambda field: None, ["a group"])


def test_fields_have_the_names_of_other_languages_too():
    wanted = parse("强度>500", {"强度": "intensity"})
    assert wanted.faults == () and wanted.matches(lambda field: 800.0, [])


_PIECES = st.sampled_from(
    ["intensity", ">", "<=", "=", '"', "-", " ", "kind", "spot", "muted", "12", "e", ",", "*", "：", "强"]
)


@given(st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=12).map("".join)))
def test_no_text_raises(text):
    understood = parse(text)
    for light in LIGHTS.values():
        assert understood.matches(lambda field, light=light: getattr(light, field, None), [light.name.lower()]) in (
            True,
            False,
        )


@given(st.floats(-1e6, 1e6), st.sampled_from([">", "<", ">=", "<=", "=", "!="]))
def test_numbers_compare_as_numbers_do(number, op):
    value = LIGHTS["key"].intensity
    wanted = {">": value > number, "<": value < number, ">=": value >= number, "<=": value <= number}
    expected = wanted.get(op, (value == number) if op == "=" else (value != number))
    assert parse(f"intensity{op}{number!r}").matches(lambda field: value, []) is expected
