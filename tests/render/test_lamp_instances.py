"""Lamps that share a mesh and a material are lamps of their own: their light adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.render.scenes import ball, eye, flat_of, lamp, matte, picture, quad, settings, thing

if TYPE_CHECKING:
    from studio.render.tracer.tracer import Tracer


def test_two_instances_of_a_lamp_give_as_much_light_as_each_by_itself(tracer: Tracer) -> None:
    """A ray that meets one of them by chance must be weighed by the density of picking that very one."""
    glow, bulb = lamp(10.0), ball(0.2, rings=8, segments=16)
    floor = thing(quad((0, 0, 0), (0, 0, 5), (5, 0, 0)), matte(0.5))

    def light(*places: float) -> float:
        lamps = [thing(bulb, glow, translation=(x, 1.5, 0.0)) for x in places]
        flat = flat_of([floor, *lamps], camera=eye((0, 3, 4), (0, 0, 0)))
        return float(picture(tracer, flat, settings(32, 18, 256, depth=2)).mean(dtype=float))

    # noise of each mean is below 0.5 %; counting a lamp twice would add tens of percents
    assert abs(light(-2.0, 2.0) / (light(-2.0) + light(2.0)) - 1) < 0.02
