"""The closure and the lights of the viewport by themselves: energy, sides, gains, and what must not break them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.stand.balls import sheet
from studio.scene.geometry import make_image
from studio.scene.lights import KINDS, TWO_SIDED
from studio.viewport.device import Device
from tests.render.light_stage import flat_scene, light, mesh_instance, placed
from tests.viewport.probe import Probe

SEEN = 7  # camera, reflections, shadows


def with_defaults(row: np.void) -> np.void:
    row["gain"] = 1.0
    row["flags"] |= SEEN
    return row


def all_kinds() -> dict[str, np.void]:
    """A light of every kind at (0, 0, 2) that shines down, towards the origin."""
    at = placed((0.0, 0.0, 2.0), (0.0, 0.0, -1.0))
    rows = {
        "point": light("point", at=at),
        "spot": light("spot", cone=(0.95, 0.8), at=at),
        "rectangle": light("rectangle", size=(1.0, 0.5), at=at),
        "disk": light("disk", size=(0.5, 0.0), at=at),
        "sphere": light("sphere", size=(0.5, 0.0), at=at),
        "cylinder": light("cylinder", size=(0.1, 1.5), at=at),
        "distant": light("distant", size=(0.01, 0.0), at=at),
        "dome": light("dome"),
    }
    return {name: with_defaults(row) for name, row in rows.items()}


SURFACES: dict[str, str] = {
    "matte": "s.specular_weight = 0.0; s.base_color = vec3(1.0);",
    "rough matte": "s.specular_weight = 0.0; s.base_color = vec3(1.0); s.diffuse_roughness = 1.0;",
    "gloss": "s.base_color = vec3(1.0);",
    "rough gloss": "s.base_color = vec3(1.0); s.roughness = 0.8;",
    "metal": "s.base_color = vec3(1.0); s.metalness = 1.0; s.roughness = 0.2;",
    "rough metal": "s.base_color = vec3(1.0); s.metalness = 1.0; s.roughness = 0.9;",
    "coat": "s.base_color = vec3(1.0); s.specular_weight = 0.0; s.coat_weight = 1.0; s.coat_darkening = 0.0;",
    "fuzz": "s.base_color = vec3(1.0); s.specular_weight = 0.0; s.fuzz_weight = 1.0;",
}

SHADE = """
    Surface s = no_surface();
    {surface}
    float mu = ask(0).x;
    s.N = s.Ng = s.coat_N = normalize(ask(2).xyz);
    frame_around(s.N, s.T, s.B);
    Closure c = prepare(s, normalize(s.T * sqrt(1.0 - mu * mu) + s.N * mu));
    answer = vec4(shade_light(c, ask(1).xyz, int(ask(0).y)), float(c.mu > 0.0));
"""


def questions(mus: Any, row: int = 0, *, point: Any = (0.0, 0.0, 0.0), normal: Any = (0.0, 0.0, 1.0)) -> np.ndarray:
    out = np.zeros((len(mus), 3, 4))
    out[:, 0, 0], out[:, 0, 1] = mus, row
    out[:, 1, :3], out[:, 2, :3] = point, normal
    return out


pytestmark = pytest.mark.usefixtures("device")


@pytest.fixture(scope="module")
def kinds(one_device: Device) -> Any:
    made = Probe(one_device, flat_scene(list(all_kinds().values())))
    yield made
    made.release()


@pytest.mark.parametrize("name", SURFACES)
def test_a_white_surface_under_a_white_sky_is_white(kinds: Probe, name: str) -> None:
    """The furnace. Layers by albedo scaling are near, not exact: the tracer's own tests allow them as much."""
    row = list(all_kinds()).index("dome")
    answers = kinds.ask(SHADE.format(surface=SURFACES[name]), questions([1.0, 0.8, 0.5, 0.25], row))
    assert answers[:, :3] == pytest.approx(1.0, abs=0.06 if name in ("coat", "fuzz") else 0.035)


