"""The solver of the light mixer on cases whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from studio.errors import UsageError
from studio.render.lightmix_solve import Demand, bounded_least_squares, solve

IDS = ("key", "fill", "rim", "wall")


def lights(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_a_place_that_one_light_makes_is_darkened_by_that_light() -> None:
    found = solve(IDS, [Demand(kind="stops", lights=lights(8, 0, 0, 0), value=-2.0)])
    assert set(found.stops) == {"key"} and found.stops["key"] == pytest.approx(-2.0, abs=0.01)
    assert found.met and found.worst is None


def test_two_places_of_two_lights_have_one_answer() -> None:
    # 4 k + 1 f = 2.5 and 1 k + 2 f = 3: k = 2/7, f = 19/14
    demands = [
        Demand(kind="stops", lights=lights(4, 1, 0, 0), value=-1.0),
        Demand(kind="nits", lights=lights(1, 2, 0, 0), value=3.0),
    ]
    found = solve(IDS, demands)
    assert 2 ** found.stops["key"] == pytest.approx(2 / 7, rel=0.01)
    assert 2 ** found.stops["fill"] == pytest.approx(19 / 14, rel=0.01)


def test_darker_here_and_keep_there_moves_what_only_reaches_here() -> None:
    demands = [
        Demand(kind="stops", lights=lights(6, 2, 0, 0), value=-2.0),
        Demand(kind="keep", lights=lights(0, 5, 0, 0)),
    ]
    found = solve(IDS, demands)
    assert found.met and set(found.stops) == {"key"}
    assert 2 ** found.stops["key"] == pytest.approx(0.0, abs=0.06)  # the fill alone is already two of eight nits


def test_key_to_fill_of_four_to_one_is_reached_with_one_light_locked() -> None:
    key, fill = lights(10, 0, 0, 0), lights(0, 5, 0, 0)
    found = solve(IDS, [Demand(kind="ratio", lights=key, other=fill, value=4.0)], locked=frozenset({"key"}))
    assert found.stops == pytest.approx({"fill": -1.0}, abs=0.01)


def test_ratio_shares_its_change_where_both_are_free_and_small_changes_are_wanted() -> None:
    key, fill = lights(10, 0, 0, 0), lights(0, 10, 0, 0)
    found = solve(IDS, [Demand(kind="ratio", lights=key, other=fill, value=4.0)], few=False)
    assert found.stops == pytest.approx({"key": 1.0, "fill": -1.0}, abs=0.01)


def test_few_lights_move_where_many_could() -> None:
    ids = [f"l{n}" for n in range(300)]
    random = np.random.default_rng(4)
    brought = random.uniform(0.0, 0.05, 300)
    brought[17] = 20.0
    found = solve(ids, [Demand(kind="stops", lights=brought, value=-1.0)])
    assert found.met and list(found.stops) == ["l17"]


def test_locked_lights_stay_and_what_cannot_be_is_told_with_the_best_there_is() -> None:
    demands = [Demand(kind="stops", lights=lights(8, 8, 0, 0), value=-3.0, name="the floor")]
    found = solve(IDS, demands, locked=frozenset({"key"}))
    assert not found.met and "key" not in found.stops
    worst = found.worst
    assert worst is not None and worst.demand.name == "the floor"
    assert worst.wanted == pytest.approx(2.0) and worst.got == pytest.approx(8.0, rel=0.01)
    assert worst.off == pytest.approx(2.0, abs=0.02)


def test_bounds_hold() -> None:
    demand = Demand(kind="stops", lights=lights(8, 0, 0, 0), value=-5.0)
    found = solve(IDS, [demand], bounds=(-2.0, 1.0))
    assert found.stops == pytest.approx({"key": -2.0}, abs=1e-3) and not found.met
    own = solve(IDS, [demand], own_bounds={"key": (-1.0, 1.0)})
    assert own.stops == pytest.approx({"key": -1.0}, abs=1e-3)


def test_contradicting_demands_meet_in_the_middle_by_their_weights() -> None:
    one = Demand(kind="stops", lights=lights(4, 0, 0, 0), value=1.0)
    other = Demand(kind="stops", lights=lights(2, 0, 0, 0), value=-1.0)
    found = solve(IDS, [one, other])
    assert found.stops.get("key", 0.0) == pytest.approx(0.0, abs=0.01) and not found.met
    heavy = solve(IDS, [Demand(kind="stops", lights=lights(4, 0, 0, 0), value=1.0, weight=3.0), other])
    assert heavy.stops["key"] == pytest.approx(0.5, abs=0.02)


def test_a_wish_made_before_stays_what_it_was() -> None:
    found = solve(IDS, [Demand(kind="stops", lights=lights(4, 0, 0, 0), value=-1.0, before=16.0)])
    assert found.stops["key"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    "demands",
    [
        [],
        [Demand(kind="keep", lights=lights(1, 0, 0, 0))],
        [Demand(kind="stops", lights=lights(0, 0, 0, 0), value=1.0)],
        [Demand(kind="nits", lights=lights(1, 0, 0, 0), value=0.0)],
        [Demand(kind="stops", lights=lights(1, 0, 0, 0), value=math.nan)],
        [Demand(kind="ratio", lights=lights(1, 0, 0, 0), value=4.0)],
        [Demand(kind="ratio", lights=lights(1, 0, 0, 0), other=lights(0, 0, 0, 0), value=4.0)],
        [Demand(kind="stops", lights=lights(1, 0, 0, 0), value=1.0)] * 201,
    ],
)
def test_wishes_that_make_no_sense_are_refused_in_a_sentence(demands: list[Demand]) -> None:
    with pytest.raises(UsageError):
        solve(IDS, demands)


def test_bounds_that_forbid_no_change_are_refused() -> None:
    demand = Demand(kind="stops", lights=lights(1, 0, 0, 0), value=1.0)
    with pytest.raises(UsageError, match="hold 0"):
        solve(IDS, [demand], bounds=(1.0, 2.0))


def test_random_wishes_that_can_be_met_are_met() -> None:
    random = np.random.default_rng(11)
    for _ in range(10):
        gains = np.exp2(random.uniform(-3, 3, 40))
        places = random.gamma(0.4, 1.0, (6, 40))
        demands = [Demand(kind="nits", lights=row, value=float(row @ gains)) for row in places]
        found = solve([str(n) for n in range(40)], demands, few=bool(random.integers(2)))
        assert found.met, [outcome.off for outcome in found.outcomes]


def test_bounded_least_squares_are_those_of_scipy() -> None:
    from scipy.optimize import lsq_linear

    random = np.random.default_rng(8)
    for n in (1, 3, 40, 120):
        rows, right = random.normal(0, 1, (5, n)) * random.uniform(0, 1, n), random.normal(0, 4, 5)
        ridge, toward = random.uniform(0.003, 0.03, n), random.normal(0, 1, n)
        low, high = -random.uniform(0, 0.5, n), random.uniform(0, 0.5, n)
        ours = bounded_least_squares(rows, right, ridge, toward, low, high)
        left, whole = np.vstack([rows, np.diag(ridge)]), np.concatenate([right, ridge * toward])
        theirs = lsq_linear(left, whole, bounds=(low - 1e-14, high + 1e-14), method="bvls", tol=1e-14).x
        cost = [float(((left @ x - whole) ** 2).sum()) for x in (ours, theirs)]
        assert cost[0] <= cost[1] * (1 + 1e-6) + 1e-12
        assert (ours >= low).all() and (ours <= high).all()


def test_hundreds_of_lights_that_each_bring_a_little_meet_a_wish() -> None:
    brought = np.random.default_rng(2).gamma(2.0, 1.0, 300)
    for few in (True, False):
        found = solve([str(n) for n in range(300)], [Demand(kind="stops", lights=brought, value=-2.0)], few=few)
        assert found.met and found.outcomes[0].off == pytest.approx(0.0, abs=0.02)
