"""Commands: plain functions that say of themselves how they are called.

    @command("lights.mute", N_("Mute lights"), menu="Lights", keys="M", when=selected(Light))
    def mute_selected(studio: Studio, *, on: bool = True) -> None:
        studio.edit(N_("Mute lights"), edits.mute, studio.document.selection, on=on)

Menus, toolbars, shortcuts, the palette, scripts and tests all read this one table, so what one of them can do all
can. A module of commands registers when it is imported; `load()` imports the studio's own.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.commands.studio import Studio

Condition = Callable[["Studio"], bool]
F = TypeVar("F", bound=Callable[..., object])

_ID = re.compile(r"[a-z][a-z_]*(\.[a-z0-9][a-z0-9_]*)+")
_TOPICS = (
    "file",
    "edit",
    "select",
    "create",
    "lights",
    "light_files",
    "links",
    "rigs",
    "scatter",
    "audit",
    "cameras",
    "constraints",
    "materials",
    "library",
    "figures",
    "new_figure",
    "facekit",
    "expressions",
    "view",
    "export",
    "farm",
    "time",
    "time_keys",
    "keys",
    "time_marks",
    "time_strips",
    "mix",
    "motions",
    "capture",
    "takes",
)


def N_(text: str) -> str:  # noqa: N802  the name that gettext and its tools know
    """Mark a text for translation where it is written; it is translated where it is shown."""
    return text


def always(studio: Studio) -> bool:
    """The condition of commands that can be given at any time."""
    return True


def selected(*kinds: type[msgspec.Struct]) -> Condition:
    """A condition: something of one of these kinds is selected (of any kind, when none is named)."""

    def holds(studio: Studio) -> bool:
        scene = studio.document.scene
        return any(not kinds or isinstance(scene.get(id_), kinds) for id_ in studio.document.selection)

    holds.kinds = kinds  # type: ignore[attr-defined]  # so that an interface can say what is missing
    return holds


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that a person can ask for.

    `title` and `help` are English texts and translation keys. `menu` is the menu it stands in, with submenus after
    slashes ("" for none); commands of a menu stand in the order of their registration, a `group` number apart from
    the next. `keys` are default shortcuts like "Ctrl+Shift+S", which work in `place`: "" everywhere, else "viewport",
    "outliner", "render view", ... `checked` makes it a switch. `recorded` says whether "Copy as Python" repeats it.
    """

    id: str
    title: str
    run: Callable[..., object]
    menu: str = ""
    group: int = 0
    keys: tuple[str, ...] = ()
    place: str = ""
    when: Condition = always
    checked: Condition | None = None
    help: str = ""
    icon: str = ""
    recorded: bool = True


_COMMANDS: dict[str, Command] = {}


def command(
    id_: str,
    title: str,
    *,
    menu: str = "",
    group: int = 0,
    keys: str | tuple[str, ...] = (),
    place: str = "",
    when: Condition = always,
    checked: Condition | None = None,
    help: str = "",
    icon: str = "",
    recorded: bool = True,
) -> Callable[[F], F]:
    """Register a function of a `Studio` and keyword arguments with defaults as a command, see `Command`.

    Its docstring's first paragraph is the help, when none is given.
    """

    def register(function: F) -> F:
        if not _ID.fullmatch(id_) or id_ in _COMMANDS:
            raise ValueError(f"a command needs an id of its own like 'lights.mute', not {id_!r}")
        told = help or " ".join((function.__doc__ or "").split("\n\n")[0].split())
        chords = (keys,) if isinstance(keys, str) else tuple(keys)
        _COMMANDS[id_] = Command(id_, title, function, menu, group, chords, place, when, checked, told, icon, recorded)
        return function

    return register


def load() -> Mapping[str, Command]:
    """All commands by id, with the studio's own imported."""
    for topic in _TOPICS:
        importlib.import_module(f"studio.commands.{topic}")
    return _COMMANDS


def find(id_: str) -> Command:
    """The command of an id; `UsageError` naming the nearest ones when there is none."""
    found = load().get(id_)
    if found is None:
        import difflib

        near = ", ".join(difflib.get_close_matches(id_, _COMMANDS, n=3)) or "none is similar"
        raise UsageError(f"there is no command {id_!r} ({near})")
    return found


@dataclass(frozen=True, slots=True)
class Call:
    """A command as it was given, with its arguments."""

    id: str
    arguments: Mapping[str, Any]

    def as_python(self) -> str:
        """The line of a script that gives it again."""
        arguments = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        return f"studio.run({self.id!r}{arguments})".replace("'", '"') if _plain(self) else f"# {self.id}{arguments}"


def _plain(call: Call) -> bool:
    """Whether every argument's text is Python that makes it again, and quotes can be swapped safely."""

    def simple(value: Any) -> bool:
        if isinstance(value, str):
            return "'" not in value and '"' not in value and "\\" not in value
        if isinstance(value, (tuple, list)):
            return all(simple(item) for item in value)
        return value is None or isinstance(value, (bool, int, float))

    return all(simple(value) for value in call.arguments.values())


def texts() -> Iterator[str]:
    """Every text of the registry that is shown, for the translators' table."""
    for entry in load().values():
        yield entry.title
        if entry.help:
            yield entry.help
        yield from (part for part in entry.menu.split("/") if part)
