"""Overlays as data: what is drawn of a scene, in which colour, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.scene.entities import Camera, Group
from studio.scene.lights import Light
from studio.viewport.navigation import view_preset
from studio.viewport.overlay_grid import grid_lines, plane_of, strength
from studio.viewport.overlay_records import BEHIND, HIDDEN, RING, SCREEN, STRUCK, Drawing, fan, joined, lines, polyline
from studio.viewport.overlay_shapes import placed
from studio.viewport.overlays import ACTIVE, GLYPHS, HOVERED, ICON_PX, SELECTED, SILENT, Icons, hud_lines, overlay_batch
from studio.viewport.view import Look, Overlays, Statistics
from tests.viewport.viewers import FakeViewer, camera_at

KINDS = {"point": "cd", "spot": "cd", "rectangle": "nt", "disk": "nt", "sphere": "nt", "cylinder": "nt",
         "distant": "lx", "dome": "nt", "portal": "nt"}  # fmt: skip
BARE = Overlays(grid=False, axes=False)


def batch_of(viewer: FakeViewer, **values: Any) -> Any:
    values = {"overlays": BARE, "size": viewer.size, **values}
    overlays = values.pop("overlays")
    return overlay_batch(viewer.document.scene, viewer.flat, viewer.camera, overlays, **values)


def colour_of(batch: Any, id_: str) -> tuple[float, ...]:
    return tuple(batch.icons["rgba"][list(batch.icon_ids).index(id_)][:3].tolist())


def all_kinds(**values: Any) -> FakeViewer:
    lights = [
        Light(id=k, light=k, unit=u, translation=((i - 4.0) * 0.85, 0.0, 0.0), **values)
        for i, (k, u) in enumerate(KINDS.items())
    ]
    return FakeViewer(*lights)


def test_every_kind_of_light_has_its_own_icon_of_the_same_size() -> None:
    batch = batch_of(all_kinds(), pixel_ratio=2.0)
    assert set(batch.icon_ids) == set(KINDS)
    assert len(set(batch.icons["glyph"].tolist())) == len(KINDS)
    assert np.allclose(batch.icons["size"], ICON_PX * 2.0)
    assert {GLYPHS[id_] for id_ in batch.icon_ids} == set(batch.icons["glyph"].tolist())


def test_colours_say_what_is_selected_active_hovered_and_silent() -> None:
    viewer = FakeViewer(*(Light(id=i, translation=(x, 0, 0)) for x, i in enumerate("abc")), Light(id="m", muted=True),
                        Light(id="red", color=(1.0, 0.0, 0.0)), Light(id="h", visible=False))  # fmt: skip
    batch = batch_of(viewer, selection=("a", "b"), hovered="c")
    assert colour_of(batch, "a") == pytest.approx(SELECTED)
    assert colour_of(batch, "b") == pytest.approx(ACTIVE)
    assert colour_of(batch, "c") == pytest.approx(HOVERED)
    assert colour_of(batch, "m") == pytest.approx(SILENT)
    red = colour_of(batch, "red")
    assert red[0] > 2 * red[1]
    assert "h" not in batch.icon_ids
    flags = dict(zip(batch.icon_ids, batch.icons["flags"].tolist(), strict=True))
    assert flags["m"] & STRUCK and not flags["a"] & STRUCK
    assert flags["a"] & RING and not flags["c"] & RING
    assert list(batch.icon_ids)[-1] in ("a", "b", "c")  # what matters is drawn last


def test_solo_silences_all_the_others() -> None:
    viewer = FakeViewer(Light(id="a", solo=True), Light(id="b"))
    batch = batch_of(viewer)
    assert colour_of(batch, "b") == pytest.approx(SILENT) != colour_of(batch, "a")


def lines_of(viewer: FakeViewer, **values: Any) -> np.ndarray:
    batch = batch_of(viewer, **values)
    return np.concatenate([batch.lines["a"], batch.lines["b"]])


def test_the_outlines_have_the_size_of_the_lights() -> None:
    turn = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))  # x becomes y
    for kind, values, extent in [
        ("rectangle", {"width_m": 2.0, "height_m": 1.0}, (0.5, 1.0)),
        ("cylinder", {"radius_m": 0.25, "length_m": 3.0}, (0.25, 1.5)),
        ("disk", {"radius_m": 0.7}, (0.7, 0.7)),
        ("sphere", {"radius_m": 0.7}, None),
    ]:
        viewer = FakeViewer(Light(id="l", light=kind, unit="nt", rotation=turn, scale=(5.0, 5.0, 5.0), **values))
        at = lines_of(viewer)
        if extent is None:  # a circle that faces the eye
            assert np.allclose(np.linalg.norm(at, axis=1), 0.7) and np.allclose(at @ viewer.camera.forward, 0.0)
        else:
            assert np.abs(at[:, :2]).max(axis=0) == pytest.approx(extent, abs=1e-6), kind


def test_a_cone_opens_by_its_angle() -> None:
    viewer = FakeViewer(Light(id="l", light="spot", unit="cd", outer_cone_deg=25.0))
    at = lines_of(viewer)
    far = at[np.linalg.norm(at, axis=1) > 0.1]
    assert np.allclose(np.degrees(np.arccos(-far[:, 2] / np.linalg.norm(far, axis=1))), 25.0)


def test_shapes_smaller_than_their_icon_are_left_out_unless_they_matter() -> None:
    viewer = FakeViewer(Light(id="l", light="sphere", unit="nt", radius_m=0.01), camera=camera_at((0, 0, 100.0)))
    assert len(batch_of(viewer).lines) == 0
    assert len(batch_of(viewer, selection=("l",)).lines) > 0


def test_switches_switch() -> None:
    viewer = FakeViewer(Light(id="l", light="rectangle", unit="nt"), Camera(id="c", translation=(1, 0, 0)))
    everything = batch_of(viewer)
    for name, empty in [("icons", "icons"), ("outlines", "lines"), ("frusta", "lines")]:
        less = batch_of(viewer, overlays=replace(BARE, **{name: False}))
        assert len(getattr(less, empty)) < len(getattr(everything, empty))
    assert batch_of(viewer).labels == ()
    assert {label.text for label in batch_of(viewer, overlays=replace(BARE, names=True)).labels} == {"l", "c"}


def test_names_do_not_lie_over_each_other_and_the_nearest_wins() -> None:
    viewer = FakeViewer(Light(id="near"), Light(id="far", translation=(-3.0, -4.0, -9.0)))
    labels = batch_of(viewer, overlays=replace(BARE, names=True)).labels
    assert [label.text for label in labels] == ["near"]


def test_what_is_not_isolated_or_looked_through_is_not_drawn() -> None:
    viewer = FakeViewer(Group(id="g"), Light(id="a", parent="g"), Light(id="b"), Camera(id="c"))
    assert set(batch_of(viewer, isolated={"g"}).icon_ids) == {"a"}
    assert set(batch_of(viewer, through="c").icon_ids) == {"a", "b"}


@pytest.mark.parametrize("selected", [(), ("c",)])
def test_a_camera_that_one_stands_in_is_not_drawn(selected: tuple[str, ...]) -> None:
    viewer = FakeViewer(
        Camera(id="c", translation=(6.0, 8.0, 18.0)), Camera(id="d"), camera=camera_at((6.0, 8.0, 18.0))
    )
    named = replace(BARE, names=True)
    batch = batch_of(viewer, overlays=named, selection=selected)
    assert list(batch.icon_ids) == ["d"] and [label.text for label in batch.labels] == ["d"]
    away = np.linalg.norm(np.concatenate([batch.lines["a"], batch.lines["b"]]) - (6.0, 8.0, 18.0), axis=1)
    assert len(batch.lines) and away.min() > 0.05
    viewer.camera = camera_at((6.0, 8.0, 18.1))
    assert len(batch_of(viewer, overlays=named).lines) > len(batch.lines)


def test_a_parallel_view_draws_every_camera() -> None:
    camera = replace(camera_at((0.0, 0.0, 18.0)), orthographic=True, half_width=5.0)
    viewer = FakeViewer(Camera(id="c", translation=(0.0, 0.0, 18.0)), camera=camera)
    assert list(batch_of(viewer).icon_ids) == ["c"]


def test_a_selected_group_is_shown_by_a_cross() -> None:
    viewer = FakeViewer(Group(id="g"), Group(id="h", visible=False))
    assert len(batch_of(viewer).lines) == 0
    assert len(batch_of(viewer, selection=("g", "h")).lines) == 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30])
def test_transforms_that_are_no_places_are_left_out(bad: float) -> None:
    viewer = FakeViewer(Light(id="ok"), Light(id="bad", translation=(bad, 0, 0)), Light(id="flat", scale=(0, 1, 1)))
    with np.errstate(invalid="ignore", over="ignore"):
        batch = batch_of(viewer)
    assert list(batch.icon_ids) == ["ok"]
    assert np.isfinite(batch.lines["a"]).all()


def test_icons_are_found_where_they_are_drawn() -> None:
    viewer = FakeViewer(
        Light(id="a"), Light(id="b", translation=(2.0, 0, 0)), Light(id="behind", translation=(6, 8, 18))
    )
    icons = Icons.of(batch_of(viewer), viewer.camera, *viewer.size)
    for id_, point in (("a", (0, 0, 0)), ("b", (2, 0, 0))):
        x, y = viewer.pixel(point).tolist()
        assert icons.under(x + 6, y - 6, 1.0) == [id_]
        assert icons.under(x + 40, y, 1.0) == []
    assert icons.within(0, 0, 800, 600) == ["a", "b"]


# --- the grid --------------------------------------------------------------------------------------------------------
def test_the_grid_is_the_floor_and_in_flat_views_what_faces_them() -> None:
    camera = camera_at((3.0, 4.0, 5.0))
    assert plane_of(camera) == (0, 2)
    assert plane_of(view_preset(camera, "front")) == (0, 1)
    assert plane_of(view_preset(camera, "left")) == (1, 2)
    assert plane_of(view_preset(camera, "top")) == (0, 2)


@pytest.mark.parametrize("away", [1e-3, 0.1, 10.0, 1e4, 1e7])
def test_the_grid_looks_alike_from_anywhere(away: float) -> None:
    rows = grid_lines(camera_at((away, away, away)), (800, 600), 1.0, lines=True, axes=False)
    assert 20 < len(rows) < 4000
    assert np.isfinite(rows["a"]).all() and (rows["a"][:, 1] == 0).all()
    assert rows["rgba"][:, 3].max() > 0.05 and (rows["fade"] <= 1.0).all()
    assert (rows["mode"] == HIDDEN | BEHIND).all()


def test_lines_of_the_grid_stand_at_round_numbers_and_none_twice() -> None:
    rows = grid_lines(camera_at((0.3, 6.0, 8.0)), (800, 600), 1.0, lines=True, axes=False)
    across = rows["a"][:, 0] == rows["b"][:, 0]
    at = np.unique(np.round(rows["a"][across, 0], 9))
    assert np.allclose(at * 10, np.round(at * 10))  # of a tenth of a metre, from there
    keys = np.concatenate([rows["a"], rows["b"]], axis=1)
    assert len(np.unique(np.round(keys, 9), axis=0)) == len(keys)


def test_what_stands_farther_apart_is_stronger() -> None:
    values = strength(np.array([0.0, 3.0, 10.0, 50.0, 400.0]))
    assert values[0] == values[1] == 0.0 and (np.diff(values) >= 0).all() and values[-1] > 0.3


@pytest.mark.parametrize("eye", [(0.0, 0.0, 5.0), (0.0, 1e-12, 5.0), (0.0, 5.0, 0.0), (0.0, -5.0, 0.0)])
def test_no_view_of_the_floor_breaks_the_grid(eye: Any) -> None:
    rows = grid_lines(camera_at(eye), (800, 600), 1.0, lines=True, axes=True)
    assert np.isfinite(rows["a"]).all() and np.isfinite(rows["rgba"]).all()


# --- the rest --------------------------------------------------------------------------------------------------------
def test_drawings_are_joined_in_order() -> None:
    a = Drawing(lines=lines([(0, 0, 0)], [(1, 0, 0)], (1, 0, 0, 1)))
    b = Drawing(lines=polyline([(0, 0, 0), (1, 1, 0), (2, 0, 0)], (0, 1, 0, 1), closed=True, mode=SCREEN),
                corners=fan([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], (1, 1, 1, 1)))  # fmt: skip
    both = joined([a, b])
    assert len(both.lines) == 4 and len(both.corners) == 6
    assert both.lines["rgba"][0].tolist() == [1, 0, 0, 1]
    assert len(joined([]).lines) == 0


def test_templates_are_carried_by_each_matrix() -> None:
    matrices = np.stack([np.eye(3, 4), np.eye(3, 4)])
    matrices[1, :, 3] = 5.0
    unit = np.array([[0.0, 0, 0]]), np.array([[1.0, 2.0, 3.0]])
    rows = placed(unit, matrices, np.array([[1.0, 1, 1], [2.0, 2, 2]]), np.ones((2, 4)), np.ones(2))
    assert np.allclose(rows["b"], [(1, 2, 3), (7, 9, 11)])


def test_the_head_up_display_is_data() -> None:
    statistics = Statistics(lights=300, triangles=1_234_567, instances=5000, gpu_bytes=3 << 20, seconds=0.0123)
    look = Look(exposure_ev=1.5, isolated=frozenset("ab"))
    said = hud_lines(statistics, look=look, frame_seconds=1 / 60, through="cam", grid_m=10.0)
    assert {line.name: line.value for line in said} == {
        "Through": "cam",
        "Frames a second": "60",
        "Frame": "12.3 ms",
        "Lights": "300",
        "Triangles": "1.23 M",
        "Objects": "5000",
        "Memory": "3 MB",
        "Grid": "10 m",
        "Exposure": "+1.50 EV",
        "Isolated": "2",
    }
