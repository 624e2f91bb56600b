"""Price lists: quantities and prices are whole numbers, rounded as it is said, and what cannot be is refused."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BadAsset, UsageError
from studio.farm.model import NodeInfo, Usage
from studio.farm.money.prices import (
    PriceList,
    Quantities,
    Row,
    charge,
    fee_of,
    millionths,
    money,
    pricing,
    quantities_of,
    read_prices,
    usage_quantities,
)

LIST = PriceList(
    version="1",
    currency="EUR",
    rows={"": Row(core_hour=36_000), "gpu": Row(device_hour=1_000_000, score_hour=500_000)},
    tiers={"economy": 500_000, "priority": 3_000_000},
    fee=50_000,
)


def test_an_hour_costs_what_the_list_says():
    cpu = NodeInfo(id="a", cores=8)
    gpu = NodeInfo(id="b", backend="cuda", cores=8, score=2.0, price="gpu")
    assert LIST.price_of(cpu, 3600.0) == 8 * 36_000
    assert LIST.price_of(gpu, 3600.0) == 1_000_000 + 2 * 500_000
    assert pricing(LIST, tier="priority")(cpu, 3600.0) == 3 * 8 * 36_000
    assert LIST.price_of(cpu, 0.0) == 0


def test_the_same_picture_costs_the_same_on_a_slow_and_a_fast_node():
    prices = PriceList(version="1", currency="EUR", rows={"": Row(score_hour=700_000)})
    slow, fast = NodeInfo(id="a", score=1.0), NodeInfo(id="b", score=8.0)
    assert prices.price_of(slow, 800.0) == prices.price_of(fast, 100.0)


@given(
    core=st.integers(0, 10**15), device=st.integers(0, 10**15), rate=st.integers(0, 10**9), tier=st.integers(1, 10**8)
)
@settings(max_examples=100, deadline=None)
def test_a_price_is_the_exact_one_rounded_once_halves_to_even(core, device, rate, tier):
    prices = PriceList(version="1", currency="EUR", rows={"": Row(core_hour=rate, device_hour=7)}, tiers={"t": tier})
    exact = Fraction((core * rate + device * 7) * tier, 3600 * 10**12)
    assert charge(prices, "", Quantities(core_s=core, device_s=device), tier="t") == round(exact)


@given(seconds=st.floats(0, 1e6), more=st.floats(0, 1e6))
@settings(max_examples=100, deadline=None)
def test_more_time_never_costs_less(seconds, more):
    node = NodeInfo(id="a", cores=3)
    assert LIST.price_of(node, seconds) <= LIST.price_of(node, seconds + more)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf, 1e300])
def test_a_time_that_cannot_be_is_not_billed(seconds):
    with pytest.raises(UsageError, match="no time that a unit can take"):
        millionths(seconds)


def test_a_node_is_believed_no_more_than_the_clock():
    node = NodeInfo(id="a", cores=2)
    assert usage_quantities(node, Usage(render_s=50.0, core_s=1e9), limit_s=10.0) == quantities_of(node, 10.0)
    assert usage_quantities(node, Usage(render_s=5.0), limit_s=10.0) == quantities_of(node, 5.0)
    assert usage_quantities(node, Usage(render_s=-5.0), limit_s=10.0) == Quantities()


def test_the_fee_is_part_of_what_is_billed():
    assert fee_of(LIST, 1_000_000) == 50_000
    assert fee_of(LIST, 9) == 0


def test_a_row_or_tier_that_is_not_there_is_named():
    with pytest.raises(UsageError, match="no row 'gold'"):
        LIST.price_of(NodeInfo(id="a", price="gold"), 1.0)
    with pytest.raises(UsageError, match="no tier 'gold'"):
        pricing(LIST, tier="gold")


def test_a_list_comes_back_from_its_file(tmp_path: Path):
    path = tmp_path / "prices.json"
    path.write_bytes(msgspec.json.encode(LIST))
    assert read_prices(path) == LIST


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"{", "no price list"),
        (b'{"version": "1", "currency": "euro", "rows": {"": {}}}', "currency"),
        (b'{"version": "1", "currency": "EUR", "rows": {}}', "no rows"),
        (b'{"version": "1", "currency": "EUR", "rows": {"": {"core_hour": -1}}}', "price that cannot be"),
        (b'{"version": "1", "currency": "EUR", "rows": {"": {"core_hour": 1.5}}}', "no price list"),
        (b'{"version": "1", "currency": "EUR", "rows": {"": {}}, "fee": 2000000}', "fee"),
        (b'{"version": "1", "currency": "EUR", "rows": {"": {}}, "tiers": {"x": 0}}', "tier"),
        (b"[" * 100_000, "no price list"),
    ],
)
def test_a_broken_list_is_refused_in_a_sentence(tmp_path: Path, text: bytes, what: str):
    path = tmp_path / "prices.json"
    path.write_bytes(text)
    with pytest.raises(BadAsset, match=what):
        read_prices(path)


def test_an_amount_reads_like_one():
    assert money(12_345_678, "EUR") == "12.345678 EUR"
    assert money(-1_500_000, "USD") == "-1.50 USD"
    assert money(0, "USD") == "0.00 USD"
