"""Who renders which samples of a live film: every sample belongs to one place, whatever is lent and taken back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from studio.render.film import Film, plan_layout
from studio.render.live_schedule import Schedule
from studio.render.live_share import Came, Share, film_layers, length, sample_at

LAYOUT = plan_layout(6, 4, aovs=("depth", "albedo"), exponent=20)


def film(samples: tuple[int, int], *, seed: int = 0) -> Film:
    """A film of a range of samples whose sums say which they are."""
    made = Film.of(LAYOUT)
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 1 << 20, made.sums.shape)
    for sample in range(*samples):
        made.sums[...] += noise * (sample + 1)
        made.counts[...] += 1
        np.minimum(made.minima, 100.0 - sample, out=made.minima)
    return made


def came(*samples: int, generation: int = 1, device: str = "cpu") -> Came:
    span = (samples[0], samples[1])
    return Came(film(span), span, generation, device)


def all_of(ranges) -> list[int]:
    return [sample for first, last in ranges for sample in range(first, last)]


def test_at_first_this_machine_has_the_first_samples_and_the_others_are_lent() -> None:
    share = Share(16, "share", 4)
    assert share.own == ((0, 4),) and share.lent == share.missing == ((4, 16),) and not share.look
    share = Share(16, "all", 0)
    assert share.look and share.missing == ((0, 16),), "a first look counts for nothing"


def test_samples_that_come_twice_or_that_nobody_lent_are_not_added() -> None:
    share = Share(16, "share", 4)
    assert share.take(came(4, 8), LAYOUT) and share.take(came(12, 16), LAYOUT)
    before = share.film.sums.copy()
    for wrong in (came(4, 8), came(6, 10), came(0, 2), came(3, 5), came(15, 17), came(9, 9)):
        assert not share.take(wrong, LAYOUT)
    assert np.array_equal(share.film.sums, before) and share.missing == ((8, 12),) and share.count == 8


def test_a_film_of_another_layout_is_not_added() -> None:
    share = Share(16, "share", 4)
    other = plan_layout(6, 4, aovs=(), exponent=20)
    assert not share.take(Came(Film.of(other), (4, 8), 1, "cpu"), LAYOUT)
    assert share.film is None and share.missing == ((4, 16),)


def test_what_is_taken_back_follows_what_was_begun() -> None:
    share = Share(16, "share", 4)
    share.take(came(8, 12), LAYOUT)
    share.withdraw()
    assert share.own == ((0, 8), (12, 16)) and not share.missing and share.mode == ""


def test_what_is_lent_in_the_middle_begins_where_this_machine_has_not() -> None:
    share = Share(100, "share", 100)
    share.claim("share", 40, 0.25)
    assert share.own == ((0, 55),) and share.lent == ((55, 100),) and share.claiming
    assert not share.confirm(57), "it had gone on meanwhile"
    assert all_of(share.own) == list(range(57))
    assert share.missing == ((57, 100),)
    assert share.confirm(57) and not share.claiming


@given(st.data())
def test_every_sample_has_one_place_whatever_happens(data: st.DataObject) -> None:
    total = data.draw(st.integers(2, 60))
    share = Share(total, data.draw(st.sampled_from(["share", "all"])), data.draw(st.integers(1, total)))
    begun = 0
    there: list[Came] = []
    for _ in range(data.draw(st.integers(0, 12))):
        mine = [] if share.look else all_of(share.own)
        assert sorted([*mine, *all_of(share.lent)]) == list(range(total))
        kept = mine[:begun]
        what = data.draw(st.sampled_from(["come", "render", "back", "lend", "anew"]))
        if what == "come" and share.missing:
            first, last = data.draw(st.sampled_from(share.missing))
            a = data.draw(st.integers(first, last - 1))
            there.append(came(a, data.draw(st.integers(a + 1, last))))
            assert share.take(there[-1], LAYOUT)
        elif what == "render" and not share.look:
            begun = data.draw(st.integers(begun, length(share.own)))
        elif what == "back":
            begun = 0 if share.look else begun
            kept = [] if share.look else kept
            share.withdraw()
        elif what == "lend" and not share.mode and (begun or length(share.own)):
            share.claim(data.draw(st.sampled_from(["share", "all"])), begun, data.draw(st.floats(0.0, 0.9)))
            if not share.confirm(begun):
                assert share.confirm(begun)
        elif what == "anew":
            again = [each for each in there if data.draw(st.booleans())]
            share.forget()
            refused = [each for each in again if not share.take(each, LAYOUT)]
            share.came_again()
            there = [each for each in again if each not in refused]
            assert all_of(share.taken) == sorted(n for each in there for n in range(*each.range))
            assert share.mode or not share.missing, "nobody would render it"
        if not share.look:
            assert all_of(share.own)[: len(kept)] == kept, "what was begun stays this machine's, in its order"
            begun = min(begun, length(share.own))


def test_the_schedule_renders_its_own_samples_in_their_order() -> None:
    schedule = Schedule(LAYOUT, 99, own=((3, 5), (9, 12)))
    seen = {}
    while (wave := schedule.next(1000)) is not None:
        for pixel in wave.pixels:
            seen.setdefault(int(pixel), []).extend(range(wave.first, wave.first + wave.count))
        if schedule.samples == 5 and len(seen[0]) == 4:
            assert schedule.steer(99, ((3, 5), (9, 12), (20, 21))) and not schedule.complete
    assert schedule.complete
    assert set(map(tuple, seen.values())) == {(3, 4, 9, 10, 11, 20)} and len(seen) == 24


def test_places_in_ranges() -> None:
    assert [sample_at(((3, 5), (9, 10)), place) for place in range(3)] == [(3, 2), (4, 1), (9, 1)]


def test_a_picture_of_both_is_the_mean_of_all_samples_and_a_whole_film_is_exact() -> None:
    share, own = Share(8, "share", 3), film((0, 3))
    local = {name: film_layers(own, (name,))[name] for name in ("beauty", "depth", "albedo")}
    share.take(came(3, 8), LAYOUT)
    whole = film((0, 8))
    for name, layer in local.items():
        joined = share.joined(name, layer, own.counts)
        assert np.allclose(joined, film_layers(whole, (name,))[name], rtol=1e-6)
    assert share.joined("samples", np.zeros((4, 6, 1), np.float32), own.counts).max() == 8
    share.film.merge_into(own)
    assert np.array_equal(film_layers(own, ("beauty",))["beauty"], whole.beauty())
    assert np.array_equal(own.sums, whole.sums)


def test_a_first_look_counts_for_nothing_beside_what_came() -> None:
    share = Share(8, "all", 0)
    share.take(came(0, 2), LAYOUT)
    look = np.full((4, 6, 4), 77.0, np.float32)
    joined = share.joined("beauty", look, np.ones((4, 6), np.int32))
    assert np.allclose(joined, film((0, 2)).beauty(), rtol=1e-6)


def test_sums_with_what_was_taken_back_are_made_anew() -> None:
    share, own = Share(8, "share", 3), film((0, 3))
    forged = came(3, 5)
    forged.film.minima[...] = 0.0  # nearer than anything, which no subtraction mends
    assert share.take(forged, LAYOUT) and share.take(came(5, 8), LAYOUT)
    share.forget()
    assert share.anew and share.take(came(5, 8), LAYOUT)
    share.came_again()
    assert not share.anew and share.missing == ((3, 5),)
    assert share.take(came(3, 5), LAYOUT)
    share.film.merge_into(own)
    whole = film((0, 8))
    assert np.array_equal(own.sums, whole.sums) and np.array_equal(own.minima, whole.minima)


def test_what_comes_again_while_it_is_not_known_how_far_the_worker_went_is_not_mistaken() -> None:
    share = Share(100, "all", 0)
    share.take(came(0, 20), LAYOUT)
    share.withdraw()
    share.claim("share", 30, 0.5)
    assert share.own == ((20, 75),) and share.lent == ((0, 20), (75, 100))
    share.forget()
    assert not share.take(came(80, 90), LAYOUT), "the worker may be at them"
    share.came_again()
    assert not share.confirm(58)
    assert share.own == ((20, 75), (75, 78)), "where the worker went on, and not what was taken back"
    assert share.confirm(58) and share.missing == ((0, 20), (78, 100))
