"""The ledger on paper: CSV and JSON for a bookkeeper, and the invoice of a job as text or HTML.

What is exported is all there is, hashes included, so whoever has it can compute the chain anew (`ledger.hash_of`). An
invoice is one job's: a line for each piece, what failed or was done twice or as a check stands there at no charge, what
was given back is taken off, and its last line names the entry of the ledger up to which it goes.
"""

from __future__ import annotations

import contextlib
import csv
import html
import io
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from studio.errors import CannotWrite, UsageError
from studio.farm.model import JobId, Record
from studio.farm.money.ledger import Entry, Ledger, UsageRow
from studio.farm.money.prices import MILLION, money

_COLUMNS = ("number", "at", "kind", "key", "job", "unit", "attempt", "refers", "text")
_POSTING = ("owner", "account", "amount", "currency")


class Line(Record, frozen=True):
    """A line of an invoice. Quantities are millionths of a second, the amount millionths of the currency."""

    what: str
    units: int
    core_s: int
    device_s: int
    score_s: int
    amount: int


class Invoice(Record, frozen=True):
    """What a job costs its customer."""

    number: str
    job: JobId
    customer: str
    issuer: str
    currency: str
    until: int  # microseconds since 1970
    lines: tuple[Line, ...]
    total: int
    head: str


def export_json(ledger: Ledger, path: Path) -> None:
    """Write all of a ledger as JSON: entries with their postings and hashes, usage, balances. Raises CannotWrite."""
    whole = {
        "version": 1,
        "entries": list(ledger.entries()),
        "usage": ledger.usages(),
        "balances": ledger.balances(),
        "head": ledger.head(),
    }
    with _written(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(whole), indent=1).decode())


def export_csv(ledger: Ledger, path: Path) -> None:
    """Write the postings of a ledger as CSV, a row each. Texts that a table would take for a formula get an apostrophe.
    Raises CannotWrite."""
    with _written(path) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow((*_COLUMNS, *_POSTING, "hash"))
        for entry in ledger.entries():
            for posting in entry.postings:
                values = [_when(entry.at) if name == "at" else getattr(entry, name) for name in _COLUMNS]
                values += [getattr(posting, name) for name in _POSTING]
                rows.writerow([plain(value) for value in values] + [entry.hash])


def invoice(ledger: Ledger, job: JobId, *, issuer: str) -> Invoice:
    """The invoice of a job, as the ledger stands. Raises UsageError for a job that was never billed."""
    entries = list(ledger.entries(job=job))
    captures = [e for e in entries if e.kind == "capture"]
    if not captures:
        raise UsageError(f'the job "{job}" was not billed; there is nothing to invoice')
    held = next((p for e in captures for p in e.postings if p.account == "customer_held"), captures[0].postings[0])
    usages = {usage.key: usage for usage in ledger.usages(job=job)}
    lines = [*_billed(captures, usages), *_unbilled(usages.values(), {e.key for e in captures})]
    given_back = [e for e in entries if e.kind == "reject"]
    if given_back:
        amount = -sum(e.amount("customer_held") for e in given_back)
        lines.append(Line(what="given back", units=len(given_back), core_s=0, device_s=0, score_s=0, amount=amount))
    return Invoice(
        number=f"{job}-{entries[-1].number}",
        job=job,
        customer=held.owner,
        issuer=issuer,
        currency=held.currency,
        until=entries[-1].at,
        lines=tuple(lines),
        total=sum(line.amount for line in lines),
        head=entries[-1].hash,
    )


def _billed(captures: list[Entry], usages: dict[str, UsageRow]) -> Iterator[Line]:
    """A line for each piece, and one for loading where that is billed."""
    groups: dict[str, list[Entry]] = {}
    for entry in captures:
        what = entry.unit.rpartition("/")[0].partition("~")[0]  # whatever pixels a round was of
        groups.setdefault(f"{what}, loading" if entry.key.startswith("load/") else what, []).append(entry)
    for what in sorted(groups):
        rows = [usages[e.key] for e in groups[what] if e.key in usages]
        yield _line(what, rows, -sum(e.amount("customer_held") for e in groups[what]))


