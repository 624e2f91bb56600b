"""Paths, motion paths, ghosts and lines of constraints over the picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as File

import numpy as np
import pytest

from studio.scene.animation import make_curve
from studio.scene.entities import Camera, Constraint, Group, MeshObject, Path
from studio.scene.flatten import flatten
from studio.scene.paths import circle_points
from studio.scene.scene import Scene
from studio.viewport.contours import contour
from studio.viewport.device import Device
from studio.viewport.framing import bounds_of
from studio.viewport.overlay_motion import (
    AFTER,
    BEFORE,
    KEY,
    NOW,
    PATH,
    RULE,
    MotionCache,
    MotionCaches,
    ghost_frames,
    motion_drawing,
)
from studio.viewport.overlays import ACTIVE
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.toolset import ViewportTools
from studio.viewport.view import Overlays
from tests.viewport.stages import RAW, ball, drawn, lamp, matte, sheet
from tests.viewport.test_goldens import FOLDER, WRITE
from tests.viewport.viewers import FakeViewer, camera_at

EYE = camera_at((0.0, 3.0, 9.0))


def scene(**tracks: object) -> Scene:
    """A ball that goes from -2 to 2 along x over frames 1 to 21, a path, and a camera that looks at the ball."""
    round_ = ball(0.5, rows=12, columns=24)
    made = {"m.translation": make_curve([1.0, 11.0, 21.0], [[-2.0, 0, 0], [0.0, 1.0, 0], [2.0, 0, 0]])}
    return Scene(frame_end=21.0, tracks={**made, **tracks}).add(  # type: ignore[arg-type]
        round_,
        matte(),
        MeshObject(id="m", mesh=round_.key, materials=("grey",)),
        Path(id="p", points=circle_points(8, 3.0), closed=True, translation=(0.0, -0.5, 0.0)),
        Camera(id="c", translation=(0.0, 2.0, 4.0)),
        Constraint(id="r", parent="c", constraint="look_at", target="m"),
    )


def rows_of(made: Scene, frame: float = 6.0, **more: object) -> object:
    flat = flatten(made, frame)
    values = {"selection": ("m",), "hovered": "", "size": (400, 300), "ratio": 1.0, "paths": False,
              "motion_paths": False, "ghosts": None, **more}  # fmt: skip
    return motion_drawing(made, flat, EYE, MotionCaches(), **values).lines  # type: ignore[arg-type]


def coloured(rows: object, colour: tuple[float, float, float]) -> object:
    return rows[np.isclose(rows["rgba"][:, :3], colour).all(axis=1)]  # type: ignore[index]


def test_a_motion_path_goes_through_the_places_of_every_frame():
    rows = rows_of(scene(), motion_paths=True)
    assert len(coloured(rows, KEY)) == 3 and len(coloured(rows, NOW)) == 1
    assert coloured(rows, NOW)["a"][0] == pytest.approx((-1.0, 0.5, 0.0))
    before, after = coloured(rows, BEFORE), coloured(rows, AFTER)
    assert (before["a"][:, 0] <= -1.0 + 1e-9).all() and (after["b"][:, 0] >= -1.0 - 1e-9).all()
    segments = np.concatenate([before, after])
    segments = segments[np.linalg.norm(segments["a"] - segments["b"], axis=1) > 1e-6]
    assert len(segments) == 20


def test_what_stands_still_has_no_motion_path():
    rows = rows_of(scene(), motion_paths=True, selection=("p",))
    assert not len(rows)


def test_a_motion_path_is_of_the_preview_range_where_there_is_one():
    made = scene()
    made = replace(made, timeline=type(made.timeline)(preview=(5.0, 9.0)))
    rows = rows_of(made, motion_paths=True)
    assert len(coloured(rows, KEY)) == 0
    assert np.concatenate([rows["a"], rows["b"]])[:, 0].min() == pytest.approx(-1.2)


def test_ghosts_are_contours_before_and_after():
    rows = rows_of(scene(), ghosts=(2, 3.0))
    before, after = coloured(rows, BEFORE), coloured(rows, AFTER)
    assert len(before) and len(after)
    x = {round(float(v), 3) for v in (3.0, 9.0)}
    assert x and before["a"][:, 0].min() == pytest.approx(-2.0 - 0.5, abs=0.05), "frame 0 holds the first key"
    assert after["a"][:, 0].max() == pytest.approx(0.2 + 0.5, abs=0.05)
    assert len(np.unique(np.round(before["rgba"][:, 3], 4))) == 2, "fainter the farther away"


def test_what_does_not_move_and_what_is_skinned_has_no_ghosts():
    made = scene()
    assert not len(rows_of(made, ghosts=(2, 3.0), selection=("p",)))
    assert not len(rows_of(made.replace("m", skin="s"), ghosts=(2, 3.0)))


def test_ghosts_of_a_group_are_of_what_hangs_below_it():
    made = scene().add(Group(id="g")).replace("m", parent="g")
    assert len(rows_of(made, ghosts=(1, 3.0), selection=("g",)))


def test_a_camera_that_a_constraint_turns_has_ghosts():
    assert len(rows_of(scene(), ghosts=(1, 4.0), selection=("c",)))


def test_ghost_frames_lie_around_the_present_one():
    assert ghost_frames(10.0, 2, 3.0).tolist() == [4.0, 7.0, 13.0, 16.0]
    assert len(ghost_frames(10.0, 0, 3.0)) == 0 and len(ghost_frames(1.0, 10_000, 1.0)) == 64


def test_the_contour_of_a_ball_is_a_ring_around_what_is_seen_of_it():
    flat = flatten(scene(), 1.0)
    world = np.eye(3, 4)
    a, b = contour(flat.meshes[0], world, np.array([0.0, 0.0, 10.0]))
    ends = np.concatenate([a, b])
    assert np.linalg.norm(ends[:, :2], axis=1).min() > 0.42 and np.abs(ends[:, 2]).max() < 0.15
    along, _ = contour(flat.meshes[0], world, np.zeros(3), forward=np.array([0.0, -1.0, 0.0]))
    assert np.abs(along[:, 1]).max() < 0.15


def test_an_open_sheet_ends_at_its_border():
    sheeted = Scene().add(sheet(), MeshObject(id="s", mesh=sheet().key))
    a, _ = contour(flatten(sheeted, 1.0).meshes[0], np.eye(3, 4), np.array([0.0, 0.0, 5.0]))
    assert len(a) == 4


def test_paths_and_constraints_are_lines_of_their_own_colours():
    rows = rows_of(scene(), paths=True, selection=())
    curve, rule = coloured(rows, PATH), coloured(rows, RULE)
    assert np.linalg.norm(curve["a"][:, [0, 2]], axis=1) == pytest.approx(np.full(len(curve), 3.0), abs=0.05)
    assert len(rule) == 1 and rule["b"][0] == pytest.approx((-1.0, 0.5, 0.0)) and rule["dash"][0] > 0
    assert len(coloured(rows_of(scene(), paths=True, selection=("p",)), ACTIVE)) == len(curve)
    assert not len(rows_of(scene().replace("r", visible=False).replace("p", visible=False), paths=True, selection=()))


def test_motion_is_worked_out_again_only_when_what_moves_it_changed():
    cache, made = MotionCache(), scene()
    first = cache.path(made, ("m",))
    assert cache.path(made.replace("p", translation=(5.0, 0.0, 0.0)), ("m",)) is first
    assert cache.path(made.replace("m", scale=(2.0, 2.0, 2.0)), ("m",)) is not first
    assert cache.path(made, ("p",)) is None


def test_a_path_that_takes_long_waits_until_the_hand_is_done():
    cache, made = MotionCache(), scene()
    first = cache.path(made, ("m",))
    larger = made.replace("m", scale=(2.0, 2.0, 2.0))
    cache.held, cache._seconds = True, 1.0
    assert cache.path(larger, ("m",)) is first
    cache.held = False
    assert cache.path(larger, ("m",)) is not first


def test_a_path_is_framed_with_all_its_points():
    low, high = bounds_of(flatten(scene(), 1.0), ["p"])
    assert high - low == pytest.approx((6.0, 0.0, 6.0), abs=1e-9)


def test_switches_of_the_overlays_switch_it():
    viewer = FakeViewer(camera=EYE)
    viewer.document.load(scene())
    viewer.document.select(["m"])
    tools = ViewportTools(viewer, ToolSettings())  # type: ignore[arg-type]
    off = Overlays(paths=False, motion_paths=False, ghosts=False)
    counts = []
    for shown in (off, replace(off, paths=True), replace(off, motion_paths=True), replace(off, ghosts=True)):
        viewer.overlays = shown
        counts.append(len(tools.overlay().top[0].lines))
    assert counts[0] == 0 and min(counts[1:]) > 0


def picture(device: Device) -> np.ndarray:
    viewer = FakeViewer(camera=replace(EYE, half_width=0.42))
    floor, cube = sheet(8.0, 8.0), scene()
    flat = (-0.7071068, 0.0, 0.0, 0.7071068)
    lying = MeshObject(id="floor", mesh=floor.key, materials=("grey",), translation=(0.0, -0.6, 0.0), rotation=flat)
    made = cube.add(floor, lying, lamp("point", (1.0, 4.0, 3.0), 90.0))
    viewer.document.load(made)
    viewer.document.frame = 11.0
    viewer.document.select(["p", "m"])
    viewer.size, viewer.overlays = (480, 300), Overlays(ghosts=True, gizmo=False)
    tools = ViewportTools(viewer, ToolSettings(ghost_count=3, ghost_step=3.0))  # type: ignore[arg-type]
    out, _ = drawn(device, viewer.flat, RAW, size=viewer.size, camera=viewer.camera, overlay=tools.overlay())
    return out


def test_the_picture_of_motion_is_what_it_was(device: Device):
    from PIL import Image

    path: File = FOLDER / "motion.png"
    now = picture(device)
    if WRITE:
        Image.fromarray(now).save(path, optimize=True)
        pytest.skip(f"{path.name} was written; look at it")
    golden = np.asarray(Image.open(path).convert("RGB")).astype(np.int64)
    off = np.abs(now.astype(np.int64) - golden).max(axis=2)
    assert off.mean() < 1.0 and (off > 12).mean() < 0.02
