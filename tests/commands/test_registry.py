"""Commands as a table: every one is whole, found, recorded and translatable."""

import inspect

import pytest

from studio.commands import registry
from studio.commands.registry import Call, command
from studio.commands.studio import Studio
from studio.errors import UsageError


def test_every_command_has_a_title_a_help_and_arguments_with_defaults():
    for entry in registry.load().values():
        assert entry.title and entry.help, entry.id
        _, *arguments = inspect.signature(entry.run).parameters.values()
        assert all(a.kind is a.KEYWORD_ONLY and a.default is not a.empty for a in arguments), entry.id


def test_an_id_cannot_be_taken_twice():
    registry.load()
    with pytest.raises(ValueError, match="id of its own"):
        command("edit.undo", "Again")(lambda studio: None)


def test_an_unknown_command_is_refused_with_the_nearest_ones():
    with pytest.raises(UsageError, match=r"edit\.undo"):
        Studio().run("edit.undoo")


def test_arguments_that_a_command_does_not_take_are_refused_before_anything_happens():
    studio = Studio()
    with pytest.raises(UsageError, match="takes kind, name, not colour"):
        studio.run("create.light", colour="red")
    assert not studio.scene.entities


def test_calls_become_lines_of_python_that_do_the_same_again():
    studio = Studio()
    studio.run("create.light", kind="spot")
    studio.run("edit.set", field="color", value=(1.0, 0.5, 0.25))
    lines = [call.as_python() for call in studio.calls]
    again = Studio()
    exec("\n".join(lines), {"studio": again})
    assert again.scene.entities == studio.scene.entities
    assert "spot" in lines[0]


def test_a_call_that_no_line_can_repeat_becomes_a_comment():
    assert Call("edit.rename", {"name": "it's"}).as_python().startswith("# ")


def test_texts_for_translators_hold_titles_help_and_menus():
    texts = set(registry.texts())
    assert {"Undo", "File", "Light", "Take back the last step."} <= texts
