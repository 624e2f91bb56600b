"""Pictures of eyes: where things lie in the map, how they differ, and that a seed makes the same one again."""

from __future__ import annotations

import numpy as np
import pytest

from studio.errors import UsageError
from studio.figure.eye_maps import IRISES, eye_image, eye_relief, iris_of

SIZE = 256


def radii(size: int = SIZE) -> np.ndarray:
    """Distance from the middle in iris radii."""
    at = ((np.arange(size) + 0.5) / size - 0.5) * 4.0
    return np.hypot(*np.meshgrid(at, at))


@pytest.mark.parametrize("iris", [*IRISES, (0.3, 0.1, 0.4)])
def test_pupil_iris_and_white_lie_where_the_closure_looks(iris: str | tuple[float, float, float]) -> None:
    picture, r = eye_image(SIZE, iris=iris), radii()
    assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8
    pupil, ring, white = picture[r < 0.32], picture[(r > 0.42) & (r < 0.85)], picture[r > 1.15]
    assert pupil.max() < 40
    assert pupil.mean() + 20 < ring.mean() < white.mean() - 40
    assert white.mean() > 180 and np.percentile(white, 1) > 90
    assert picture[(r > 0.88) & (r < 0.93)].mean() < 0.85 * picture[(r > 0.5) & (r < 0.75)].mean()  # the limbal ring


def test_irises_have_their_colours() -> None:
    r = radii()
    means = {name: eye_image(SIZE, iris=name)[(r > 0.6) & (r < 0.85)].mean(axis=0) for name in IRISES}
    for name, (red, green, blue) in means.items():
        if name in ("brown", "amber", "hazel"):
            assert red > green > blue
        if name == "blue":
            assert blue > green > red
        if name == "green":
            assert green > red and green > blue
    assert max(means["grey"]) - min(means["grey"]) < 30
    assert means["amber"].mean() > 1.3 * means["brown"].mean()


def test_a_seed_makes_the_same_eye_and_another_another() -> None:
    np.testing.assert_array_equal(eye_image(SIZE, seed=5), eye_image(SIZE, seed=5))
    other = np.abs(eye_image(SIZE, seed=5).astype(int) - eye_image(SIZE, seed=6))
    assert other[radii() < 1.0].mean() > 2.0


def test_veins_redden_the_corners_most() -> None:
    none, many = (eye_image(SIZE, veins=veins).astype(int) for veins in (0.0, 1.0))
    redder = (none[..., 1] - many[..., 1]).clip(0)
    corner, middle = redder[:, : SIZE // 8].mean(), redder[: SIZE // 8, SIZE // 3 : -SIZE // 3].mean()
    assert corner > 2.0 * middle > 0.0
    assert redder[radii() < 0.9].mean() < redder[radii() > 1.3].mean()


def test_relief_is_made_of_unit_normals_and_flat_where_nothing_stands_out() -> None:
    relief, r = eye_relief(SIZE), radii()
    normals = relief / 127.5 - 1.0
    assert np.abs(np.linalg.norm(normals, axis=-1) - 1.0).max() < 0.02
    assert np.abs(relief[r < 0.3].astype(int) - (128, 128, 255)).max() <= 1
    assert np.abs(relief[r > 1.2].astype(int) - (128, 128, 255)).max() <= 1
    assert normals[(r > 0.5) & (r < 0.8), :2].std() > 0.03


def test_any_size_and_any_colour_makes_an_eye() -> None:
    for size in (1, 7, 64):
        assert eye_image(size, veins=1.0).shape == (size, size, 3)
    assert iris_of((2.0, -1.0, 0.5)).fibres == (1.0, 0.0, 0.5)
    with pytest.raises(UsageError, match="hazel"):
        eye_image(8, iris="plaid")
