"""Commands of the File menu: scenes and projects in and out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.assets.missing import look_for, missing, relinked
from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.scene import project, project_lock
from studio.scene.geometry import Image
from studio.scene.insert import insert
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.assets.report import LoadReport

SCENES = (".glb", ".gltf", ".vrm", ".obj")
PROJECTS = (".studio",)
PICTURES = (".exr", ".hdr", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")

_SAVE, _DISCARD, _CANCEL = N_("Save"), N_("Discard"), N_("Cancel")
_OPEN_COPY, _OPEN_ANYWAY, _LOOK = N_("Open a copy"), N_("Open anyway"), N_("Look in a folder…")
_OPEN_WHOLE, _AS_VERSION, _OVERWRITE = N_("Open that state"), N_("Save as a version"), N_("Overwrite")


def may_leave(studio: Studio) -> bool:
    """Whether the open document may be left: it is saved, or the artist says so (saving it now, if asked to)."""
    if not studio.document.modified:
        return True
    answer = studio.face.ask(N_("The scene has changes that are not saved. Save them?"), (_SAVE, _DISCARD, _CANCEL))
    if answer == _SAVE:
        save(studio)
        return not studio.document.modified
    return answer == _DISCARD


@command("file.new", N_("New scene"), menu="File", keys="Ctrl+N", icon="new", recorded=False)
def new(studio: Studio) -> None:
    """Start with an empty scene."""
    if may_leave(studio):
        studio.show_scene(Scene(), None)


# --- opening ---------------------------------------------------------------------------------------------------------
@command("file.open", N_("Open…"), menu="File", keys="Ctrl+O", icon="open")
def open_(studio: Studio, *, path: str = "") -> None:
    """Open a project, or a scene file as a new project. The open scene stays until the new one has been read."""
    where = Path(path) if path else studio.face.ask_open(N_("Open"), (*PROJECTS, *SCENES))
    if where is None or not may_leave(studio):
        return
    if where.suffix.lower() in PROJECTS or project.is_project(where):
        _open_project(studio, where)
        return

    def show(scene: Scene, report: LoadReport) -> None:
        studio.show_scene(scene, None)
        _remember(studio, where)
        studio.face.report(where.name, report)

    studio.face.load(where, show)


def _remember(studio: Studio, where: Path) -> None:
    studio.prefer(recent=studio.preferences.with_recent(str(where.resolve())).recent)


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """What opening a project found: how its file stood, its scene, or why it cannot be had and what can instead."""

    on_disk: str
    scene: Scene | None = None
    fault: str = ""
    missing: tuple[str, ...] = ()
    rescue: tuple[project.State, Scene] | None = None


def _read_project(where: Path) -> _Read:
    """Read a project, or a scene file of one. Runs on a thread."""
    on_disk = project.fingerprint(where) if where.is_dir() else ""
    try:
        return _Read(on_disk, project.load_project(where))
    except BadAsset as fault:
        told = str(fault)
    if not where.is_dir() or project.is_newer(where):
        return _Read(on_disk, fault=told)
    try:
        missing = project.missing_files(where)
    except BadAsset:
        missing = ()
    return _Read(on_disk, fault=told, missing=missing, rescue=project.newest_whole(where))


def _open_project(studio: Studio, where: Path) -> None:
    """Open a project; ask first when somebody else has it open, and when it is not whole."""
    how = _OPEN_ANYWAY
    other = project_lock.holder(where) if studio.lock is None or studio.lock.file.parent != where.absolute() else None
    if other is not None:
        how = studio.face.ask(
            N_(
                "{name} is open in another studio: {user} on {host}, since {time}. If both save, one of you will be "
                "asked what to keep."
            ),
            (_OPEN_COPY, _OPEN_ANYWAY, _CANCEL),
            name=where.name,
            user=other.user or "?",
            host=other.host,
            time=time.strftime("%Y-%m-%d %H:%M", time.localtime(other.since)),
        )
        if how not in (_OPEN_COPY, _OPEN_ANYWAY):
            return

    def show(found: _Read) -> None:
        if found.scene is None:
            _offer_rescue(studio, where, found)
            return
        own = where if where.is_dir() and how == _OPEN_ANYWAY else None
        studio.show_scene(found.scene, own)
        if own is not None:
            studio.hold(own, force=other is not None, on_disk=found.on_disk)
        elif how == _OPEN_COPY:
            studio.face.notify(N_("This is a copy of {name}; saving asks for a place of its own."), name=where.name)
        _remember(studio, where)

    studio.face.work(lambda: _read_project(where), show, doing=where.name)


def _offer_rescue(studio: Studio, where: Path, found: _Read) -> None:
    """A project is not whole: tell why, and offer what can be done."""
    choices = [_LOOK] if found.missing else []
    if found.rescue is None and not found.missing:
        raise BadAsset(found.fault)
    if found.rescue is None:
        answer = studio.face.ask(N_("{fault}"), (*choices, _CANCEL), fault=found.fault)
    else:
        state = found.rescue[0]
        answer = studio.face.ask(
            N_("{fault} The newest whole state is {name}, written {time}."),
            (_OPEN_WHOLE, *choices, _CANCEL),
            fault=found.fault,
            name=f"{state.path.parent.name}/{state.path.name}",
            time=time.strftime("%Y-%m-%d %H:%M", time.localtime(state.written)),
        )
    if answer == _LOOK:
        folder = studio.face.ask_open(N_("Folder to look in"), ())
        if folder is not None:
            studio.face.work(
                lambda: project.relink(where, [folder]), lambda left: _relinked(studio, where, left), doing=folder.name
            )
    elif answer == _OPEN_WHOLE and found.rescue is not None:
        if (where / project.SCENE).is_file():
            project.set_aside(where)
        studio.show_scene(Scene(), where)
        with studio.document.edit(N_("Recover")) as edit:
            edit.scene = found.rescue[1]
        _remember(studio, where)
    else:
        studio.face.notify(found.fault, kind="error")


def _relinked(studio: Studio, where: Path, left: tuple[str, ...]) -> None:
    if left:
        studio.face.notify(N_("{count} files of the project are still missing."), kind="warning", count=len(left))
    _open_project(studio, where)


@command("file.import", N_("Import…"), menu="File", group=1, keys="Ctrl+I", icon="import")
def import_(studio: Studio, *, path: str = "") -> None:
    """Bring a scene file into the open scene, in a group of its own."""
    where = Path(path) if path else studio.face.ask_open(N_("Import"), SCENES)
    if where is None:
        return
    if where.suffix.lower() in PICTURES:
        import_picture(studio, where)
        return

    def add(scene: Scene, report: LoadReport) -> None:
        with studio.document.edit(N_("Import")) as edit:
            edit.selection = edit.apply(insert, scene, name=where.stem or "import")
        studio.face.report(where.name, report)

    studio.face.load(where, add)


def import_picture(studio: Studio, path: Path) -> None:
    """Bring a picture in: as the image of the selected domes and area lights, or of a new dome light."""
    from studio.assets.images import read_image
    from studio.scene.lights import Light

    def show(image: Image) -> None:
        chosen = [studio.scene.entities.get(id_) for id_ in studio.selection]
        lights = [e.id for e in chosen if isinstance(e, Light) and e.light in ("dome", "rectangle", "disk")]
        with studio.document.edit(N_("Import picture")) as edit:
            edit.scene = edit.scene.add(image)
            if lights:
                edit.replace(lights, image=image.key)
            else:
                id_ = edit.scene.free_id("dome")
                dome = Light(id=id_, name=path.stem, light="dome", intensity=1.0, unit="nt", image=image.key)
                edit.scene = edit.scene.add(dome)
                edit.selection = (id_,)

    studio.face.work(lambda: read_image(path), show, doing=path.name)


# --- saving ----------------------------------------------------------------------------------------------------------
@command("file.save", N_("Save"), menu="File", group=2, keys="Ctrl+S", icon="save")
def save(studio: Studio) -> None:
    """Save the project; a scene without one asks where. What somebody else saved meanwhile is never overwritten
    without asking."""
    if studio.path is None:
        save_as(studio)
        return
    if _may_overwrite(studio, studio.path):
        project.save_project(studio.scene, studio.path)
        _saved(studio, studio.path)


def _may_overwrite(studio: Studio, where: Path) -> bool:
    """Whether the project on disk may be replaced: it is as it was when it was opened or saved here, or the artist
    says so. What is replaced then is kept as a version."""
    now = project.fingerprint(where)
    if now in ("", studio.on_disk):
        return True
    answer = studio.face.ask(
        N_("{name} was saved by somebody else since you opened it. Overwriting keeps what they saved as a version."),
        (_AS_VERSION, _OVERWRITE, _CANCEL),
        name=where.name,
    )
    if answer == _OVERWRITE:
        kept = project.copy_version(where)
        studio.face.notify(N_("Version kept: {name}"), name=kept.name)
        return True
    if answer == _AS_VERSION:
        kept = project.keep_version(studio.scene, where)
        studio.document.mark_saved()
        studio.face.notify(N_("Your work is kept as {name}; the project is as the other one saved it."), name=kept.name)
        studio.tell("saved")
    return False


@command("file.save_as", N_("Save as…"), menu="File", group=2, keys="Ctrl+Shift+S")
def save_as(studio: Studio, *, path: str = "") -> None:
    """Save the scene as another project, which is then the open one."""
    suggestion = str(studio.path or f"{studio.scene.name or 'scene'}.studio")
    where = Path(path) if path else studio.face.ask_save(N_("Save as"), suggestion, PROJECTS)
    if where is None:
        return
    if where.suffix.lower() != ".studio":
        where = where.with_name(where.name + ".studio")
    if where.exists() and not (where / project.SCENE).is_file() and (where.is_file() or any(where.iterdir())):
        raise UsageError(f"{where.name} is there already and is no project; choose another name")
    if where == studio.path:
        save(studio)
        return
    other = project_lock.holder(where)
    if other is not None:
        question = N_("{name} is open in another studio: {user} on {host}. Save over it?")
        named = {"name": where.name, "user": other.user or "?", "host": other.host}
        if studio.face.ask(question, (_OVERWRITE, _CANCEL), **named) != _OVERWRITE:
            return
        project.copy_version(where)
    project.save_project(studio.scene, where)
    from studio.commands.takes import carry_takes  # here: topics of commands stand in the order of menus

    before = studio.path
    _saved(studio, where)
    carry_takes(studio, before, where)


@command(
    "file.save_version", N_("Save version"), menu="File", group=2, keys="Ctrl+Alt+S", when=lambda s: s.path is not None
)
def save_version(studio: Studio) -> None:
    """Save the project and keep a numbered copy of this state beside it."""
    if studio.path is None:
        raise UsageError("save the scene as a project first")
    if _may_overwrite(studio, studio.path):
        kept = project.save_version(studio.scene, studio.path)
        _saved(studio, studio.path)
        studio.face.notify(N_("Version kept: {name}"), name=kept.name)


def _saved(studio: Studio, where: Path) -> None:
    studio.hold(where)
    studio.document.mark_saved()
    _remember(studio, where)
    studio.tell("path", "saved")


@command("file.open_version", N_("Open version…"), menu="File", group=2, when=lambda s: s.path is not None)
def open_version(studio: Studio, *, name: str = "") -> None:
    """Go back to a version of the project; the step can be undone."""
    if studio.path is None:
        raise UsageError("the scene has no project yet, hence no versions")
    known = {file.name: file for file in project.versions(studio.path)}
    if not known:
        raise UsageError("this project has no versions yet; Save version makes one")
    chosen = name or studio.face.ask(N_("Which version?"), tuple(reversed(known)))
    if not chosen:
        return
    if chosen not in known:
        raise UsageError(f"there is no version {chosen!r}; there are {', '.join(known)}")
    open_state(studio, known[chosen])


def open_state(studio: Studio, path: Path) -> None:
    """Go back to a version or backup of the open project; the step can be undone."""

    def show(scene: Scene) -> None:
        with studio.document.edit(N_("Open version")) as edit:
            edit.scene = scene

    studio.face.work(lambda: project.load_project(path), show, doing=path.name)


@command("file.export", N_("Export…"), menu="File", group=3, icon="export")
def export(studio: Studio, *, path: str = "") -> None:
    """Write the scene as .glb or .gltf."""
    from studio.assets.gltf.writer import save_gltf

    suggestion = f"{studio.scene.name or 'scene'}.glb"
    where = Path(path) if path else studio.face.ask_save(N_("Export"), suggestion, (".glb", ".gltf"))
    if where is None:
        return
    report = save_gltf(studio.scene, where)
    studio.face.report(where.name, report)


# --- files that belong to a scene ------------------------------------------------------------------------------------
@command("file.collect", N_("Collect files"), menu="File", group=3, when=lambda s: s.path is not None)
def collect(studio: Studio) -> None:
    """Copy the files that images and sound came from into the project, so that it can go to another machine."""
    where, scene = studio.path, studio.scene
    if where is None:
        raise UsageError("save the scene as a project first")

    def show(collected: Scene) -> None:
        if studio.scene is not scene:
            studio.face.notify(N_("The scene changed while files were collected; collect them again."), kind="warning")
        elif collected is scene:
            studio.face.notify(N_("Everything lies in the project already."))
        else:
            with studio.document.edit(N_("Collect files")) as edit:
                edit.scene = collected
            studio.face.notify(N_("Files collected; save the project to keep it so."))

    studio.face.work(lambda: project.collect(scene, where), show, doing=where.name)


@command("file.relink", N_("Look for missing files…"), menu="File", group=3)
def relink(studio: Studio, *, folder: str = "") -> None:
    """Look in a folder, and below it, for images and sound that the scene names and that are gone: by name, then by
    what is in them."""
    where = Path(folder) if folder else studio.face.ask_open(N_("Folder to look in"), ())
    if where is None:
        return
    if not where.is_dir():
        raise BadAsset(f"{where} is no folder; choose the folder that holds the files.")
    scene = studio.scene

    def show(found: dict[str, str]) -> None:
        if found:
            with studio.document.edit(N_("Relink files")) as edit:
                edit.apply(relinked, found)
        left = len(missing(studio.scene))
        studio.face.notify(N_("{found} files found, {left} still missing."), found=len(found), left=left)

    studio.face.work(lambda: look_for(scene, [where]), show, doing=where.name)


@command("file.quit", N_("Quit"), menu="File", group=9, keys="Ctrl+Q", recorded=False)
def quit_(studio: Studio) -> None:
    """Leave the studio."""
    if may_leave(studio):
        studio.face.quit()
