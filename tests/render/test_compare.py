"""Looking closely: what a probe, an area, false colours, a wipe and a difference say, picking, and the display."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import UsageError
from studio.render import compare, live_display
from studio.render.live_pick import pick, pixel_ray
from studio.scene import color
from studio.scene.entities import Camera, MeshObject
from studio.scene.flatten import flatten
from studio.scene.lights import Light
from tests.render.scenes import aimed
from tests.render.stage import settings, stage


@pytest.fixture
def image():
    return np.random.default_rng(3).exponential(1.0, (20, 30, 4)).astype(np.float32)


# --- values ----------------------------------------------------------------------------------------------------------
def test_a_probe_gives_the_value_and_what_is_shown(image):
    shown = live_display.to_display(image, exact=True)
    found = compare.probe(image, 7, 11, shown=shown)
    assert found.raw == tuple(float(v) for v in image[11, 7])
    assert found.shown == tuple(int(v) for v in shown[11, 7, :3])
    assert found.luminance == pytest.approx(image[11, 7, :3] @ (0.2126, 0.7152, 0.0722), rel=1e-5)


def test_a_probe_counts_stops_from_middle_grey_after_exposure():
    grey = np.full((1, 1, 3), 0.36, np.float32)
    assert compare.probe(grey, 0, 0, exposure_ev=1.0).stops == pytest.approx(2.0, abs=1e-5)
    assert compare.probe(np.zeros((1, 1, 3), np.float32), 0, 0).stops == -np.inf


def test_there_is_no_probe_outside_of_the_picture(image):
    assert all(compare.probe(image, x, y) is None for x, y in ((-1, 0), (0, -1), (30, 0), (0, 20)))


def test_an_area_is_told_by_its_finite_values_and_counts_the_others(image):
    image[2, 3, 0], image[2, 4, 1], image[3, 3, 2] = np.nan, np.inf, -2.0
    found = compare.area_statistics(image, (2, 1, 12, 9))
    part = image[1:9, 2:12].astype(np.float64)
    green = part[..., 1][np.isfinite(part[..., 1])]
    assert (found.nans, found.infinities, found.negatives, found.pixels) == (1, 1, 1, 80)
    assert (found.mean[1], found.most[1]) == pytest.approx((green.mean(), green.max()))
    assert (found.deviation[1], found.least[2]) == pytest.approx((green.std(), -2.0))


def test_an_area_is_cut_to_the_picture_and_refused_beside_it(image):
    assert compare.area_statistics(image, (-5, -5, 4, 3)).area == (0, 0, 4, 3)
    assert compare.area_statistics(image).pixels == 600
    with pytest.raises(UsageError, match="does not touch"):
        compare.area_statistics(image, (40, 0, 50, 10))


def test_an_area_without_a_number_says_so():
    found = compare.area_statistics(np.full((2, 2, 3), np.nan, np.float32))
    assert found.nans == 4 and np.isnan(found.mean).all() and np.isnan(found.luminance)


# --- false colours ---------------------------------------------------------------------------------------------------
def test_every_stop_has_its_colour_and_the_legend_says_which():
    for zone, nits in compare.legend():
        assert np.allclose(compare.false_colour(np.full((1, 1, 3), nits, np.float32))[0, 0], zone, atol=1e-6)
    brighter = compare.false_colour(np.full((1, 1, 3), 0.18, np.float32), exposure_ev=2.0)
    assert np.allclose(brighter[0, 0], compare.ZONES[8])


def test_what_lies_beyond_the_zones_is_black_or_white_and_faults_stand_out():
    values = np.array([[[0, 0, 0], [1e6] * 3, [np.nan, 0, 0], [np.inf, 1, 1], [-1, 0, 0]]], np.float32)
    found = compare.false_colour(values)[0]
    wanted = [(0, 0, 0), (1, 1, 1), compare.NAN_COLOUR, compare.INFINITE_COLOUR, compare.NEGATIVE_COLOUR]
    assert np.allclose(found, wanted)


def test_one_channel_is_shown_grey(image):
    assert np.array_equal(compare.solo(image, 2), np.stack([image[..., 2]] * 3, -1))
    with pytest.raises(UsageError, match="4 channels"):
        compare.solo(image, 4)


# --- one against another ---------------------------------------------------------------------------------------------
@given(at=st.floats(-1.0, 2.0), across=st.booleans())
def test_a_wipe_takes_every_pixel_from_one_of_the_two(at, across):
    a, b = np.zeros((6, 9, 4), np.float32), np.ones((6, 9, 4), np.float32)
    out = compare.wipe(a, b, at, across=across)
    line = out[0, :, 0] if across else out[:, 0, 0]
    assert np.array_equal(line, np.sort(line))
    assert (line == 0).sum() == round(min(max(at, 0), 1) * len(line))


def test_differences_are_what_their_names_say(image):
    other = image * np.float32(1.5)
    assert np.allclose(compare.difference(image, other), 0.5 * image[..., :3], rtol=1e-5)
    assert np.allclose(compare.difference(image, other, gain=4), 2.0 * image[..., :3], rtol=1e-5)
    assert np.allclose(compare.difference(image, other, kind="relative"), 0.2, rtol=1e-4)
    signed = compare.difference(image, other, kind="signed", gain=2)
    assert np.allclose(signed, 0.18 + image[..., :3], rtol=1e-5)
    assert not compare.difference(image, image).any()


def test_a_value_that_only_one_has_is_an_infinite_difference(image):
    broken = image.copy()
    broken[4, 5, 1] = np.nan
    found = compare.difference(image, broken)
    assert np.isinf(found[4, 5, 1]) and np.isfinite(found).sum() == found.size - 1
    assert not compare.difference(broken, broken).any()


def test_likeness_measures_what_the_difference_shows(image):
    other = image.copy()
    other[0, 0, :3] += 3.0
    found = compare.likeness(image, other)
    assert found.differing == 1 and found.most == pytest.approx(3.0, rel=1e-5)
    assert found.mean == pytest.approx(3.0 / 600, rel=1e-4)
    assert found.root_mean_square == pytest.approx(3.0 / np.sqrt(600), rel=1e-4)


def test_pictures_of_two_sizes_are_not_compared(image):
    for compared in (compare.difference, compare.likeness, lambda a, b: compare.wipe(a, b, 0.5)):
        with pytest.raises(UsageError, match="30x20 and 29x20"):
            compared(image, image[:, :29])
    with pytest.raises(UsageError, match="absolute, signed or relative"):
        compare.difference(image, image, kind="squared")


# --- the display -----------------------------------------------------------------------------------------------------
def test_the_window_shows_what_png_export_writes(image):
    for view in (color.ACES_VIEW, color.PLAIN_VIEW):
        wanted = np.rint(color.display_transform(image[..., :3], view=view, exposure_ev=0.7) * 255)
        found = live_display.to_display(image, view=view, exposure_ev=0.7, exact=True)
        assert np.abs(found[..., :3] - wanted).max() <= 1 and (found[..., 3] == 255).all()


@pytest.mark.parametrize("view", [color.ACES_VIEW, color.PLAIN_VIEW])
def test_the_quick_display_is_close_to_the_exact_one(view):
    rng = np.random.default_rng(5)
    grey = np.exp(rng.normal(0.0, 2.0, (100, 200, 1))) * np.clip(1.0 + rng.normal(0.0, 0.2, (100, 200, 3)), 0.1, None)
    picture = grey.astype(np.float32)
    live_display.prepare(view).result()
    gap = np.abs(
        live_display.to_display(picture, view=view).astype(int)
        - live_display.to_display(picture, view=view, exact=True)
    )
    assert gap.max() <= 4 and np.percentile(gap, 99) <= 1


def test_gamma_acts_on_what_the_view_gives(image):
    plain = live_display.to_display(image, view=color.PLAIN_VIEW, exact=True)[..., :3] / 255.0
    lifted = live_display.to_display(image, view=color.PLAIN_VIEW, gamma=2.0, exact=True)[..., :3]
    assert np.abs(lifted - 255 * plain**0.5).max() <= 12.0  # near black a step of one is twelve after the root
    bright = plain > 0.2
    assert np.abs(lifted - 255 * plain**0.5)[bright].max() <= 2.0


def test_faults_of_a_picture_are_shown_and_do_no_harm():
    picture = np.array([[[np.nan] * 3, [np.inf] * 3, [-np.inf] * 3, [-1.0] * 3, [1e30] * 3]], np.float32)
    for exact in (False, True):
        found = live_display.to_display(picture, exact=exact, exposure_ev=50.0)
        assert found.shape == (1, 5, 4) and found[0, 1, :3].min() > 240 and found[0, 0, :3].max() == 0


def test_layers_of_one_channel_are_grey_and_raw_leaves_out_the_view():
    depth = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4, 1)
    found = live_display.to_display(depth, raw=True)
    assert np.array_equal(found[..., 0], found[..., 2])
    assert np.array_equal(found[..., 0], np.rint(depth[..., 0] * 255).astype(np.uint8))
    out = np.zeros((3, 4, 4), np.uint8)
    assert live_display.to_display(depth, raw=True, out=out) is out
    with pytest.raises(UsageError):
        live_display.to_display(depth, view="no such view")


# --- picking ---------------------------------------------------------------------------------------------------------
def test_a_click_finds_the_object_under_it_and_its_material():
    scene = stage().replace("red", name="Red lacquer")
    flat, asked = flatten(scene, 1), settings(width=160, height=100)
    found = {}
    for y in range(5, 100, 10):
        for x in range(5, 160, 10):
            hit = pick(flat, asked, x, y)
            found.setdefault(hit.id if hit else "", (x, y, hit))
    assert {"floor", "wall", "box", "panel"} <= found.keys()
    x, y, hit = found["box"]
    assert hit.material == "Red lacquer" and hit.distance_m > 0
    origin, direction = pixel_ray(flat.camera, asked, x + 0.5, y + 0.5)
    assert np.allclose(origin + hit.distance_m * direction, hit.position)
    box = flat.instances[hit.instance]["open"][:, 3]
    assert np.abs(np.array(hit.position) - box)[[0, 2]].max() <= 0.4 + 1e-5


@pytest.mark.parametrize("kind", ["rectangle", "disk", "sphere", "cylinder"])
def test_a_click_finds_a_light_that_shows_and_not_one_that_does_not(kind):
    shape = {"width_m": 1.0, "height_m": 1.0, "radius_m": 0.5, "length_m": 1.0}
    lamp = Light(id="lamp", name="Lamp", light=kind, unit="lm", **shape, **aimed((0, 0, 0), (0, 0, 4)))
    camera = Camera(id="eye", translation=(0.0, 0.0, 4.0))
    scene = stage().add(lamp).remove(["floor", "wall", "box", "panel"])
    scene = scene.add(camera).replace("lamp", seen_by_camera=True)
    flat = flatten(scene, 1, camera="eye")
    hit = pick(flat, settings(), 32, 20)
    assert hit.id == "lamp" and hit.name == "Lamp" and 3.4 < hit.distance_m < 4.1
    assert pick(flat, settings(), 1, 1) is None
    hidden = flatten(scene.replace("lamp", seen_by_camera=False), 1, previous=flat, camera="eye")
    assert pick(hidden, settings(), 32, 20) is None


def test_what_the_camera_does_not_see_is_not_picked():
    scene = stage().replace("box", visible_camera=False)
    flat = flatten(scene, 1)
    box = flatten(stage(), 1)
    spot = next((x, y) for y in range(40) for x in range(64) if (h := pick(box, settings(), x, y)) and h.id == "box")
    assert pick(flat, settings(), *spot).id != "box"
    assert isinstance(scene.entities["box"], MeshObject)
