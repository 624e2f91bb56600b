"""Commands of the Camera menu: bookmarks, cuts, sensors and lenses by name, turntables and dollies.

A command acts on the camera in hand: the one selected last, else the one looked through, else the active one. Moves
leave ordinary keys, groups and paths behind, see `studio.scene.camera_moves`.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from studio.commands.registry import N_, command
from studio.commands.studio import Studio
from studio.errors import UsageError
from studio.scene import camera_moves, edits, lenses
from studio.scene.constraints import stand
from studio.scene.entities import Camera, Id
from studio.scene.flat_camera import active_camera
from studio.scene.scene import Scene
from studio.scene.timeline import Bookmark, Cut, with_cut, without_cut
from studio.scene.transforms import look_at
from studio.viewport.framing import bounds_of

_FRAMES = 120  # of a move in a scene that has one frame only


def cameras_of(studio: Studio) -> list[Id]:
    """The cameras of the scene, in the order of the outliner."""
    return [id_ for id_, e in studio.scene.entities.items() if isinstance(e, Camera)]


def has_camera(studio: Studio) -> bool:
    """The condition of commands that need a camera."""
    return any(isinstance(e, Camera) for e in studio.scene.entities.values())


def has_bookmark(studio: Studio) -> bool:
    """The condition of commands that need a bookmark."""
    return bool(studio.scene.timeline.bookmarks)


def _through(studio: Studio) -> Id:
    viewer = studio.face.viewport()
    return viewer.tools.through if viewer is not None else ""


def in_hand(studio: Studio, named: Id = "") -> Id:
    """The camera that a command acts on; `UsageError` when there is none."""
    entities = studio.scene.entities
    active = active_camera(studio.scene, studio.frame)
    for id_ in (named, *reversed(studio.selection), _through(studio), active):
        if isinstance(entities.get(id_), Camera):
            return id_
    raise UsageError("select a camera, or make one active")


def _chosen(studio: Studio) -> tuple[Id, ...]:
    """The selected cameras, else the one in hand."""
    entities = studio.scene.entities
    found = tuple(id_ for id_ in studio.selection if isinstance(entities.get(id_), Camera))
    return found or (in_hand(studio),)


def move_range(studio: Studio, frames: int = 0) -> tuple[float, float]:
    """First and last frame of a new move: from the current frame so many on, else the preview range or the scene's,
    else, in a scene of one frame, five seconds or so from there."""
    scene = studio.scene
    if frames > 0:
        return studio.frame, studio.frame + frames - 1
    first, last = scene.timeline.preview or (scene.frame_start, scene.frame_end)
    return (first, last) if last > first else (first, first + _FRAMES - 1)


def _lengthened(scene: Scene, last: float) -> Scene:
    """A scene that was of one frame lasts as long as what was put into it."""
    return replace(scene, frame_end=last) if scene.frame_end <= scene.frame_start < last else scene


# --- bookmarks -------------------------------------------------------------------------------------------------------
@command("cameras.bookmark", N_("Bookmark this view…"), menu="Camera/Bookmarks")
def bookmark(studio: Studio, *, name: str = "") -> None:
    """Keep where the view is seen from, with its lens and focus, under a name."""
    taken = {b.name for b in studio.scene.timeline.bookmarks}
    free = next(n for i in range(1, len(taken) + 2) if (n := f"view {i}") not in taken)
    wanted = name or studio.face.ask_text(N_("Name"), free)
    if not wanted:
        return
    viewer, through = studio.face.viewport(), _through(studio)
    if viewer is None or isinstance(studio.scene.entities.get(through), Camera):
        mark = camera_moves.bookmark_of(studio.posed, in_hand(studio, through), wanted)
    else:
        view = viewer.camera
        lens = 50.0 if view.orthographic else max(18.0 / view.half_width, 0.1)
        mark = camera_moves.bookmark(wanted, np.asarray(view.world, np.float64), lens, max(view.pivot_m, 1e-4))
    studio.edit(N_("Bookmark"), camera_moves.with_bookmark, mark)


def _named(studio: Studio, name: str, question: str) -> Bookmark | None:
    wanted = name or studio.face.ask(question, [b.name for b in studio.scene.timeline.bookmarks])
    return camera_moves.find_bookmark(studio.scene, wanted) if wanted else None


@command("cameras.recall", N_("Go to bookmark…"), menu="Camera/Bookmarks", when=has_bookmark)
def recall(studio: Studio, *, name: str = "", camera: Id = "") -> None:
    """Look from a bookmark: the selected camera goes there, or the one looked through, else the view alone."""
    mark = _named(studio, name, N_("Go to bookmark"))
    if mark is None:
        return
    entities, viewer = studio.scene.entities, studio.face.viewport()
    candidates = (camera, *reversed(studio.selection), _through(studio))
    moved = next((i for i in candidates if isinstance(entities.get(i), Camera)), "")
    if moved or viewer is None:
        studio.edit(N_("Go to bookmark"), camera_moves.recalled, moved or in_hand(studio), mark)
        return
    tools = viewer.tools
    tools.look_through("")
    tools.standpoint.begin()
    tools.standpoint.move(
        replace(
            viewer.camera,
            world=camera_moves.world_of(mark),
            orthographic=False,
            half_width=18.0 / mark.focal_length_mm,
            fit="horizontal",
            shift=(0.0, 0.0),
            pivot_m=mark.focus_distance_m,
        )
    )


@command("cameras.rename_bookmark", N_("Rename bookmark…"), menu="Camera/Bookmarks", when=has_bookmark)
def rename_bookmark(studio: Studio, *, name: str = "", to: str = "") -> None:
    """Give a bookmark another name."""
    mark = _named(studio, name, N_("Rename bookmark"))
    new = (to or studio.face.ask_text(N_("Name"), mark.name)) if mark is not None else ""
    if mark is not None and new:
        studio.edit(N_("Rename bookmark"), camera_moves.renamed_bookmark, mark.name, new)


@command("cameras.remove_bookmark", N_("Delete bookmark…"), menu="Camera/Bookmarks", when=has_bookmark)
def remove_bookmark(studio: Studio, *, name: str = "") -> None:
    """Forget a bookmark; no camera moves."""
    mark = _named(studio, name, N_("Delete bookmark"))
    if mark is not None:
        studio.edit(N_("Delete bookmark"), camera_moves.without_bookmark, mark.name)


# --- cuts ------------------------------------------------------------------------------------------------------------
@command("cameras.cut", N_("Cut to camera here"), menu="Camera", group=1, when=has_camera)
def cut(studio: Studio, *, camera: Id = "") -> None:
    """From this frame on the picture is the selected camera's (or that of the one looked through)."""
    id_ = in_hand(studio, camera)

    def add(scene: Scene) -> Scene:
        return replace(scene, timeline=with_cut(scene.timeline, Cut(frame=studio.frame, camera=id_)))

    studio.edit(N_("Cut to camera"), add)