def _unbilled(usages: Iterable[UsageRow], billed: set[str]) -> Iterator[Line]:
    """What was not billed, by its reason, at no charge."""
    groups: dict[str, list[UsageRow]] = {}
    for usage in usages:
        if usage.key not in billed and not usage.accepted:
            groups.setdefault(_reason(usage.reason), []).append(usage)
    for reason in sorted(groups):
        yield _line(f"{reason}, not charged", groups[reason], 0)


def _reason(text: str) -> str:
    return text if text in ("load", "duplicate", "verification", "given up", "expired", "lost") else "failed"


def _line(what: str, rows: list[UsageRow], amount: int) -> Line:
    return Line(
        what=what,
        units=len(rows),
        core_s=sum(row.core_s for row in rows),
        device_s=sum(row.device_s for row in rows),
        score_s=sum(row.score_s for row in rows),
        amount=amount,
    )


def invoice_text(of: Invoice) -> str:
    """An invoice as plain text."""
    head = [
        f"Invoice {of.number}",
        f"from {of.issuer} to {of.customer}",
        f"for the job {of.job}, {_when(of.until)}",
        "",
    ]
    table = [f"{'':32}{'units':>7}{'core-hours':>14}{'device-hours':>14}{'amount':>20}"]
    table += [
        f"{line.what[:31]:32}{line.units:>7}{_hours(line.core_s):>14}{_hours(line.device_s):>14}"
        f"{money(line.amount, of.currency):>20}"
        for line in of.lines
    ]
    foot = [f"{'total':32}{money(of.total, of.currency):>55}", "", f"ledger entry {of.head}", ""]
    return "\n".join([*head, *table, *foot])


def invoice_html(of: Invoice) -> str:
    """An invoice as a page that prints well and needs nothing else."""
    cells = "".join(
        f"<tr><td>{html.escape(line.what)}</td><td>{line.units}</td><td>{_hours(line.core_s)}</td>"
        f"<td>{_hours(line.device_s)}</td><td>{html.escape(money(line.amount, of.currency))}</td></tr>"
        for line in of.lines
    )
    title = html.escape(f"Invoice {of.number}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        "<style>body{font:14px sans-serif;margin:3em;max-width:50em}table{border-collapse:collapse;width:100%}"
        "td,th{padding:.4em;border-bottom:1px solid #ccc;text-align:right}"
        "td:first-child,th:first-child{text-align:left}"
        f"</style><h1>{title}</h1><p>{html.escape(of.issuer)} to {html.escape(of.customer)}, for the job "
        f"{html.escape(of.job)}, {_when(of.until)}</p><table><tr><th></th><th>units</th><th>core-hours</th>"
        f"<th>device-hours</th><th>amount</th></tr>{cells}<tr><th>total</th><td></td><td></td><td></td>"
        f"<th>{html.escape(money(of.total, of.currency))}</th></tr></table><p><small>ledger entry {of.head}</small></p>"
        "</html>\n"
    )


def _hours(millionths: int) -> str:
    return f"{millionths / MILLION / 3600:.6f}"


def _when(at: int) -> str:
    return datetime.fromtimestamp(at / MILLION, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plain(value: object) -> object:
    """What a cell of a table may have: a text that would be taken for a formula gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


@contextlib.contextmanager
def _written(path: Path) -> Iterator[io.TextIOWrapper]:
    """A file that is there whole or not at all."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".ledger-") as folder:
            made = Path(folder) / path.name
            with made.open("w", encoding="utf-8", newline="") as file:
                yield file
            made.replace(path)
    except OSError as fault:
        raise CannotWrite(f"{path} cannot be written: {(fault.strerror or str(fault)).lower()}") from None
