"""The audit of lights: what it finds is there, and what it predicts is what the renderer then does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from studio.errors import Cancelled, UsageError
from studio.render import audit_render
from studio.render.audit_render import linked_out, quick_size, run_audit, with_shadows
from studio.render.light_audit import NO_LEVELS, VISIBLE_LEVELS, Auditor, Finding, Shot, agreed, findings, white_of
from studio.render.session import RenderSession
from studio.scene import color, edits, linking
from studio.scene.lights import Light
from studio.scene.scene import Scene
from tests.render.scenes import aimed, box, eye, floor, matte, quad, scene_of, thing

H, W = 45, 80


def lamp(x: float, candela: float, **fields: Any) -> Light:
    return Light(
        light="point",
        unit="cd",
        intensity=candela,
        seen_by_camera=False,
        **{"translation": (x, 1.0, 1.0), "radius_m": 0.0, **fields},
    )


@pytest.fixture(scope="module")
def stage() -> Scene:
    """A floor with two boxes before a wall; see the names of the lights for what is wrong with them."""
    things = [
        thing(floor(4.0), matte(0.6, 0.5, 0.4), name="floor"),
        thing(box((1.5, 1.0, 0.05), (0.0, 1.0, -2.0)), matte(0.7), name="wall"),
        thing(box((0.3, 0.3, 0.3), (-1.2, 0.3, 0.0)), matte(0.8, 0.2, 0.2), name="red"),
        thing(box((0.3, 0.3, 0.3), (1.2, 0.3, 0.0)), matte(0.2, 0.3, 0.8), name="blue"),
        thing(box((0.5, 0.5, 0.5), (0.0, -3.0, 0.0)), matte(0.5), name="tomb"),
    ]
    key = {"light": "rectangle", "unit": "nt", "intensity": 200.0, "width_m": 1.0, "height_m": 1.0}
    lights = [
        Light(name="key", seen_by_camera=False, **key, **aimed((1.5, 3.5, 2.5), (0, 0, 0))),
        lamp(0.0, 0.5, name="behind the wall", translation=(0.0, 0.4, -2.4)),
        lamp(0.0, 5.0, name="buried", translation=(0.0, -3.0, 0.0)),
        lamp(-1.0, 0.008, name="weak left"),
        lamp(1.0, 0.008, name="weak right"),
        lamp(0.0, 400.0, name="hot", translation=(1.0, 0.35, 1.2)),
        Light(
            light="spot",
            unit="cd",
            intensity=60.0,
            casts_shadows=False,
            seen_by_camera=False,
            name="leaky",
            outer_cone_deg=25.0,
            inner_cone_deg=20.0,
            **aimed((0.0, 1.0, -3.5), (0.0, 0.2, 0.0)),
        ),
    ]
    return scene_of(things, lights, camera=eye((0.0, 1.6, 5.0), (0.0, 0.6, 0.0), fov_y=45.0, exposure_ev=-3.0))


LIGHTS = {name: f"light{n}" for n, name in enumerate(("key", "behind", "buried", "weak l", "weak r", "hot", "leaky"))}


@pytest.fixture(scope="module")
def session():
    with RenderSession(device="cpu", threads=2, every_aov=True) as made:
        yield made


@pytest.fixture(scope="module")
def audited(stage: Scene, session: RenderSession) -> tuple[Auditor, tuple[Finding, ...]]:
    return run_audit(stage, 1.0, session=session, pixels=H * W * 2)


def of(found: tuple[Finding, ...], kind: str) -> list[Finding]:
    return [finding for finding in found if finding.kind == kind]


# --- a rendered scene ------------------------------------------------------------------------------------------------
def test_a_buried_lamp_brings_nothing_and_is_told_where_it_is(audited) -> None:
    _, found = audited
    nothing = {f.ids[0]: f for f in of(found, "nothing")}
    buried = nothing[LIGHTS["buried"]]
    assert buried.error.rms == 0.0 == buried.error.levels and buried.inside == "thing4" and buried.act == "mute"
    assert LIGHTS["key"] not in nothing and LIGHTS["hot"] not in nothing


def test_the_weak_go_together_and_stay_unseen(audited) -> None:
    auditor, found = audited
    (weak,) = of(found, "weak")
    assert {LIGHTS["weak l"], LIGHTS["weak r"], LIGHTS["buried"]} <= set(weak.ids)
    assert LIGHTS["key"] not in weak.ids and LIGHTS["hot"] not in weak.ids
    assert weak.error.levels < VISIBLE_LEVELS
    assert weak.gain == pytest.approx(auditor.cost(weak.ids))


def test_a_lamp_without_shadows_leaks_through_the_wall(audited, stage: Scene) -> None:
    _, found = audited
    (leak,) = of(found, "leak")
    assert leak.ids == (LIGHTS["leaky"],) and leak.part > 0.5 and leak.act == "shadows"
    assert stage.entities[leak.ids[0]].casts_shadows is False
    assert with_shadows(stage, leak.ids).entities[leak.ids[0]].casts_shadows


def test_a_hotspot_names_its_lamp_and_its_stops(audited) -> None:
    auditor, found = audited
    hot = {f.ids[0]: f for f in of(found, "hotspot")}
    assert set(hot) == {LIGHTS["hot"]}
    assert hot[LIGHTS["hot"]].stops > 0.0 and hot[LIGHTS["hot"]].act == "dim"
    x, y = hot[LIGHTS["hot"]].error.place
    assert 0.5 < x < 0.9 and 0.3 < y < 0.9  # before the blue box
    assert auditor.white == pytest.approx(white_of(color.DEFAULT_VIEW) * 8.0)


def test_samples_are_shared_out_wholly_and_the_gain_is_sorted(audited) -> None:
    auditor, found = audited
    assert auditor.shot.costs.sum() == pytest.approx(1.0, abs=1e-6) and (auditor.shot.costs > 0).all()
    assert [f.gain for f in found] == sorted((f.gain for f in found), reverse=True)


def test_muting_what_was_found_changes_the_picture_as_predicted(audited, stage: Scene, session: RenderSession) -> None:
    """Two-sided z-tests at 1e-4 over 24 regions: the mean that the audit says goes is what a render without it lacks.

    Both renders are independent of the audit's, each of eight seeds, whose spread is the noise.
    """
    auditor, found = audited
    (weak,) = of(found, "weak")
    gone = [LIGHTS["hot"], *weak.ids]  # with one that is seen, or the test would be of zeros
    predicted = auditor.shot.halves[:, [auditor.row[id_] for id_ in gone]].sum(1)
    size = predicted.shape[2], predicted.shape[1]
    lit = regions(pictures(stage, session, size))
    dark = regions(pictures(edits.mute(stage, gone), session, size, first=50))
    said = regions(predicted)
    measured, spread = lit.mean(0) - dark.mean(0), lit.var(0, ddof=1) / len(lit) + dark.var(0, ddof=1) / len(dark)
    noise = spread + (said[0] - said[1]) ** 2 / 4 + 1e-12
    t = (measured - said.mean(0)) / np.sqrt(noise)
    assert np.abs(t).max() < stats.t.isf(0.5e-4 / t.size, 7)
    assert np.abs(measured).max() > 5.0 * np.sqrt(spread.max())  # there was something to be seen


def pictures(scene: Scene, session: RenderSession, size: tuple[int, int], *, first: int = 30) -> np.ndarray:
    from studio.render.settings import RenderSettings
    from studio.scene.flatten import flatten

    flat = flatten(scene, 1.0)
    settings = [
        RenderSettings(width=size[0], height=size[1], samples=8, depth=audit_render.DEPTH, seed=first + k)
        for k in range(8)
    ]
    return np.stack([session.render_frame(flat, each).film.rgb("") for each in settings])


def regions(pixels: np.ndarray) -> np.ndarray:
    """Mean luminance over 4 x 6 regions: (n, h, w, 3) -> (n, 24)."""
    light = pixels @ np.array(color.luminance_weights())
    rows = np.array_split(np.arange(light.shape[1]), 4)
    columns = np.array_split(np.arange(light.shape[2]), 6)
    return np.stack([light[:, r][:, :, c].mean((1, 2)) for r in rows for c in columns], 1)


def test_linking_out_changes_the_picture_as_predicted_and_frees_samples(session: RenderSession) -> None:
    """Two rooms with a lamp each behind a wall between them: each is linked to its own. z-tests as for muting."""
    rooms = [thing(quad((x, 0.0, 0.0), (1.0, 0, 0), (0, 0, -1.5)), matte(0.6), name=f"floor {x}") for x in (-1.1, 1.1)]
    wall = thing(box((0.05, 1.5, 1.6), (0.0, 1.5, 0.0)), matte(0.5), name="between")
    lamps = [lamp(x, 2.0, name=f"lamp {x}", translation=(x, 0.8, 0.0)) for x in (-1.1, 1.1)]
    view = eye((0.0, 4.5, 4.5), (0.0, 0.2, 0.0), fov_y=35.0, exposure_ev=1.0)
    scene = scene_of([*rooms, wall], lamps, camera=view)
    auditor, found = run_audit(scene, 1.0, session=session, pixels=H * W, samples=64)
    links = of(found, "link")
    assert {(f.ids[0], f.objects) for f in links} == {("light0", ("thing1",)), ("light1", ("thing0",))}
    assert all(f.error.levels < NO_LEVELS and 0.0 < f.gain < f.cost for f in links)
    joint = auditor.proposed(links)
    assert joint.levels < VISIBLE_LEVELS
    size = auditor.picture.shape[1], auditor.picture.shape[0]
    lit = regions(pictures(scene, session, size))
    out = regions(
        pictures(linked_out(scene, ["light0", "light1"], [f.objects for f in sorted(links, key=first)]), session, size)
    )
    spread = (lit.var(0, ddof=1) + out.var(0, ddof=1)) / len(lit) + 1e-12
    lost = joint.rms * float(auditor.luminance.mean())
    t = (np.abs(lit.mean(0) - out.mean(0)) - 4.0 * lost) / np.sqrt(spread)
    assert t.max() < stats.t.isf(1e-4 / t.size, 7)


def first(finding: Finding) -> str:
    return finding.ids[0]


def test_what_muting_frees_goes_to_the_other_lights(audited, stage: Scene, session: RenderSession) -> None:
    """Shares after muting are those of before without the muted, to what another learning finds differently."""
    auditor, found = audited
    (weak,) = of(found, "weak")
    gone = [*weak.ids, LIGHTS["leaky"], LIGHTS["hot"]]
    after, _ = run_audit(edits.mute(stage, gone), 1.0, session=session, pixels=H * W * 2)
    assert not set(gone) & set(after.shot.ids)
    freed = auditor.cost(gone)
    assert freed > 0.1  # enough to see
    for id_ in after.shot.ids:
        assert after.cost((id_,)) == pytest.approx(auditor.cost((id_,)) / (1.0 - freed), abs=0.02)


# --- costs by draws --------------------------------------------------------------------------------------------------
def test_expected_shares_are_those_of_drawing() -> None:
    """A chi-square test at 1e-4: lights drawn at the visited points come as often as `pick_shares` says."""
    pytest.importorskip("taichi")
    from studio.render.tracer import lightpick
    from studio.render.tracer.pick_shares import pick_shares

    random = np.random.default_rng(5)
    lights, cells = 5, 40
    hashes = random.integers(-(2**31), 2**31, (cells, 2)).astype(np.int32)
    hashes[:, 1] |= 1
    around = random.integers(-(2**31), 2**31, (6, 2)).astype(np.int32)
    around[:, 1] |= 1
    coarse = around[random.integers(0, 6, cells)]
    order = np.argsort((hashes[:, 0].astype(np.uint32).astype(np.uint64) << 32) | hashes[:, 1].astype(np.uint32))
    hashes = hashes[order]
    pairs = np.array([(c, l, 0) for c in range(cells) for l in range(lights) if random.random() < 0.6], np.int32)
    value = random.random(len(pairs)).astype(np.float32)
    value[pairs[:, 0] % 5 == 0] = 0.0  # dark cells go by what is around them
    power = random.random(lights).astype(np.float32)
    links = np.zeros(cells, np.int32)
    slots, prints = hashes[:, 0].copy().view(np.uint32), hashes[:, 1].copy().view(np.uint32)
    learned = lightpick.Learned(prints, slots, pairs, value, cells, np.zeros(6, np.float32), coarse, links)
    met = hashes[random.integers(0, cells, 3000)]
    (shares,) = pick_shares(learned, met, power)
    assert shares.sum() == pytest.approx(1.0, abs=1e-9)
    more = lightpick.parents(coarse, pairs, value, lights)
    table = lightpick.make_table(
        np.concatenate([prints, more[0]]),
        np.concatenate([slots, more[1]]),
        np.concatenate([pairs, more[2]]),
        np.concatenate([value, more[3]]),
        cells + len(more[0]),
        power,
        np.zeros(6, np.float32),
    )
    key = {tuple(h): c for c, h in enumerate(hashes.tolist())}
    fine = {p: int(row[1]) for row in table.keys if (p := int(row[0])) != 0}
    counts = np.zeros(lights)
    by_power = np.diff(table.power_cdf.astype(float), prepend=0.0)
    draws = 40
    for point in met.tolist():
        cell = key[tuple(point)]
        found = fine.get(int(prints[cell].view(np.int32)))
        if found is None:
            found = fine.get(int(coarse[cell, 1]))
        p = by_power.copy()
        if found is not None:
            a, b = table.start[found], table.start[found + 1]
            p *= lightpick.DEFENSIVE
            np.add.at(
                p, table.light[a:b], (1 - lightpick.DEFENSIVE) * np.diff(table.cdf[a:b].astype(float), prepend=0.0)
            )
        counts += random.multinomial(draws, p / p.sum())
    assert stats.chisquare(counts, shares / shares.sum() * counts.sum()).pvalue > 1e-4


# --- made shots ------------------------------------------------------------------------------------------------------
def shot_of(layers: np.ndarray, **more: Any) -> Shot:
    """A shot without noise: both halves are alike."""
    halves = np.stack([layers, layers]).astype(np.float32)
    fields = {
        "ids": tuple(f"l{n}" for n in range(len(layers))),
        "halves": halves,
        "beauty": halves.sum(1),
        "costs": np.full(len(layers), 1.0 / len(layers)),
        "view": color.PLAIN_VIEW,
    }
    return Shot(**(fields | more))


def test_effects_are_exact_for_any_choice() -> None:
    layers = np.zeros((3, 8, 16, 3))
    layers[0], layers[1], layers[2, 2, 3] = 0.2, 0.1, 0.05
    auditor = Auditor(shot_of(layers))
    effect = auditor.removed(("l1", "l2"))
    before, after = (
        color.display_transform(np.full((1, 1, 3), v, np.float32), view=color.PLAIN_VIEW) for v in (0.35, 0.2)
    )
    assert effect.levels == pytest.approx(255 * float((before - after)[0, 0, 0]), abs=0.01)
    assert effect.stops == pytest.approx(np.log2(0.35 / 0.2), abs=1e-3)
    assert effect.place == (3.5 / 16, 2.5 / 8)
    total = np.full((8, 16), 0.1)
    total[2, 3] = 0.15
    assert effect.rms == pytest.approx(np.sqrt((total**2).mean()) / (0.3 + 0.05 / 128), rel=1e-3)
    assert auditor.removed(()).levels == 0.0


def test_lights_that_are_nothing_alone_may_be_too_much_together() -> None:
    layers = np.zeros((41, 8, 16, 3))
    layers[0], layers[1:] = 0.5, 0.0006
    found = findings(Auditor(shot_of(layers)))
    assert len(of(found, "nothing")) == 40
    (weak,) = of(found, "weak")
    assert 2 <= len(weak.ids) < 40 and weak.error.levels < VISIBLE_LEVELS
    assert Auditor(shot_of(layers)).removed([f"l{n}" for n in range(1, 41)]).levels > VISIBLE_LEVELS


def test_a_light_of_few_objects_is_linked_to_them() -> None:
    layers = np.zeros((2, 8, 16, 3))
    layers[0], layers[1, :, :4] = 0.4, 0.2
    coverage = np.zeros((2, 8, 16), np.float32)
    coverage[0, :, :4] = coverage[1, :, 4:] = 1.0
    shot = shot_of(layers, objects=("near", "far"), coverage=coverage)
    (link,) = of(findings(Auditor(shot)), "link")
    assert (link.ids, link.objects, link.part) == (("l1",), ("far",), 0.75)
    assert link.error.levels == 0.0
    told = replace(shot, linked=(("l1", frozenset({"near"})),))
    assert of(findings(Auditor(told)), "link") == []


def test_proposals_of_all_kinds_are_predicted_together() -> None:
    layers = np.zeros((3, 8, 16, 3))
    layers[0], layers[1, :, :4], layers[2] = 0.4, 0.2, 0.001
    layers[1, :, 4:] = 0.0005  # what the link costs
    coverage = np.zeros((2, 8, 16), np.float32)
    coverage[0, :, :4] = coverage[1, :, 4:] = 1.0
    shot = shot_of(layers, objects=("near", "far"), coverage=coverage)
    auditor = Auditor(shot)
    found = findings(auditor)
    link = next(f for f in of(found, "link") if f.ids == ("l1",))
    mute = replace(link, kind="nothing", ids=("l2",), act="mute", objects=())
    together = auditor.proposed([link, mute, mute])
    picture = np.full((1, 1, 3), 0.4015, np.float32)
    before, after = (color.display_transform(p, view=color.PLAIN_VIEW) for p in (picture, picture - 0.0015))
    assert together.levels == pytest.approx(255 * float((before - after).max()), abs=0.01)
    assert together.place[0] > 4 / 16 and link.error.levels < together.levels


def test_noise_of_one_half_is_no_light() -> None:
    """A highlight is in both halves, a lucky path in one."""
    halves = np.zeros((2, 6, 6, 3), np.float32)
    halves[:, 2, 2] = 1.0
    halves[0, 5, 5] = 40.0
    kept = agreed(halves)
    assert kept[2, 2, 0] == 1.0 and kept[5, 5, 0] == 0.0


def test_the_emission_of_a_lamp_itself_is_no_hotspot() -> None:
    layers = np.full((1, 16, 16, 3), 0.2)
    layers[0, :3, :3] = 8.0
    shot = shot_of(layers)
    assert of(findings(Auditor(shot)), "hotspot")
    lamp_seen = np.zeros((16, 16), np.float32)
    lamp_seen[:3, :3] = 7.9
    assert of(findings(Auditor(replace(shot, seen=lamp_seen))), "hotspot") == []


def test_dimming_as_proposed_brings_a_hotspot_to_white() -> None:
    layers = np.full((2, 16, 16, 3), 0.1)
    layers[1, :4, :4] = 5.9
    auditor = Auditor(shot_of(layers))
    (hot,) = of(findings(auditor), "hotspot")
    after = layers[0, 0, 0, 0] + layers[1, 0, 0, 0] * 2.0**-hot.stops
    assert hot.ids == ("l1",) and after == pytest.approx(auditor.white, rel=0.02)


# --- the edges -------------------------------------------------------------------------------------------------------
def test_links_that_are_proposed_keep_objects_out_of_the_shot(stage: Scene) -> None:
    after = linked_out(stage, ["light0"], [("thing1", "gone")])
    assert linking.linked(after, "light0") == {"thing0", "thing2", "thing3", "thing4"}


def test_a_scene_in_which_nothing_shines_is_told(session: RenderSession) -> None:
    with pytest.raises(UsageError, match="nothing shines"):
        run_audit(scene_of([thing(floor(), matte(0.5))], []), 1.0, session=session)


def test_a_cancelled_audit_ends(stage: Scene) -> None:
    with RenderSession(device="cpu", threads=2, every_aov=True) as own, pytest.raises(Cancelled):
        run_audit(stage, 1.0, session=own, pixels=H * W, stop=lambda: True)


def test_thousands_of_lights_make_a_smaller_picture() -> None:
    assert quick_size((1920, 1080), 7) == (160, 90)
    width, height = quick_size((1920, 1080), 20_000)
    assert width * height * 20_000 * 24 <= 300 << 20 and width > height
    assert NO_LEVELS < VISIBLE_LEVELS
