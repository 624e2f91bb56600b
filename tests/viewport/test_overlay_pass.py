"""Overlays as pixels: lines are as wide as asked and smooth, hidden parts dim, icons keep their size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import moderngl
import numpy as np
import pytest
from numpy.typing import NDArray

from studio.errors import Unsupported
from studio.scene.entities import Group
from studio.scene.lights import Light
from studio.viewport.camera import ViewCamera
from studio.viewport.device import Device
from studio.viewport.navigation import orthographic
from studio.viewport.overlay_pass import OverlayPass
from studio.viewport.overlay_records import (
    BEHIND,
    DIMMED,
    FRONT,
    HIDDEN,
    ICON,
    ROUND,
    SCREEN,
    Drawing,
    OverlayBatch,
    fan,
    lines,
)
from studio.viewport.overlays import GLYPHS
from studio.viewport.tools.settings import ToolSettings
from studio.viewport.tools.toolset import ViewportTools
from tests.viewport.viewers import FakeViewer, camera_at

SIZE = (200, 120)
WHITE = (1.0, 1.0, 1.0, 1.0)
Draw = Callable[..., NDArray[np.float64]]


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    try:
        device = Device.offscreen()
    except Unsupported as reason:
        pytest.skip(str(reason))
    yield device
    device.release()


@pytest.fixture(scope="module")
def draw(device: Device) -> Iterator[Draw]:
    """Draws a batch over black; `ahead` makes a wall at that distance over the left half of the picture."""
    layer = OverlayPass(device)
    context = device.context
    picture = context.texture(SIZE, 4)
    frame = context.framebuffer([picture])

    def drawn(batch: OverlayBatch, camera: ViewCamera, *, ahead: float | None = None, size: Any = SIZE) -> Any:
        frame.use()
        context.viewport = (0, 0, *SIZE)
        context.clear(0.0, 0.0, 0.0, 1.0)
        depth = None
        if ahead is not None:
            clip = camera.projection(*SIZE) @ (0.0, 0.0, -ahead, 1.0)
            values = np.ones((SIZE[1], SIZE[0]), np.float32)
            values[:, : SIZE[0] // 2] = clip[2] / clip[3] * 0.5 + 0.5
            depth = context.depth_texture(SIZE, values.tobytes())
        layer.draw(batch, frame, depth, camera, SIZE)
        if depth is not None:
            depth.release()
        data = np.frombuffer(frame.read(components=4), np.uint8).reshape(SIZE[1], SIZE[0], 4)[::-1]
        assert (data[..., 3] == 255).all()
        return data[..., :3].astype(np.float64) / 255.0

    yield drawn
    layer.release()
    frame.release()
    picture.release()


def batch(**values: Any) -> OverlayBatch:
    return OverlayBatch(**values)


def straight(camera: ViewCamera, **values: Any) -> OverlayBatch:
    """A line across the whole picture through its middle, 10 metres ahead."""
    middle = camera.eye + camera.forward * 10.0
    side = camera.world[:, 0] * 50.0
    return batch(lines=lines([middle - side], [middle + side], WHITE, **values))


@pytest.mark.parametrize("width", [1.0, 2.0, 3.5, 8.0])
def test_a_line_covers_as_many_pixels_as_it_is_wide(draw: Draw, width: float) -> None:
    picture = draw(straight(camera_at((0, 0, 10)), width=width, mode=FRONT), camera_at((0, 0, 10)))
    assert np.allclose(picture[:, 20:180, 0].sum(axis=0), width, atol=0.05)


def test_a_thin_line_is_a_faint_one(draw: Draw) -> None:
    picture = draw(straight(camera_at((0, 0, 10)), width=0.5, mode=FRONT), camera_at((0, 0, 10)))
    assert np.allclose(picture[:, 20:180, 0].sum(axis=0), 0.5, atol=0.05)


def test_a_slanted_line_has_no_steps(draw: Draw) -> None:
    a, b = (10.0, 30.0, 0.0), (190.0, 67.0, 0.0)
    picture = draw(batch(lines=lines([a], [b], WHITE, width=2.0, mode=SCREEN)), camera_at((0, 0, 10)))
    columns = picture[:, 20:180, 0]
    want = 2.0 / np.cos(np.arctan2(37.0, 180.0))
    assert np.allclose(columns.sum(axis=0), want, atol=0.12)
    rows = np.arange(SIZE[1]) + 0.5
    centre = (columns * rows[:, None]).sum(axis=0) / columns.sum(axis=0)
    x = np.arange(20, 180) + 0.5
    assert np.abs(centre - (30.0 + (x - 10.0) * 37.0 / 180.0)).max() < 0.08


def test_pixels_count_down_from_the_upper_left(draw: Draw) -> None:
    rows = lines([(10.0, 5.0, 0.0)], [(30.0, 5.0, 0.0)], WHITE, width=2.0, mode=SCREEN)
    picture = draw(batch(lines=rows), camera_at((0, 0, 10)))
    assert picture[4:6, 11:29, 0].min() > 0.95
    assert picture[8:].max() == 0.0


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.2, -0.1)])
def test_points_are_drawn_where_the_camera_projects_them(draw: Draw, flat: bool, shift: tuple[float, float]) -> None:
    camera = camera_at((3.0, 4.0, 9.0), shift=shift)
    camera = orthographic(camera) if flat else camera
    point = np.array([0.4, 0.3, -0.2])
    icon = np.zeros(1, ICON)
    icon["at"], icon["rgba"], icon["size"], icon["glyph"], icon["mode"], icon["flags"] = point, WHITE, 10, 10, FRONT, 4
    picture = draw(batch(icons=icon, icon_ids=("a",)), camera)[..., 0]
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    seen = (picture * x).sum() / picture.sum(), (picture * y).sum() / picture.sum()
    assert np.allclose(seen, camera.project(point[None], *SIZE)[0, :2], atol=0.1)
    tip = draw(batch(corners=fan(point + np.array([(0, 0, 0), (0.2, 0, 0), (0, 0.2, 0)]), WHITE, mode=FRONT)), camera)
    ends = camera.project(point + np.array([(0.05, 0.05, 0), (0.5, 0.5, 0)]), *SIZE)[:, :2].astype(int)
    assert tip[ends[0, 1], ends[0, 0], 0] == 1.0 and tip[ends[1, 1], ends[1, 0], 0] == 0.0


@pytest.mark.parametrize("flat", [False, True])
def test_what_is_behind_a_surface_is_dimmed_left_out_or_drawn_as_it_asks(draw: Draw, flat: bool) -> None:
    camera = replace(camera_at((0, 0, 10)), near_m=0.05, far_m=200.0)
    camera = orthographic(camera) if flat else camera
    for mode, hidden in ((DIMMED, 0.22), (HIDDEN, 0.0), (FRONT, 1.0)):
        picture = draw(straight(camera, width=4.0, mode=mode), camera, ahead=6.0)[59:61, :, 0]
        assert np.allclose(picture[:, 20:90], hidden, atol=0.02), mode
        assert np.allclose(picture[:, 110:180], 1.0, atol=0.02)
    picture = draw(straight(camera, width=4.0, mode=HIDDEN), camera, ahead=14.0)[59:61, :, 0]
    assert np.allclose(picture[:, 20:180], 1.0, atol=0.02)


def test_in_one_plane_an_outline_is_before_and_the_grid_behind(draw: Draw) -> None:
    camera = replace(camera_at((0, 0, 10)), near_m=0.05, far_m=200.0)
    for mode, want in ((HIDDEN, 1.0), (HIDDEN | BEHIND, 0.0)):
        picture = draw(straight(camera, width=4.0, mode=mode), camera, ahead=10.0)[59:61, 20:90, 0]
        assert np.allclose(picture, want, atol=0.02)


def test_lines_that_begin_behind_the_eye_are_cut_and_not_mirrored(draw: Draw) -> None:
    camera = camera_at((0, 0, 10))
    picture = draw(batch(lines=lines([(0, -1.0, 5.0)], [(0, -1.0, 40.0)], WHITE, width=3.0, mode=FRONT)), camera)
    assert picture[62:, 98:102, 0].max() > 0.9 and picture[:58].max() == 0.0
    behind = batch(lines=lines([(0, 0, 20.0)], [(5.0, 5.0, 40.0)], WHITE, mode=FRONT))
    assert draw(behind, camera).max() == 0.0


@pytest.mark.parametrize("away", [0.01, 10.0, 1e5])
def test_an_icon_is_as_large_from_anywhere(draw: Draw, away: float) -> None:
    icon = np.zeros(1, ICON)
    icon["rgba"], icon["size"], icon["glyph"], icon["mode"], icon["flags"] = WHITE, 40, 10, FRONT, 4
    picture = draw(batch(icons=icon, icon_ids=("a",)), camera_at((0, 0, away)))[..., 0]
    assert picture.sum() == pytest.approx(np.pi * (0.72 * 20) ** 2, rel=0.03)


def test_far_from_the_origin_nothing_trembles(draw: Draw) -> None:
    far = np.array([1e7, 2e6, -3e7])
    pictures = []
    for origin in (np.zeros(3), far):
        camera = camera_at(np.add(origin, (3.0, 4.0, 9.0)), origin)
        rows = lines(np.add(origin, (-1.0, 0, 0)), np.add(origin, (1.0, 0.5, 0.0)), WHITE, width=2.0, mode=FRONT)
        pictures.append(draw(batch(lines=rows), camera))
    assert np.abs(pictures[0] - pictures[1]).max() < 0.02


def test_every_glyph_is_another_picture(draw: Draw) -> None:
    seen = []
    for number in sorted(GLYPHS.values()):
        icon = np.zeros(1, ICON)
        icon["rgba"], icon["size"], icon["glyph"], icon["mode"] = WHITE, 60, number, FRONT
        seen.append(draw(batch(icons=icon, icon_ids=("a",)), camera_at((0, 0, 10))))
    for i, a in enumerate(seen):
        assert a[30:90, 70:130].max() > 0.8
        assert all(np.abs(a - b).sum() > 100 for b in seen[:i])


def test_dashes_cover_about_half(draw: Draw) -> None:
    rows = lines([(0.0, 60.0, 0.0)], [(200.0, 60.0, 0.0)], WHITE, width=2.0, mode=SCREEN, dash=5.0)
    covered = draw(batch(lines=rows), camera_at((0, 0, 10)))[59:61, :, 0].mean()
    assert covered == pytest.approx(0.5, abs=0.06)


def test_rounded_ends_reach_past_the_ends(draw: Draw) -> None:
    ends = [(60.0, 60.0, 0.0)], [(140.0, 60.0, 0.0)]
    cut = draw(batch(lines=lines(*ends, WHITE, width=12.0, mode=SCREEN)), camera_at((0, 0, 10)))[..., 0]
    rounded = draw(batch(lines=lines(*ends, WHITE, width=12.0, mode=SCREEN | ROUND)), camera_at((0, 0, 10)))[..., 0]
    assert rounded.sum() - cut.sum() == pytest.approx(np.pi * 36.0, rel=0.05)


def test_the_tools_lie_over_all_else_in_their_order(draw: Draw) -> None:
    square = [(0, 0, 0), (200, 0, 0), (200, 120, 0), (0, 120, 0)]
    layers = [Drawing(corners=fan(square, (*c, 1.0), mode=SCREEN)) for c in ((1, 0, 0), (0, 0, 1))]
    under = lines([(0.0, 60.0, 0.0)], [(200.0, 60.0, 0.0)], WHITE, width=9.0, mode=SCREEN)
    picture = draw(batch(lines=under, top=tuple(layers)), camera_at((0, 0, 10)))
    assert np.allclose(picture, (0, 0, 1))


def test_a_whole_overlay_draws_a_grid_an_icon_and_a_gizmo(draw: Draw) -> None:
    viewer = FakeViewer(Group(id="a"), Light(id="l", light="rectangle", unit="nt", translation=(-1.2, 0.6, 0.0)))
    viewer.size = SIZE
    viewer.document.select(["a"])
    tools = ViewportTools(viewer, ToolSettings())
    tools.refresh()
    picture = draw(tools.overlay(), viewer.camera)
    colours = {"x": (0.94, 0.29, 0.33), "y": (0.50, 0.76, 0.22), "z": (0.27, 0.55, 0.97)}
    for name, colour in colours.items():
        near = np.abs(picture - colour).max(axis=2) < 0.04
        assert near.sum() > 10, name
    assert (picture.max(axis=2) > 0.02).mean() > 0.02


def test_nothing_to_draw_draws_nothing_and_leaves_no_error(draw: Draw, device: Device) -> None:
    assert draw(batch(), camera_at((0, 0, 10)), ahead=5.0).max() == 0.0
    assert device.context.error == "GL_NO_ERROR"


def test_buffers_grow_with_what_is_drawn(draw: Draw) -> None:
    camera = camera_at((0, 0, 10))
    for count in (1, 5000, 3):
        y = np.linspace(0, 119, count)
        a = np.stack([np.zeros(count), y, np.zeros(count)], axis=1)
        picture = draw(batch(lines=lines(a, np.add(a, (200, 0, 0)), WHITE, width=1.0, mode=SCREEN)), camera)
        assert picture.max() > 0.4


def test_the_context_is_left_as_it_was_asked_to_be(device: Device, draw: Draw) -> None:
    draw(straight(camera_at((0, 0, 10))), camera_at((0, 0, 10)))
    assert isinstance(device.context, moderngl.Context)
    assert device.context.error == "GL_NO_ERROR"