@pytest.mark.parametrize("name", SURFACES)
def test_a_sky_with_a_white_picture_is_that_sky(device: Device, name: str) -> None:
    """Draws from the lobes and maps of the sky against tables alone."""
    image = make_image(np.ones((64, 128, 3), np.float32), colour_space="linear")
    both = [with_defaults(light("dome", image=0)), with_defaults(light("dome"))]
    probe = Probe(device, flat_scene(both, textures=[image]))
    mus = [1.0, 0.7, 0.4]
    pictured = probe.ask(SHADE.format(surface=SURFACES[name]), questions(mus, 0))
    plain = probe.ask(SHADE.format(surface=SURFACES[name]), questions(mus, 1))
    probe.release()
    assert pictured[:, :3] == pytest.approx(plain[:, :3], abs=0.05)


def test_a_lambert_surface_receives_what_photometry_says(kinds: Probe) -> None:
    """Straight below each light, with reflectance 1: lux over pi."""
    rows = list(all_kinds())
    surface = SURFACES["matte"]
    found = {name: kinds.ask(SHADE.format(surface=surface), questions([1.0], i))[0, 0] for i, name in enumerate(rows)}
    assert found["point"] == pytest.approx(1 / 4 / np.pi, rel=1e-4)
    assert found["spot"] == pytest.approx(1 / 4 / np.pi, rel=1e-4)
    assert found["sphere"] == pytest.approx((0.5 / 2.0) ** 2, rel=2e-3)
    assert found["disk"] == pytest.approx(0.25 / 4.25, rel=2e-3)
    x, y = 0.5, 0.25
    a, b = x / np.hypot(x, 2.0), y / np.hypot(y, 2.0)
    rectangle = 2 / np.pi * (a * np.arctan(y / np.hypot(x, 2.0)) + b * np.arctan(x / np.hypot(y, 2.0)))
    assert found["rectangle"] == pytest.approx(rectangle, rel=2e-3)
    assert found["distant"] == pytest.approx(1 / np.pi, rel=1e-3)
    assert found["dome"] == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("kind", ["rectangle", "disk"])
def test_the_back_of_a_flat_light_is_dark_unless_it_has_two_sides(device: Device, kind: str) -> None:
    one, two = (with_defaults(light(kind, size=(1.0, 1.0), at=placed((0, 0, 2), (0, 0, 1)))) for _ in range(2))
    two["flags"] |= TWO_SIDED
    probe = Probe(device, flat_scene([one, two]))
    dark = probe.ask(SHADE.format(surface=""), questions([1.0, 0.5], 0))
    lit = probe.ask(SHADE.format(surface=""), questions([1.0, 0.5], 1))
    probe.release()
    assert (dark[:, :3] == 0.0).all()
    assert (lit[:, :3] > 0.0).all()


def test_gains_divide_diffuse_from_specular(device: Device) -> None:
    rows = [with_defaults(light("sphere", size=(0.3, 0.0), at=placed((0, 0, 2)))) for _ in range(4)]
    rows[1]["gain"], rows[2]["gain"] = (0.0, 1.0), (1.0, 0.0)
    rows[3]["flags"] &= ~np.uint32(2)  # not in reflections
    probe = Probe(device, flat_scene(rows))
    whole, specular, diffuse, hidden = (
        probe.ask(SHADE.format(surface=""), questions([0.9], i))[0, :3] for i in range(4)
    )
    probe.release()
    assert specular + diffuse == pytest.approx(whole, rel=1e-5)
    assert hidden == pytest.approx(diffuse)
    assert (specular > 0.0).all()
    assert (diffuse > 0.0).all()


@pytest.mark.parametrize("name", ["matte", "gloss", "metal"])
@pytest.mark.parametrize("kind", ["point", "rectangle", "dome"])
def test_the_short_programs_say_what_the_full_one_says(kinds: Probe, name: str, kind: str) -> None:
    row = list(all_kinds()).index(kind)
    asked = questions([1.0, 0.6, 0.2], row, point=(0.3, 0.2, 0.0), normal=(0.2, 0.1, 1.0))
    full = kinds.ask(SHADE.format(surface=SURFACES[name]), asked)
    short = kinds.ask(SHADE.format(surface=SURFACES[name]), asked, family=0 if name == "matte" else 1)
    assert short[:, :3] == pytest.approx(full[:, :3], rel=2e-3)


