"""Preferences: checked, kept, and never a reason not to start."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.commands.preferences import Preferences, load_preferences, save_preferences
from studio.errors import BadAsset, CannotWrite


def test_preferences_come_back_as_they_were_kept(tmp_path: Path):
    wanted = Preferences(language="zh_CN", keys={"edit.undo": ("U",)}, recent=("a", "b"))
    save_preferences(wanted, tmp_path / "deep" / "preferences.json")
    assert load_preferences(tmp_path / "deep" / "preferences.json") == wanted
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["preferences.json"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.sampled_from(["language", "keys", "undo_steps", "recent", "x"]), c),
    )
)
def test_any_file_gives_preferences(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("config") / "p.json"
    path.write_text(json.dumps(found))
    assert isinstance(load_preferences(path), Preferences)


def test_one_unusable_entry_loses_only_itself(tmp_path: Path):
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"language": "klingon", "undo_steps": 50, "autosave_minutes": "often"}))
    assert load_preferences(path) == Preferences(undo_steps=50)


def test_a_value_that_cannot_be_is_refused_in_a_sentence():
    with pytest.raises(BadAsset, match="Autosave"):
        Preferences().replace(autosave_minutes=0.0)
    with pytest.raises(BadAsset, match="Navigation"):
        Preferences().replace(navigation="cinema")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="preferences"):
        save_preferences(Preferences(), tmp_path / "file" / "p.json")


def test_recent_paths_are_kept_newest_first_without_repeats():
    preferences = Preferences()
    for path in ("a", "b", "a", *map(str, range(20))):
        preferences = preferences.with_recent(path)
    assert len(preferences.recent) == 12 and preferences.recent[0] == "19"
