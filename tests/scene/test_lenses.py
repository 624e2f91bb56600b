"""Sensors and lenses by name: every row says where it was read, and a T-stop becomes the camera's f-stop."""

from __future__ import annotations

import pytest

from studio.errors import UsageError
from studio.scene import lenses
from studio.scene.entities import Camera
from studio.scene.scene import Scene


def stage(**fields: object) -> Scene:
    return Scene().add(Camera(id="c", **fields))


def test_every_row_names_a_source_and_its_own_name() -> None:
    for rows in (lenses.SENSORS, lenses.LENS_SETS):
        assert all(row.source for row in rows) and len({row.name for row in rows}) == len(rows)


# width / height of what the makers record on the whole area, of their pixels or perforations
@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("ARRI ALEXA 35, open gate", (4608, 3164)),
        ("ARRI ALEXA Mini, open gate", (3424, 2202)),
        ("ARRI ALEXA LF, open gate", (4448, 3096)),
        ("ARRI ALEXA 65, open gate", (6560, 3100)),
        ("RED V-RAPTOR 8K VV", (8192, 4320)),
        ("RED KOMODO 6K", (6144, 3240)),
        ("RED HELIUM 8K S35", (8192, 4320)),
        ("Sony VENICE 2 8K, full frame", (8640, 5760)),
        ("Sony VENICE 6K, full frame", (6048, 4032)),
        ("Canon EOS C500 Mark II", (5952, 3140)),
        ("Blackmagic Pocket Cinema Camera 4K", (4096, 2160)),
        ("Blackmagic Pocket Cinema Camera 6K", (6144, 3456)),
        ("Blackmagic URSA Mini Pro 12K", (12288, 6480)),
    ],
)
def test_a_sensor_is_as_wide_to_high_as_its_pixels(name: str, pixels: tuple[int, int]) -> None:
    found = lenses.sensor(name)
    assert found.width_mm / found.height_mm == pytest.approx(pixels[0] / pixels[1], rel=5e-3)


def test_a_size_has_the_name_of_the_first_sensor_of_it() -> None:
    assert lenses.sensor_of(35.9, 24.0) == "Sony VENICE 2 8K, full frame" and lenses.sensor_of(1.0, 1.0) == ""


def test_names_are_found_in_any_case_and_others_are_suggested() -> None:
    assert lenses.sensor(" arri alexa 65, OPEN gate ").width_mm == 54.12
    with pytest.raises(UsageError, match="Cooke S4/i"):
        lenses.lens_set("Cooke S5/i")


def test_stops_of_a_set_may_differ() -> None:
    sigma = lenses.lens_set("Sigma FF High Speed").stops
    assert list(sigma) == sorted(sigma) and (sigma[14.0], sigma[40.0], sigma[135.0]) == (2.0, 1.5, 2.0)


def test_the_t_stop_of_a_lens_is_the_f_stop_of_the_camera() -> None:
    scene = lenses.with_lens(stage(), ("c",), lenses.lens_set("ARRI Signature Prime"), 190.0)
    camera = scene.entities["c"]
    assert isinstance(camera, Camera) and (camera.focal_length_mm, camera.f_stop) == (200.0, 2.5)


def test_a_vertical_fit_keeps_its_view_by_the_height() -> None:
    scene = lenses.with_sensor(stage(fit="vertical"), ("c",), lenses.sensor("Micro Four Thirds"), keep_view=True)
    camera = scene.entities["c"]
    assert isinstance(camera, Camera) and camera.focal_length_mm == pytest.approx(50.0 * 13.0 / 20.25)
