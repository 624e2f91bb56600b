"""Commands of the File menu: scenes and projects in and out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import BadAsset, UsageError
from studio.scene import project
from studio.scene.insert import insert
from studio.scene.scene import Scene

if TYPE_CHECKING:
    from studio.assets.report import LoadReport

SCENES = (".glb", ".gltf", ".vrm", ".obj")
PROJECTS = (".studio",)
PICTURES = (".exr", ".hdr", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")

_SAVE, _DISCARD, _CANCEL = N_("Save"), N_("Discard"), N_("Cancel")


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


@command("file.open", N_("Open…"), menu="File", keys="Ctrl+O", icon="open")
def open_(studio: Studio, *, path: str = "") -> None:
    """Open a project, or a scene file as a new project. The open scene stays until the new one has been read."""
    where = Path(path) if path else studio.face.ask_open(N_("Open"), (*PROJECTS, *SCENES))
    if where is None or not may_leave(studio):
        return

    def show(scene: Scene, report: LoadReport) -> None:
        studio.show_scene(scene, where if project.is_project(where) else None)
        studio.prefer(recent=studio.preferences.with_recent(str(where.resolve())).recent)
        if not project.is_project(where):
            studio.face.report(where.name, report)

    studio.face.load(where, show)


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

    image = read_image(path)
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


@command("file.save", N_("Save"), menu="File", group=2, keys="Ctrl+S", icon="save")
def save(studio: Studio) -> None:
    """Save the project; a scene without one asks where."""
    if studio.path is None:
        save_as(studio)
        return
    project.save_project(studio.scene, studio.path)
    _saved(studio, studio.path)


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
    project.save_project(studio.scene, where)
    _saved(studio, where)


@command(
    "file.save_version", N_("Save version"), menu="File", group=2, keys="Ctrl+Alt+S", when=lambda s: s.path is not None
)
def save_version(studio: Studio) -> None:
    """Save the project and keep a numbered copy of this state beside it."""
    if studio.path is None:
        raise UsageError("save the scene as a project first")
    kept = project.save_version(studio.scene, studio.path)
    _saved(studio, studio.path)
    studio.face.notify(N_("Version kept: {name}").format(name=kept.name))


def _saved(studio: Studio, where: Path) -> None:
    studio.path = where
    studio.document.mark_saved()
    studio.prefer(recent=studio.preferences.with_recent(str(where.resolve())).recent)
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
    scene = project.load_project(known[chosen])
    with studio.document.edit(N_("Open version")) as edit:
        edit.scene = scene


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


@command("file.collect", N_("Collect files"), menu="File", group=3, when=lambda s: s.path is not None)
def collect(studio: Studio) -> None:
    """Copy the files that images came from into the project."""
    if studio.path is None:
        raise UsageError("save the scene as a project first")
    scene = project.collect(studio.scene, studio.path)
    with studio.document.edit(N_("Collect files")) as edit:
        edit.scene = scene


@command("file.relink", N_("Look for missing images…"), menu="File", group=3)
def relink(studio: Studio, *, folder: str = "") -> None:
    """Look in a folder for images that the scene names and that are gone."""
    where = Path(folder) if folder else studio.face.ask_open(N_("Folder to look in"), ())
    if where is None:
        return
    if not where.is_dir():
        raise BadAsset(f"{where} is no folder; choose the folder that holds the images.")
    with studio.document.edit(N_("Relink images")) as edit:
        edit.apply(project.relink_images, [where])


@command("file.quit", N_("Quit"), menu="File", group=9, keys="Ctrl+Q", recorded=False)
def quit_(studio: Studio) -> None:
    """Leave the studio."""
    if may_leave(studio):
        studio.face.quit()