def _cut_here(studio: Studio) -> int:
    """The number of the cut in force, -1 before the first one."""
    return sum(c.frame <= studio.frame for c in studio.scene.timeline.cuts) - 1


@command("cameras.remove_cut", N_("Remove cut"), menu="Camera", group=1, when=lambda s: _cut_here(s) >= 0)
def remove_cut(studio: Studio) -> None:
    """Take away the cut that the current frame belongs to; the camera before it goes on."""
    number = _cut_here(studio)

    def remove(scene: Scene) -> Scene:
        return replace(scene, timeline=without_cut(scene.timeline, number))

    studio.edit(N_("Remove cut"), remove)


def _register_step(name: str, title: str, step: int, told: str) -> None:
    @command(f"cameras.{name}", title, menu="Camera", group=1, when=has_camera, help=told)
    def go(studio: Studio) -> None:
        cameras = cameras_of(studio)
        now = _through(studio) or next((i for i in studio.selection if i in cameras), "")
        now = now or active_camera(studio.scene, studio.frame)
        at = cameras.index(now) + step if now in cameras else 0
        chosen = cameras[at % len(cameras)]
        viewer = studio.face.viewport()
        if viewer is None:
            studio.select((chosen,))
        else:
            viewer.tools.look_through(chosen)


_register_step("next", N_("Next camera"), +1, N_("Look through the next camera of the scene."))
_register_step("previous", N_("Previous camera"), -1, N_("Look through the camera before this one."))


# --- sensors and lenses ----------------------------------------------------------------------------------------------
@command("cameras.sensor", N_("Choose sensor…"), menu="Camera", group=2, when=has_camera)
def sensor(studio: Studio, *, name: str = "", keep_view: bool = False) -> None:
    """Give the camera the sensor or film gate of a make.

    `keep_view` changes the lens so that it sees as much as before.
    """
    wanted = name or studio.face.ask(N_("Sensor"), [s.name for s in lenses.SENSORS])
    if wanted:
        chosen = lenses.sensor(wanted)
        studio.edit(N_("Choose sensor"), lenses.with_sensor, _chosen(studio), chosen, keep_view=keep_view)


@command("cameras.lens", N_("Choose lens…"), menu="Camera", group=2, when=has_camera)
def lens(studio: Studio, *, make: str = "", focal_mm: float = 0.0) -> None:
    """Put a lens of a real set of primes on the camera: its focal length, and its widest stop at most; its T-stop
    is taken as the f-stop, which it nearly is."""
    wanted = make or studio.face.ask(N_("Set of lenses"), [s.name for s in lenses.LENS_SETS])
    if not wanted:
        return
    chosen = lenses.lens_set(wanted)
    if not focal_mm > 0:
        shown = {f"{focal:g} mm  T{stop:g}": focal for focal, stop in chosen.stops.items()}
        focal_mm = shown.get(studio.face.ask(N_("Lens"), list(shown)), 0.0)
    if focal_mm > 0:
        studio.edit(N_("Choose lens"), lenses.with_lens, _chosen(studio), chosen, focal_mm)


