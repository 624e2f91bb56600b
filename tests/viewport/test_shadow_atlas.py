"""Places of shadow tiles: no overlap, no overflow for any number of lights, and room that is used again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.viewport.shadow_atlas import SMALLEST, Bands, height_of, kept_sides, shift_for

SIDE = 8192


def taken(bands: Bands, sides: list[int], cubes: list[bool]) -> list[tuple[int, int, int, int]]:
    """Left, top, width, height of blocks."""
    out = []
    for side, cube in sorted(zip(sides, cubes), reverse=True):
        place = bands.take(side, cube=cube)
        assert place is not None
        out.append((*place, side * (3 if cube else 1), side * (2 if cube else 1)))
    return out


def overlapping(blocks: list[tuple[int, int, int, int]], width: int, height: int) -> bool:
    """Whether any texel of an atlas is in two blocks."""
    grid = np.zeros((height // 8, width // 8), np.uint8)
    for x, y, w, h in blocks:
        grid[y // 8 : (y + h) // 8, x // 8 : (x + w) // 8] += 1
    return bool((grid > 1).any())


@pytest.mark.parametrize("lights", [1, 300, 1000, 4000])
@pytest.mark.parametrize("wish", [2048, 512, 100])
def test_any_number_of_point_lights_has_room(lights: int, wish: int) -> None:
    cube = np.ones(lights, np.bool_)
    sides = kept_sides(np.full(lights, float(wish)), np.zeros(lights, np.int64))
    shift = shift_for(sides, cube, SIDE, SIDE)
    final = np.maximum(sides >> shift, SMALLEST)
    blocks = taken(Bands(SIDE, SIDE), final.tolist(), [True] * lights)
    assert len(blocks) == lights and not overlapping(blocks, SIDE, SIDE)
    assert all(x + w <= SIDE and y + h <= SIDE for x, y, w, h in blocks)
    assert (shift > 0) == (lights * 6 * int(sides[0]) ** 2 > SIDE * SIDE * 0.9)


def test_ten_times_as_many_as_there_should_be_fit_too() -> None:
    cube = np.ones(40000, np.bool_)
    assert height_of(np.full(40000, SMALLEST), cube, SIDE) <= SIDE


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([16, 32, 64, 128, 256]), st.booleans()), max_size=60), st.randoms())
def test_blocks_never_overlap_and_go_back_whole(kinds: list[tuple[int, bool]], random: object) -> None:
    bands = Bands(1024, 4096)
    held: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    for side, cube in kinds:
        if held and random.random() < 0.4:  # type: ignore[attr-defined]
            key = random.choice(sorted(held))  # type: ignore[attr-defined]
            bands.give(*key)
            del held[key]
        place = bands.take(side, cube=cube)
        if place is None:
            continue
        held[place] = (*place, side * (3 if cube else 1), side * (2 if cube else 1))
    assert not overlapping(list(held.values()), 1024, 4096)
    assert bands.used == sum(w * h for _, _, w, h in held.values())
    for key in list(held):
        bands.give(*key)
    assert bands.used == 0
    assert bands.take(256, cube=True) == (0, 0)


def test_sides_change_only_when_they_are_far_from_what_is_wished() -> None:
    before = np.array([128, 128, 128, 128, 0])
    wished = np.array([128.0, 180.0, 100.0, 600.0, 200.0])
    assert kept_sides(wished, before).tolist() == [128, 128, 128, 512, 256]
    assert kept_sides(np.array([40.0]), np.array([128])).tolist() == [32]
