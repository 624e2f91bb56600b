"""Shortcuts: one spelling, places, replacements, conflicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.commands.keymap import Keymap, normal
from studio.commands.registry import Command, load
from studio.errors import UsageError


def _command(id_: str, keys: tuple[str, ...], place: str = "") -> Command:
    return Command(id_, id_, lambda studio: None, keys=keys, place=place)


@given(st.permutations(["ctrl", "SHIFT", "Alt"]), st.sampled_from("abcz19"))
def test_the_order_and_case_of_a_shortcut_do_not_matter(modifiers, key):
    assert normal("+".join([*modifiers, key])) == f"Ctrl+Alt+Shift+{key.upper()}"


def test_plus_is_a_key_too():
    assert normal("Ctrl++") == "Ctrl++" and normal("+") == "+"


@pytest.mark.parametrize("wrong", ["", "Ctrl+", "Hyper+A", "a+b"])
def test_what_is_no_shortcut_is_refused(wrong):
    with pytest.raises(UsageError, match="shortcut"):
        normal(wrong)


def test_a_places_own_keys_go_before_those_of_everywhere():
    keymap = Keymap({"a.x": _command("a.x", ("F",)), "b.x": _command("b.x", ("F",), "viewport")})
    assert keymap.find("f", "viewport") == ("b.x", "a.x")
    assert keymap.find("F") == ("a.x",)
    assert keymap.conflicts() == ()


def test_own_keys_replace_the_defaults_and_conflicts_are_named():
    commands = {"a.x": _command("a.x", ("F",)), "b.x": _command("b.x", ("G",))}
    keymap = Keymap(commands, {"b.x": ("f", "nonsense+")})
    assert keymap.keys("b.x") == ("F",)
    (conflict,) = keymap.conflicts()
    assert conflict.commands == ("a.x", "b.x") and conflict.shortcut == "F"


def test_the_default_keys_of_the_studio_do_not_conflict():
    assert Keymap(load()).conflicts() == ()
