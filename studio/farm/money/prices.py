"""What the farm's work costs: price lists by version, in integers.

A list has rows, one for each kind of node, with prices of a core-hour, a device-hour and a score-hour (an hour of a
device that is as fast as the reference of `studio bench`, so the same picture costs the same on a fast and a slow one).
Whoever needs only one of the three leaves the others at 0. A tier is what the customer chose, such as a place at the
front of the queue, and multiplies the price.

Rounding happens twice and nowhere else. A measured quantity becomes millionths of a second, to the nearest, halves to
even. A price is worked out exactly, in whole numbers, and rounded once to a millionth of the currency, again to the
nearest, halves to even: the price of a unit is off by half a millionth at most.

    {"version": "2026-1", "currency": "EUR", "rows": {"": {"core_hour": 20000}, "gpu": {"score_hour": 400000}},
     "tiers": {"economy": 500000, "priority": 2000000}, "fee": 50000}
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from studio.errors import BadAsset, UsageError
from studio.farm.coordinator import Price
from studio.farm.model import NodeInfo, Record, Usage

MILLION = 1_000_000
HOUR = 3600
LARGEST_LIST = 1 << 20  # bytes
MOST = 10**12  # millionths: a million of a currency for an hour is a slip of the pen
LONGEST_S = 10 * 365 * 24 * 3600.0  # that a node may say it worked at once


class Row(Record, frozen=True):
    """Prices of an hour, in millionths of the currency."""

    core_hour: int = 0
    device_hour: int = 0
    score_hour: int = 0


class PriceList(Record, frozen=True):
    """A price list. Rows are named by `NodeInfo.price`; the one called "" is for nodes that name none. `tiers` and
    `fee` are millionths: of the price, and of what is billed. Load time is billed only with `bills_load`, and work that
    somebody else had done first is paid to its node, by the farm, only with `pays_duplicates`."""

    version: str
    currency: str
    rows: dict[str, Row]
    tiers: dict[str, int] = msgspec.field(default_factory=dict)
    fee: int = 0
    bills_load: bool = False
    pays_duplicates: bool = False
    approve_after_s: int = 72 * 3600

    def row(self, name: str) -> Row:
        """A row. Raises UsageError for one that the list does not have."""
        if name not in self.rows:
            raise UsageError(f'the price list "{self.version}" has no row {name[:40]!r}; it has {_names(self.rows)}')
        return self.rows[name]

    def tier(self, name: str) -> int:
        """What a tier multiplies the price by, in millionths; "" is the plain price."""
        if name and name not in self.tiers:
            raise UsageError(f'the price list "{self.version}" has no tier {name[:40]!r}; it has {_names(self.tiers)}')
        return self.tiers[name] if name else MILLION

    def price_of(self, node: NodeInfo, seconds: float, *, tier: str = "") -> int:
        """What so many seconds of a node cost, in millionths: what a `Coordinator` asks for, for caps."""
        return charge(self, node.price, quantities_of(node, seconds), tier=tier)

    @property
    def free(self) -> bool:
        """Whether nothing costs anything, as on one's own machines."""
        return all(row == Row() for row in self.rows.values())


class Quantities(Record, frozen=True):
    """What work took, in millionths of a second of a core, a device, and the reference device."""

    core_s: int = 0
    device_s: int = 0
    score_s: int = 0


def millionths(seconds: float) -> int:
    """A measured quantity in millionths, to the nearest, halves to even. Raises UsageError for what is none."""
    if not 0.0 <= seconds <= LONGEST_S:
        raise UsageError(f"{seconds!r} seconds is no time that a unit can take; it is not billed")
    return round(seconds * MILLION)


def quantities_of(node: NodeInfo, seconds: float) -> Quantities:
    """What so many seconds of a whole node are."""
    time = millionths(seconds)
    return Quantities(
        core_s=time * max(node.cores, 0),
        device_s=time if node.backend != "cpu" else 0,
        score_s=_rounded(time * millionths(max(node.score, 0.0)), MILLION),
    )


def usage_quantities(node: NodeInfo, usage: Usage, *, limit_s: float) -> Quantities:
    """What a result took: what the node says, but no more than it can have in `limit_s` seconds of the clock."""
    return quantities_of(node, min(max(usage.render_s, 0.0), max(limit_s, 0.0)))


def charge(prices: PriceList, row: str, taken: Quantities, *, tier: str = "") -> int:
    """What quantities cost, in millionths of the currency."""
    rates = prices.row(row)
    exact = taken.core_s * rates.core_hour + taken.device_s * rates.device_hour + taken.score_s * rates.score_hour
    return _rounded(exact * prices.tier(tier), HOUR * MILLION * MILLION)


def fee_of(prices: PriceList, billed: int) -> int:
    """The farm's own part of what is billed; the rest is the node's."""
    return _rounded(billed * prices.fee, MILLION)


def pricing(prices: PriceList, *, tier: str = "") -> Price:
    """`PriceList.price_of` in a tier."""
    prices.tier(tier)
    return lambda node, seconds: prices.price_of(node, seconds, tier=tier)


def read_prices(path: Path) -> PriceList:
    """A price list of a JSON file. Raises BadAsset for one that is none."""
    try:
        if path.stat().st_size > LARGEST_LIST:
            raise BadAsset(f"{path} is too large for a price list; choose another file")
        prices = msgspec.json.decode(path.read_bytes(), type=PriceList)
    except OSError as fault:
        raise BadAsset(f"the price list {path} cannot be read: {(fault.strerror or str(fault)).lower()}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadAsset(f"{path} is no price list ({fault}); correct it") from fault
    wrong = fault_of(prices)
    if wrong:
        raise BadAsset(f"the price list {path} {wrong}; correct it")
    return prices


def fault_of(prices: PriceList) -> str:
    """What is wrong with a price list; "" when nothing is."""
    amounts = [a for row in prices.rows.values() for a in (row.core_hour, row.device_hour, row.score_hour)]
    checks = (
        (bool(prices.version), "has no version"),
        (len(prices.currency) == 3 and prices.currency.isalpha() and prices.currency.isupper(), "has no currency"),
        (bool(prices.rows), "has no rows"),
        (all(0 <= amount <= MOST for amount in amounts), "has a price that cannot be"),
        (all(0 < tier <= 100 * MILLION for tier in prices.tiers.values()), "has a tier that cannot be"),
        (0 <= prices.fee <= MILLION, "has a fee beyond what is billed"),
        (prices.approve_after_s >= 0, "approves before the work is done"),
    )
    return next((what for fits, what in checks if not fits), "")


def money(micros: int, currency: str) -> str:
    """An amount to read: "12.345678 EUR", with two digits at least."""
    whole, part = divmod(abs(micros), MILLION)
    digits = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{digits} {currency}"


def _rounded(value: int, by: int) -> int:
    """A quotient of whole numbers, to the nearest, halves to even."""
    quotient, rest = divmod(value, by)
    return quotient + (2 * rest > by or (2 * rest == by and quotient % 2 == 1))


def _names(of: dict[str, Row] | dict[str, int]) -> str:
    return ", ".join(repr(name) for name in sorted(of)) or "none"
