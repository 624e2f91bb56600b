"""What a bundle says of its scene: nothing of the machine that it comes from.

A project remembers where pictures and sound came from, so that they can be found again: in it, near it, or anywhere on
the artist's disk. Their bytes are in the project's assets, so nodes need none of that, and folders tell names of people
and clients. In a bundle a path is one below the project, or a file's name alone. How pictures are asked for and the
artist's notes stay at home as well. A scene whose text needs no change is sent as it lies.

What else names the artist's own folder, in words that the studio does not know to be a path, is told before anything is
sent, and is not sent.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from studio.errors import BadAsset
from studio.scene import schema
from studio.scene.project_paths import is_absolute
from studio.scene.scene import Scene
from studio.scene.scene_changes import SceneChanges
from studio.scene.scene_file import read_contents

OWN = ("export", "farm")  # of a scene's `extra`: how pictures are asked for
_DEEPEST = 60


def portable(text: bytes, *, where: str) -> bytes:
    """A scene's text for a bundle; the same bytes where there is nothing to change.

    Raises BadAsset for a text that cannot be read, or that names a folder of this machine's user elsewhere.
    """
    read_contents(text, where=where)
    document: dict[str, Any] = msgspec.json.decode(text)
    changed = _without_paths(document)
    found = named_homes(document)
    if found:
        raise BadAsset(f"{where}: {found[0]}")
    return msgspec.json.encode(document) if changed else text


def portable_changes(told: SceneChanges, *, where: str) -> SceneChanges:
    """What an edit changed, as `portable` has it, and with the same fault."""
    names = ("entities", "materials", "tracks")
    document: dict[str, Any] = {name: msgspec.json.decode(getattr(told, name)) for name in names}
    changed = _without_paths(document)
    found = named_homes(document)
    if found:
        raise BadAsset(f"{where}: {found[0]}")
    if not changed:
        return told
    return msgspec.structs.replace(told, materials=msgspec.json.encode(document["materials"]).decode())


def outside(scene: Scene, project: Path | None) -> list[str]:
    """The files outside of a project that a scene remembers, which are not sent."""
    audio = scene.timeline.audio
    paths = {*(image.path for image in scene.images.values()), *([audio.path] if audio is not None else [])}
    folder = project.parent if project is not None and project.is_file() else project
    home = str(folder.absolute()) if folder is not None else "\0"
    return sorted(path for path in paths if is_absolute(path) and not path.startswith((f"{home}/", f"{home}\\")))


def faults_of(scene: Scene) -> list[str]:
    """Where a scene names a folder of this machine's user, in words that are not known to be a path, as sentences."""
    extra = {
        name: msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
        for name, value in scene.extra.items()
    }
    document: dict[str, Any] = {
        "name": scene.name,
        "entities": [_plain(entity) for entity in scene.entities.values()],
        "materials": [_plain(material) for material in scene.materials.values()],
        "extra": extra,
    }
    _without_paths(document)
    return named_homes(document)


def _plain(record: msgspec.Struct) -> Any:
    """A record as its text has it; nothing of one that has no text, of which another check tells."""
    try:
        return msgspec.json.decode(schema.encode(record))
    except BadAsset:
        return {}


def bare(path: str) -> str:
    """A path below the project as it is, of any other the file's name alone."""
    if not path:
        return path
    plain = path.replace("\\", "/")
    parts = posixpath.normpath(plain).split("/")
    if is_absolute(path) or parts[0] in ("..", "~") or parts[0].startswith("~"):
        return plain.rstrip("/").rpartition("/")[2]
    return path


def _without_paths(document: dict[str, Any]) -> bool:
    """Take away what only the artist's machine needs; whether there was anything."""
    places: list[Any] = list(_records(document.get("images")))
    timeline = document.get("timeline")
    if isinstance(timeline, dict):
        places.append(timeline.get("audio"))
    for material in _records(document.get("materials")):
        textures = material.get("textures")
        places += textures.values() if isinstance(textures, dict) else []
    changed = False
    for place in places:
        if isinstance(place, dict) and isinstance(place.get("path"), str) and bare(place["path"]) != place["path"]:
            place["path"] = bare(place["path"])
            changed = True
    extra = document.get("extra")
    for name in OWN:
        if isinstance(extra, dict) and extra.pop(name, None) is not None:
            changed = True
    return document.pop("notes", None) is not None or changed


def _records(found: Any) -> list[dict[str, Any]]:
    return [record for record in found if isinstance(record, dict)] if isinstance(found, list) else []


# --- what is left ----------------------------------------------------------------------------------------------------
def named_homes(document: dict[str, Any], homes: Sequence[str] | None = None) -> list[str]:
    """Sentences about every text of a document that names a folder of this machine's user."""
    wanted = [home for home in ([str(Path.home())] if homes is None else homes) if len(home) > 1]
    return [
        f"{place} names {text[:120]!r}, a folder of yours that lies outside the project; take it out, or collect the "
        "project's files and name the copy"
        for place, text in _texts(document, "", 0)
        if any(_names(text, home) for home in wanted)
    ]


def _names(text: str, home: str) -> bool:
    plain, folder = text.replace("\\", "/"), home.replace("\\", "/")
    at = plain.find(folder)
    return at >= 0 and plain[at + len(folder) : at + len(folder) + 1] in ("", "/", '"', "'", " ", ":")


def _texts(value: Any, place: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every text of a document with the place where it stands."""
    if isinstance(value, str):
        yield place or "the scene", value
    elif isinstance(value, dict) and depth < _DEEPEST:
        for name, inner in value.items():
            yield f"a name in {place or 'the scene'}", name
            yield from _texts(inner, f"{place}.{name}" if place else name, depth + 1)
    elif isinstance(value, list) and depth < _DEEPEST:
        for number, inner in enumerate(value):
            named = inner.get("name") or inner.get("id") if isinstance(inner, dict) else ""
            yield from _texts(inner, f"{place} {named!r}" if named else f"{place}[{number}]", depth + 1)
