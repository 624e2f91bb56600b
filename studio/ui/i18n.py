"""Words of the window in the language of whoever sits before it, switched while it is open.

The English text is the key, so the source reads as it is shown:

    label = QLabel(); say(label.setText, "Frames per second")      # follows the language from now on
    title = tr("{count} lights", count=7)                          # for now only
    rows = translated(model.relabel)                               # called again at each change

A catalogue is the folder `resources/i18n/LANGUAGE/` of flat objects of English to translation, one a part of the
studio. `sources()` lists every text there is (registry, fields, panels, and what the window's own source says), and a
test fails when a catalogue misses one. Qt's own dialogs are translated by the files that Qt brings along.
"""

from __future__ import annotations

import ast
import json
import weakref
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import MethodType

import msgspec
from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QObject, QTranslator
from shiboken6 import isValid

from studio.resources import resource

LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
_MARKERS = ("tr", "say", "N_")  # functions whose text arguments are shown

_language = "en"
_bound: list[Callable[[], bool]] = []  # each re-applies itself; False: what it spoke to is gone
_translator: QTranslator | None = None


def language() -> str:
    """The language that is shown now: a key of `LANGUAGES`."""
    return _language


def system_language() -> str:
    """The language of the system as far as there is a catalogue of it, else English."""
    for name in QLocale.system().uiLanguages():
        if name.replace("-", "_").startswith("zh"):
            return "zh_CN"
        if name.startswith("en"):
            return "en"
    return "en"


def set_language(wanted: str) -> None:
    """Show everything in a language ("" for the system's), what is on the screen included."""
    global _language
    new = wanted if wanted in LANGUAGES else system_language()
    if new == _language:
        return
    _language = new
    _install_qt(new)
    refresh()


def refresh() -> None:
    """Say everything again."""
    _bound[:] = [bound for bound in tuple(_bound) if bound()]


def _install_qt(name: str) -> None:
    """Qt's own words, and the LanguageChange event that its widgets listen to."""
    global _translator
    app = QCoreApplication.instance()
    if app is None:
        return
    if _translator is not None:
        app.removeTranslator(_translator)
        _translator = None
    made = QTranslator(app)
    if made.load(f"qtbase_{name}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        app.installTranslator(made)
        _translator = made


@cache
def catalogue(name: str) -> dict[str, str]:
    """English to a language; empty for English."""
    found: dict[str, str] = {}
    folder = resource("i18n", name)
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        found |= json.loads(file.read_text(encoding="utf-8"))
    return found


def tr(text: str, **values: object) -> str:
    """A text in the present language, with `{name}` replaced by the values."""
    found = catalogue(_language).get(text, text)
    return found.format(**values) if values else found


def say(setter: Callable[[str], object], text: str, **values: object) -> None:
    """Give a translated text to a setter now and after each change of the language, as long as its owner lives."""
    setter(tr(text, **values))
    _bind(setter, lambda call: call(tr(text, **values)))


def translated(update: Callable[[], object]) -> None:
    """Call a method now and after each change of the language, as long as its object lives."""
    update()
    _bind(update, lambda call: call())


def _bind(method: Callable[..., object], apply: Callable[[Callable[..., object]], object]) -> None:
    owner = getattr(method, "__self__", None)
    if owner is None:
        _bound.append(lambda: bool((apply(method), True)[1]))
        return
    reference = weakref.ref(owner)
    name = method.__name__
    own = isinstance(method, MethodType)
    function = method.__func__ if isinstance(method, MethodType) else None

    def again() -> bool:
        alive = reference()
        if alive is None or (isinstance(alive, QObject) and not isValid(alive)):
            return False
        apply(MethodType(function, alive) if own and function is not None else getattr(alive, name))
        return True

    _bound.append(again)


# --- what there is to translate --------------------------------------------------------------------------------------
def sources() -> dict[str, str]:
    """Every text that is shown, with where it comes from."""
    from studio.commands import registry
    from studio.scene.schema import fields
    from studio.ui import commands, panel

    del commands  # importing registers
    panel.load()
    out: dict[str, str] = dict.fromkeys(registry.texts(), "commands")
    out |= {entry.place: "commands" for entry in registry.load().values() if entry.place}
    for kind in _kinds():
        for field in fields(kind).values():
            out.setdefault(field.label, kind.__name__)
            if field.spec.help:
                out.setdefault(field.spec.help, kind.__name__)
            if field.name != "language":  # each in its own
                out |= {choice.replace("_", " ").capitalize(): kind.__name__ for choice in field.spec.choices}
    out |= {entry.title: "panels" for entry in panel.panels().values()}
    for file in sorted(Path(__file__).parents[1].glob("**/*.py")):
        for text in _spoken(file):
            out.setdefault(text, str(file.name))
    return out


def _kinds() -> Iterator[type[msgspec.Struct]]:
    """Every kind of record that a person edits by its fields."""
    from studio.commands.preferences import Preferences
    from studio.scene.materials import Material
    from studio.scene.schema import kinds

    found: list[type[msgspec.Struct]] = [*kinds().values(), Material, Preferences]
    yield from found


def _spoken(file: Path) -> Iterator[str]:
    """Texts given to `tr`, `say` and `N_` in a source file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MARKERS:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value