HARD = (
    "s.roughness = 0.0;",
    "s.metalness = 1.0; s.roughness = 1.0; s.anisotropy = 1.0;",
    "s.coat_weight = 1.0; s.coat_color = vec3(0.0); s.coat_ior = 1.0; s.fuzz_weight = 1.0; s.fuzz_roughness = 0.0;",
    "s.transmission_weight = 1.0; s.ior = 1.0; s.roughness = 0.0;",
    "s.transmission_weight = 1.0; s.thin_walled = true; s.thin_film_weight = 1.0; s.thin_film_thickness = 1e9;",
    "s.specular_weight = 1e9; s.base_color = vec3(7.0); s.specular_color = vec3(-1.0); s.roughness = -3.0;",
    "s.T = vec3(0.0); s.diffuse_roughness = 1.0; s.ior = 100.0;",
)


@pytest.mark.parametrize("surface", HARD)
def test_nothing_makes_it_break(kinds: Probe, surface: str) -> None:
    """On the light, inside it, in its plane, far away, at grazing views, from behind: finite and not negative."""
    rows = all_kinds()
    asked = []
    for row in range(len(rows)):
        for point in (
            (0, 0, 2),
            (0.5, 0, 2),
            (0, 0, 1.999999),
            (0, 0, 1.7),
            (0, 0, 2.4),
            (1e5, 0, 0),
            (0.1, 0, 2),
            (0.6, 0.1, 2),
        ):
            for normal in ((0, 0, 1), (1, 0, 0), (0, 0, -1)):
                asked.append(questions([1.0, 0.5, 1e-3, 0.0], row, point=point, normal=normal))
    answers = kinds.ask(SHADE.format(surface=surface), np.concatenate(asked))
    assert np.isfinite(answers).all()
    assert (answers[:, :3] >= 0.0).all()


AFAR = SHADE.replace(
    "answer = vec4(shade_light(c, ask(1).xyz, int(ask(0).y)), float(c.mu > 0.0));",
    """bool near;
    answer.rgb = shade_afar(c, ask(1).xyz, int(ask(0).y), near);
    answer.a = near ? 1.0 : 0.0;""",
)


@pytest.mark.parametrize("surface", ["gloss", "rough metal", "coat"])
def test_the_form_from_afar_is_the_long_form_or_says_that_it_is_not(kinds: Probe, surface: str) -> None:
    """Point, spot, rectangle, disk and sphere from 40 m and from 0.5 m; other kinds always ask for the long form."""
    rows = list(all_kinds())
    text = SURFACES[surface] + (" s.coat_roughness = 0.6;" if surface == "coat" else "")
    for row, name in enumerate(rows):
        for height, rough in ((-38.0, True), (1.5, False)):
            asked = questions([1.0, 0.6], row, point=(0.4, 0.2, height))
            long = kinds.ask(SHADE.format(surface=text), asked)[:, :3]
            short = kinds.ask(AFAR.format(surface=text), asked)
            near = short[:, 3] > 0.5
            assert near.all() == near.any()
            if name in ("cylinder", "distant", "dome"):
                assert near.all()
            elif name in ("point", "spot"):
                assert not near.any()
            else:
                assert near.all() != rough
            assert (short[near, :3] == 0.0).all()
            assert short[~near, :3] == pytest.approx(long[~near], rel=1e-3, abs=1e-7)


def test_an_emissive_sheet_is_the_rectangle_of_its_size(device: Device) -> None:
    at = placed((0.2, 0.1, 1.5), (0.1, 0.2, -1.0))
    rows = [
        light("mesh", at=at, instance=0),
        light("rectangle", size=(1.2, 0.8), at=at),
    ]
    flat = flat_scene([with_defaults(r) for r in rows], [mesh_instance(sheet(1.2, 0.8, 4), at)])
    flat.materials[0, :] = 0.0
    probe = Probe(device, flat)
    asked = [questions([0.9, 0.4], i, point=(0.3, -0.2, 0.1)) for i in range(2)]
    mesh, rectangle = (probe.ask(SHADE.format(surface="s.roughness = 0.2;"), a)[:, :3] for a in asked)
    probe.release()
    assert mesh == pytest.approx(rectangle, rel=2e-3)


def test_every_kind_of_light_is_asked_here() -> None:
    assert {*all_kinds(), "mesh", "portal"} == set(KINDS)  # a portal is no row of lights
