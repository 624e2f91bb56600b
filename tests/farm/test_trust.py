"""Trust: sound partials pass, forged ones never reach the merge, and who forges is checked more, then not believed.

The renderer here is a few lines of numpy with the one property that counts: a sample is a function of its pixel and its
number. Statistical tests: two blocks are refused at 5 standard errors, one at 8 (6e-7 and 1e-15 for normal errors); the
tests of sound renders look at about 3,000 blocks, with fixed seeds.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset, CannotWrite, DeviceFault
from studio.farm.jobs import RenderJob, claimed, part_key
from studio.farm.merge import merged
from studio.farm.model import JobSpec, Lease, NodeInfo, Piece, Range, Result
from studio.farm.service import Service
from studio.farm.store import open_store
from studio.farm.trust.inspector import (
    Check,
    Inspector,
    Reputation,
    TrustPolicy,
    canary_of,
    check_canary,
    check_crop,
    chosen,
    detection,
    rate_of,
)
from studio.farm.trust.likeness import (
    BLOCK,
    Forged,
    block_z,
    check_plausible,
    check_same,
    contradicted,
    strangeness,
)
from studio.farm.verify import digest_of, plain_settings
from studio.render.film import UNIT_EXPONENT, Channel, Crop, Film, in_half
from studio.render.partial import Header, settings_digest, write_partial
from studio.render.settings import RenderSettings

W, H, EXPONENT = 96, 64, 24
PIECE = Piece(frame=1.0, samples=64)
JOB = RenderJob(
    spec=JobSpec(id="j", name="hall", bundle="b", pieces=(PIECE,)),
    settings=RenderSettings(width=W, height=H, samples=64),
)
CHANNELS = (*(Channel(name, EXPONENT) for name in "RGB"), Channel("A", UNIT_EXPONENT))
SECRET = b"known to nobody"


@functools.cache
def truth(scene: int) -> np.ndarray:
    """The picture that a scene converges to, in nits: a gradient and a few lamps."""
    rng = np.random.default_rng(scene)
    y, x = np.mgrid[0:H, 0:W] / H
    picture = np.stack([1.0 + x, 1.0 + y, 2.0 - y], -1) * rng.uniform(0.5, 2.0, 3)
    for _ in range(4):
        cx, cy = rng.uniform(0, W / H), rng.uniform(0, 1)
        picture += 20.0 * np.exp(-200.0 * ((x - cx) ** 2 + (y - cy) ** 2))[..., None]
    return picture


@functools.lru_cache(512)
def sample(number: int, scene: int, seed: int, noisy: bool) -> tuple[np.ndarray, np.ndarray]:
    """A sample of every pixel in fixed point, and its squared luminance."""
    layout = Film.empty(1, 1, channels=CHANNELS, exponent=EXPONENT).layout
    rng = np.random.default_rng((scene, seed, number))
    noise = rng.lognormal(-0.72, 1.2, (H, W, 1)) if noisy else 1.0
    rgb = np.minimum(truth(scene) * noise, layout.limit)
    luminance = rgb @ np.array(layout.luminance)
    squared = np.rint(luminance**2 * 2.0**layout.square_exponent).astype(np.int64)
    return np.rint(rgb * 2.0**EXPONENT).astype(np.int64), squared


def render(samples: Range, *, scene: int = 1, seed: int = 0, crop: Crop | None = None, noisy: bool = True) -> Film:
    """Samples of a scene: heavy-tailed noise, a few of which are fireflies."""
    film = Film.empty(W, H, channels=CHANNELS, exponent=EXPONENT)
    for number in range(*samples):
        fixed, squared = sample(number, scene, seed, noisy)
        film.sums[..., :3] += fixed
        film.sums[..., 3] += 1 << UNIT_EXPONENT
        film.squares += squared
        if in_half(number):
            film.halves += fixed
            film.half_counts += 1
        film.counts += 1
    return film.cut(crop) if crop else film


def header(samples: Range, *, device: str = "cpu-a") -> Header:
    return Header(
        scene="s",
        build="1+x",
        backend="cpu",
        device=device,
        frame=1.0,
        settings=settings_digest(plain_settings(JOB)),
        ranges=(samples,),
        total=(0, 64),
    )


def rerender(job: RenderJob, piece: Piece, samples: Range, crop: Crop, blocks: str = "") -> tuple[Film, Header]:
    return render(samples, crop=crop), header(samples)


# --- forgeries -------------------------------------------------------------------------------------------------------
def flipped(film: Film) -> Film:
    film.sums[..., :3] = film.sums[::-1, :, :3].copy()
    film.squares[...] = film.squares[::-1].copy()
    film.halves[...] = film.halves[::-1].copy()
    return film


def black(film: Film) -> Film:
    film.sums[..., :3] = 0
    film.squares[...] = 0
    film.halves[...] = 0
    return film


def noise(film: Film) -> Film:
    rng = np.random.default_rng(5)
    order = rng.permutation(W * H)
    for array in (film.sums, film.squares, film.halves):
        array[...] = array.reshape(W * H, -1)[order].reshape(array.shape)
    return film


def few_samples(film: Film) -> Film:
    """A quarter of the samples, four times over: the cheapest forgery."""
    quarter = render((0, 4))
    for name in ("sums", "squares", "halves"):
        getattr(film, name)[...] = 4 * getattr(quarter, name)
    film.half_counts[...] = 4 * quarter.half_counts
    return film


def brighter(film: Film) -> Film:
    film.sums[..., 0] += film.sums[..., 0] // 3
    film.halves[..., 0] += film.halves[..., 0] // 3
    return film


FORGERIES = {
    "flipped": flipped,
    "other scene": lambda film: render((0, int(film.counts.max())), scene=2),
    "black": black,
    "noise": noise,
    "few samples": few_samples,
    "brighter": brighter,
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_told_by_its_bits_within_a_class_of_device(name: str):
    film = FORGERIES[name](render((0, 16)))
    crop = check_crop(SECRET, name, film.crop, 0.0625)
    with pytest.raises(Forged, match="made up"):
        check_same(film, render((0, 16), crop=crop), same_class=True)


@pytest.mark.parametrize("name", [n for n in FORGERIES if n != "few samples"])
def test_a_forgery_is_told_by_its_means_across_classes(name: str):
    film = FORGERIES[name](render((0, 16)))
    with pytest.raises(Forged, match="standard errors"):
        check_same(film, render((0, 16)), same_class=False)


def test_a_sound_partial_passes_bit_by_bit_and_on_another_device():
    film = render((8, 24))
    for number in range(8):
        crop = check_crop(SECRET, str(number), film.crop, 0.0625)
        check_same(film, render((8, 24), crop=crop), same_class=True)
    # another device: every value a little off, and a path in a hundred another one altogether
    rng = np.random.default_rng(3)
    other = render((8, 24))
    other.sums[..., :3] += rng.integers(-50, 50, other.sums[..., :3].shape)
    parted, lost = rng.random((H, W)) < 0.01, render((8, 24), seed=9)
    for array, theirs in zip(other.buffers().values(), lost.buffers().values(), strict=True):
        if array.shape[:2] == (H, W):
            array[parted] = theirs[parted]
    check_same(film, other, same_class=False)
    with pytest.raises(Forged):
        check_same(film, other, same_class=True)


def test_independent_samples_of_one_scene_agree_within_the_stated_error():
    """The hardest sound case: no common random numbers, and fireflies. 120 films of 24 blocks, none refused."""
    found = [block_z(render((0, 16), seed=2 * i + 1), render((0, 16), seed=2 * i + 2)) for i in range(120)]
    assert max(strangeness(z) for z in found) < 1.0
    # the errors are those that are claimed, not a hundred times more
    assert 1.5 < float(np.median([np.abs(z).max() for z in found])) < 4.5


def test_the_suspects_own_spread_counts_for_nothing():
    film = black(render((0, 16)))
    film.squares[...] = np.iinfo(np.int64).max // 4
    with pytest.raises(Forged):
        check_same(film, render((0, 16)), same_class=False)


# --- sanity ----------------------------------------------------------------------------------------------------------
def test_a_real_film_is_plausible():
    check_plausible(render((0, 8)))
    check_plausible(render((0, 8), noisy=False))
    check_plausible(Film.empty(4, 4, channels=CHANNELS, exponent=EXPONENT))


@pytest.mark.parametrize("what", ["nan", "behind", "bright", "squares", "no spread", "halves"])
def test_sums_that_no_samples_have_are_refused(what: str):
    film = render((0, 8))
    if what in ("nan", "behind"):
        layout = Film.empty(W, H, channels=CHANNELS, exponent=EXPONENT, minima=("depth",))
        layout.minima[3, 4] = math.nan if what == "nan" else -1.0
        film = layout
    elif what == "bright":
        film.sums[0, 0, 0] = np.iinfo(np.int64).max
    elif what == "squares":
        film.squares[0, 0] = -1
    elif what == "no spread":
        film.squares[5, 5] = 0
    else:
        film.half_counts[0, 0] = 99
    with pytest.raises(Forged, match="made up"):
        check_plausible(film)


@pytest.mark.parametrize("name", ["flipped", "other scene", "black", "noise", "brighter"])
def test_other_slices_speak_against_a_forgery(name: str):
    assert contradicted(FORGERIES[name](render((0, 16))), render((16, 64)))


def test_other_slices_do_not_speak_against_a_sound_partial():
    assert not any(contradicted(render((0, 16), seed=s), render((16, 64), seed=s)) for s in range(10))


# --- choosing --------------------------------------------------------------------------------------------------------
def test_so_many_units_are_chosen_as_the_rate_says_and_only_who_knows_the_secret_knows_which():
    units = [f"u{i}" for i in range(20_000)]
    mine = {u for u in units if chosen(SECRET, u, 0.03)}
    assert 0.03 * 20_000 - 5 * math.sqrt(600) < len(mine) < 0.03 * 20_000 + 5 * math.sqrt(600)  # 5 standard errors
    assert mine == {u for u in units if chosen(SECRET, u, 0.03)}
    other = {u for u in units if chosen(b"another", u, 0.03)}
    assert len(mine & other) < 60


@given(unit=st.text(max_size=20), part=st.floats(0.001, 1.0), w=st.integers(1, 300), h=st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_the_part_that_is_checked_lies_within_the_unit(unit, part, w, h):
    x0, y0, x1, y1 = check_crop(SECRET, unit, (7, 9, 7 + w, 9 + h), part)
    assert 7 <= x0 < x1 <= 7 + w
    assert 9 <= y0 < y1 <= 9 + h
    assert x1 - x0 >= min(BLOCK, w)


def test_trust_lowers_the_rate_and_strangeness_raises_it():
    policy = TrustPolicy()
    assert rate_of(Reputation(), 0, policy) == 0.0
    assert rate_of(Reputation(), 3, policy) == 1.0  # on probation
    rates = [rate_of(Reputation(sound=n), 3, policy) for n in (3, 10, 50, 500)]
    assert rates == sorted(rates, reverse=True)
    assert all(0.02 <= rate <= 0.05 for rate in rates)
    assert rate_of(Reputation(sound=50, strange=2), 3, policy) > 0.2


def test_a_forger_is_caught_as_often_as_the_formula_says():
    rng = np.random.default_rng(11)
    caught = np.mean([(rng.random(50) < 0.03).any() for _ in range(4000)])
    assert abs(caught - detection(0.03, 1.0, 50)) < 5 * math.sqrt(0.25 / 4000)  # 5 standard errors at most
    assert round(detection(0.03, 1.0, 50), 2) == 0.78


def test_a_canary_knows_its_answer():
    canary = canary_of("j", PIECE, render((0, 8)), header((0, 8)))
    assert check_canary(canary, render((0, 8)), header((0, 8)))
    assert not check_canary(canary, render((0, 8)), header((0, 8), device="cpu-b"))
    with pytest.raises(Forged, match="another answer"):
        check_canary(canary, render((0, 8), seed=1), header((0, 8)))


# --- the whole street ------------------------------------------------------------------------------------------------
class Street:
    """A service with an inspector, and nodes that deliver whatever they like."""

    def __init__(self, tmp_path: Path, policy: TrustPolicy | None = None) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self.checks: list[Check] = []
        self.inspector = Inspector(
            node=self.nodes.get, rerender=rerender, secret=SECRET, policy=policy, listener=self.checks.append
        )
        self.service = Service(open_store(tmp_path), inspect=self.inspector.inspect)
        job = RenderJob(
            spec=JobSpec(id="j", name="hall", bundle="b", pieces=(PIECE,), retries=99), settings=JOB.settings
        )
        trusting = type(job.spec.needs)(trust=3)
        self.job = RenderJob(
            spec=JobSpec(id="j", name="hall", bundle="b", pieces=(PIECE,), retries=99, needs=trusting, expected_s=1.0),
            settings=JOB.settings,
        )
        self.service.submit(self.job)
        self.tmp = tmp_path

    def join(self, name: str, trust: int = 3) -> None:
        self.nodes[name] = NodeInfo(id=name, trust=trust, device="cpu-a", build="1+x", memory_bytes=1 << 30)
        self.service.join(self.nodes[name])

    def deliver(self, lease: Lease, samples: Range, film: Film, *, device: str = "cpu-a") -> str:
        path = self.tmp / "unit.part"
        write_partial(path, film, header(samples, device=device))
        key = part_key("j", PIECE, samples, lease.attempt)
        self.service.store.put(key, path.read_bytes())
        return self.service.deliver(lease, Result(range=samples, key=key, digest=digest_of(path.read_bytes())))

    def work(self, node: str, step: int = 8) -> None:
        while (lease := self.service.ask(node)) is not None:
            for first in range(lease.range[0], lease.range[1], step):
                samples = first, min(first + step, lease.range[1])
                assert self.deliver(lease, samples, render(samples)) == "taken"


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_partial_never_reaches_the_merge(tmp_path: Path, name: str):
    street = Street(tmp_path)
    street.join("evil")
    lease = street.service.ask("evil")
    assert lease is not None
    samples = (lease.range[0], lease.range[0] + min(16, lease.range[1] - lease.range[0]))
    film = FORGERIES[name](render(samples))
    film.counts[...] = samples[1] - samples[0]
    assert street.deliver(lease, samples, film) == "bad"
    assert claimed(street.service.store, street.job) == {}
    assert street.inspector.reputations["evil"].blocked
    # nothing of it is taken any more, and an honest node does it all
    street.join("good")
    street.work("good")
    results = street.service.coordinator.results("j", 0)
    film, _ = merged(street.service.store, street.job, 0, results)
    assert np.array_equal(film.sums, render((0, 64)).sums)


def test_samples_that_were_delivered_before_are_refused_under_another_name(tmp_path: Path):
    policy = TrustPolicy(first=(0.0,) * 4, least=(0.0,) * 4, probation=(0,) * 4)  # no spot checks to help
    street = Street(tmp_path, policy)
    street.join("evil")
    lease = street.service.ask("evil")
    assert lease is not None
    assert street.deliver(lease, (0, 4), render((0, 4))) == "taken"
    assert street.deliver(lease, (4, 8), render((0, 4))) == "bad"
    assert [c.kind for c in street.checks if not c.sound] == ["replay"]
    street.service.tick()
    assert street.service.coordinator.results("j", 0) == [], "nor does what it delivered before"


def test_who_delivers_the_samples_of_others_before_them_is_caught_and_not_they(tmp_path: Path):
    policy = TrustPolicy(first=(0.0,) * 4, least=(0.0,) * 4, probation=(0,) * 4)  # no spot checks to help
    street = Street(tmp_path, policy)
    street.join("evil")
    street.join("good")
    early, late = street.service.ask("evil"), street.service.ask("good")
    assert early is not None and late is not None
    theirs = late.range[0], late.range[0] + 4
    assert street.deliver(early, (early.range[0], early.range[0] + 4), render(theirs)) == "taken"
    assert street.deliver(late, theirs, render(theirs)) == "taken"
    assert street.inspector.reputations["evil"].blocked and not street.inspector.reputations["good"].blocked
    assert [(c.node, c.kind, c.sound) for c in street.checks] == [("evil", "replay", False), ("good", "spot", True)]


def test_two_units_that_have_the_same_samples_accuse_nobody():
    pieces = PIECE, Piece(frame=2.0, samples=64)
    still = RenderJob(spec=JobSpec(id="j", name="", bundle="b", pieces=pieces), settings=JOB.settings)
    policy = TrustPolicy(first=(0.0,) * 4, least=(0.0,) * 4, probation=(0,) * 4)
    inspector = Inspector(node=lambda id_: None, rerender=rerender, secret=SECRET, policy=policy)
    for row, node in enumerate("ab"):
        lease = Lease(job="j", piece=row, range=(0, 4), attempt=row, node=node, begun=0.0, expires=1.0)
        inspector.inspect(still, lease, Result(range=(0, 4), key="", digest=""), render((0, 4)), header((0, 4)))
    assert not any(found.blocked for found in inspector.reputations.values())


def test_samples_are_known_from_when_they_come_and_not_from_when_their_check_ends():
    job = RenderJob(spec=JobSpec(id="j", name="", bundle="b", pieces=(PIECE,)), settings=JOB.settings)
    film = render((0, 4))

    def deliver(node: str, samples: Range) -> None:
        lease = Lease(job="j", piece=0, range=samples, attempt=1, node=node, begun=0.0, expires=1.0)
        inspector.inspect(job, lease, Result(range=samples, key=node, digest=""), film, header((0, 4)))

    def meanwhile(job: RenderJob, piece: Piece, samples: Range, crop: Crop, blocks: str = "") -> tuple[Film, Header]:
        if samples == (0, 4):
            with pytest.raises(Forged, match="under another name"):
                deliver("b", (4, 8))
        return rerender(job, piece, samples, crop)

    inspector = Inspector(node=lambda id_: None, rerender=meanwhile, secret=SECRET)
    deliver("a", (0, 4))
    assert inspector.reputations["b"].blocked and not inspector.reputations["a"].blocked


def test_a_node_of_ones_own_is_not_checked_and_a_good_one_less_and_less(tmp_path: Path):
    street = Street(tmp_path)
    street.join("own", trust=0)
    street.work("own")
    assert street.checks == []
    again = Street(tmp_path / "b")
    again.join("good", trust=2)
    again.work("good")
    assert again.checks
    assert all(check.sound for check in again.checks)
    assert again.inspector.reputations["good"].sound == len(again.checks) < again.inspector.reputations["good"].units


def test_a_checker_that_fails_accuses_nobody(tmp_path: Path):
    street = Street(tmp_path)

    def broken(job: RenderJob, piece: Piece, samples: Range, crop: Crop, blocks: str = "") -> tuple[Film, Header]:
        raise DeviceFault("the device is gone")

    street.inspector._rerender = broken
    street.join("good")
    lease = street.service.ask("good")
    assert lease is not None
    with pytest.raises(CannotWrite, match="cannot be checked now"):
        street.deliver(lease, (0, 8), render((0, 8)))
    assert not street.inspector.reputations.get("good", Reputation()).blocked
    street.inspector._rerender = rerender
    assert street.deliver(lease, (0, 8), render((0, 8))) == "taken"


def test_noise_in_a_file_is_no_partial(tmp_path: Path):
    street = Street(tmp_path)
    street.join("evil")
    lease = street.service.ask("evil")
    assert lease is not None
    street.service.store.put("jobs/j/units/x.1.part", b"\x00" * 5000)
    digest = digest_of(b"\x00" * 5000)
    result = Result(range=(0, 8), key="jobs/j/units/x.1.part", digest=digest)
    assert street.service.deliver(lease, result) == "bad"
    assert issubclass(Forged, BadAsset)