# --- moves -----------------------------------------------------------------------------------------------------------
def _framing(low: NDArray[np.float64], high: NDArray[np.float64]) -> Camera:
    """A new camera in three-quarter view that holds a box."""
    centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 0.1)
    away = 1.15 * radius / np.sin(np.arctan(20.25 / 100.0))
    eye = centre + np.array([0.6, 0.35, 1.0]) / np.linalg.norm([0.6, 0.35, 1.0]) * away
    made = stand(Camera(), np.eye(3, 4), look_at(eye.tolist(), centre.tolist()))
    assert isinstance(made, Camera)
    x, y, z = made.translation
    return Camera(name="turntable camera", translation=(x, y, z), rotation=made.rotation, focus_distance_m=float(away))


@command("cameras.turntable", N_("Turntable"), menu="Camera/Move")
def turntable(studio: Studio, *, camera: Id = "", frames: int = 0, turns: float = 1.0) -> Id:
    """Carry the selected camera (or a new one) round what is selected, once in the range of frames; the last frame
    runs into the first."""
    entities = studio.scene.entities
    about = [i for i in studio.selection if i in entities and not isinstance(entities[i], Camera)]
    bounds = bounds_of(studio.flat, about or None)
    if bounds is None:
        raise UsageError("select what to turn about")
    first, last = move_range(studio, frames)
    chosen = camera or next((i for i in reversed(studio.selection) if isinstance(entities.get(i), Camera)), "")
    with studio.document.edit(N_("Turntable")) as edit:
        if not chosen:
            chosen = edit.scene.free_id("turntable_camera")
            edit.apply(Scene.add, msgspec.structs.replace(_framing(*bounds), id=chosen))
            if not edit.scene.camera:
                edit.apply(edits.set_camera, chosen)
        centre = (bounds[0] + bounds[1]) / 2
        group = edit.apply(camera_moves.turntable, chosen, centre, first, last, turns=turns)
        edit.apply(_lengthened, last)
        edit.selection = (group,)
    return str(group)


def _metres(studio: Studio, metres: float, question: str) -> float:
    if metres:
        return metres
    text = studio.face.ask_text(question, "1")
    try:
        found = float(text or 0.0)
    except ValueError:
        raise UsageError(f"{text!r} is no number of metres") from None
    if not np.isfinite(found):
        raise UsageError(f"{text!r} is no number of metres")
    return found


def _register_dolly(name: str, title: str, told: str, *, focus: bool, zoom: bool) -> None:
    @command(f"cameras.{name}", title, menu="Camera/Move", when=has_camera, help=told)
    def move(studio: Studio, *, metres: float = 0.0, camera: Id = "", frames: int = 0) -> None:
        id_ = in_hand(studio, camera)
        way = _metres(studio, metres, N_("Metres ahead (negative: back)"))
        if not way:
            return
        first, last = move_range(studio, frames)
        with studio.document.edit(title) as edit:
            edit.apply(camera_moves.dolly, id_, way, first, last, focus=focus, zoom=zoom)
            edit.apply(_lengthened, last)


_register_dolly(
    "dolly",
    N_("Dolly…"),
    N_("Move the camera along its line of sight, with keys at the first and last frame."),
    focus=False,
    zoom=False,
)
_register_dolly(
    "push_in",
    N_("Push in with focus…"),
    N_("Move the camera ahead while the focus stays on what it is on."),
    focus=True,
    zoom=False,
)
_register_dolly(
    "dolly_zoom",
    N_("Dolly zoom…"),
    N_("Move the camera while the lens keeps what is in focus as large as it is."),
    focus=True,
    zoom=True,
)


@command(
    "cameras.track",
    N_("Track between bookmarks…"),
    menu="Camera/Move",
    when=lambda s: has_camera(s) and len(s.scene.timeline.bookmarks) > 1,
)
def track(studio: Studio, *, start: str = "", end: str = "", camera: Id = "", frames: int = 0) -> Id:
    """Send the camera from one bookmark to another along a path, which can be bent afterwards."""
    id_ = in_hand(studio, camera)
    one = _named(studio, start, N_("From bookmark"))
    other = _named(studio, end, N_("To bookmark")) if one is not None else None
    if one is None or other is None:
        return ""
    first, last = move_range(studio, frames)
    with studio.document.edit(N_("Track between bookmarks")) as edit:
        path = edit.apply(camera_moves.track, id_, one, other, first, last)
        edit.apply(_lengthened, last)
    return str(path)
