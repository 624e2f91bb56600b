"""`studio farm ledger`: the accounts and entries of a farm's books, and what a person does with them.

No money moves by itself. `topup` books what came in, under the reference that it came with; `payout` draws up what is
to be paid as a table, and books what a table says was paid, by the reference that somebody wrote beside it. Doing any
of that twice is doing it once.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import io
from collections.abc import Iterable
from pathlib import Path

import msgspec

from studio.command_line import farm_places as places
from studio.command_line.console import Console
from studio.errors import BadAsset, UsageError
from studio.farm.money.accounts import Accounts, Due
from studio.farm.money.ledger import Ledger
from studio.farm.money.prices import MILLION, money
from studio.farm.money.statements import export_csv, export_json, invoice, invoice_html, invoice_text, plain
from studio.farm.trust.members import house_folder
from studio.render.output import replacing

_COLUMNS = ("key", "node", "amount", "currency", "reference")
_LARGEST = 16 << 20  # bytes of a table of payments


def ledger(args: argparse.Namespace, console: Console) -> int:
    """Show the books, or do what the verb says; returns the exit code."""
    file = Path(args.ledger) if args.ledger is not None else house_folder() / "ledger.sqlite"
    if "\0" in str(file) or not (file.is_file() or (args.verb == "topup" and not file.exists())):
        raise UsageError(f"there are no books at {str(file)[:200]!r}; a farm keeps them where it has a price list")
    if args.verb == "topup":
        amount = places.amount(args.amount, "AMOUNT")  # before books are made for it
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with Ledger(file) as books:
        match args.verb:
            case "topup":
                return _topup(args, console, Accounts(books), amount)
            case "approve":
                return _approve(args, console, Accounts(books))
            case "reject":
                return _reject(args, console, Accounts(books))
            case "payout":
                return _payout(args, console, Accounts(books))
            case "invoice":
                return _invoice(args, console, books)
            case "export":
                return _export(args, console, books)
            case _:
                return _show(args, console, books)


def _show(args: argparse.Namespace, console: Console, books: Ledger) -> int:
    if args.verify:
        count = books.verify()
        console.result(f"{count} entries, every number and seal as it should be")
        console.event("verified", entries=count, head=books.head())
    elif args.entries or args.job is not None:
        for entry in books.entries(job=args.job):
            at = datetime.datetime.fromtimestamp(entry.at / 1e6).strftime("%Y-%m-%d %H:%M:%S")
            sums = ", ".join(f"{p.owner} {p.account} {money(p.amount, p.currency)}" for p in entry.postings)
            console.result(f"{entry.number:6}  {at}  {entry.kind:9}  {entry.job}  {entry.unit}  {sums}")
            facts = {("what" if k == "kind" else k): v for k, v in msgspec.to_builtins(entry).items()}
            console.event("entry", **facts)
    else:
        for account in books.balances():
            amount = money(account.amount, account.currency)
            console.result(f"{amount:>18}  {account.account:18}  {account.owner}  {account.job}".rstrip())
            console.event("account", **msgspec.to_builtins(account))
    return 0


def _topup(args: argparse.Namespace, console: Console, accounts: Accounts, amount: int) -> int:
    currency = accounts.currency(args.currency)
    entry = accounts.credit(args.owner, amount, currency=currency, key=args.key)
    if entry.amount("customer_available", args.owner) != amount:
        raise UsageError(f"the payment {args.key[:80]!r} was booked before, with another amount or for somebody else")
    there = accounts.ledger.balance(args.owner, "customer_available", currency=currency)
    console.result(f"{args.owner} has {money(there, currency)}")
    console.event("topped up", owner=args.owner, amount=amount, currency=currency, available=there)
    return 0


def _approve(args: argparse.Namespace, console: Console, accounts: Accounts) -> int:
    _billed(accounts, args.job, args.units)
    count = accounts.approve(args.job, units=args.units or None)
    console.result(f"{count} approved")
    console.event("approved", job=args.job, entries=count)
    return 0


def _reject(args: argparse.Namespace, console: Console, accounts: Accounts) -> int:
    if not args.units and not args.all:
        raise UsageError("say which units are given back, as --entries shows them, or --all of the job's")
    known = _billed(accounts, args.job, args.units)
    micros = accounts.reject(args.job, args.units or known, reason=args.reason)
    currency = next((p.currency for e in accounts.ledger.entries(job=args.job) for p in e.postings), "")
    console.result(f"{money(micros, currency)} given back")
    console.event("rejected", job=args.job, amount=micros, currency=currency)
    return 0


def _billed(accounts: Accounts, job: str, units: Iterable[str]) -> set[str]:
    """The units of a job that were billed. Raises UsageError where none were, or one that is named was not."""
    known = {entry.unit for entry in accounts.ledger.entries(job=job, kind="capture")}
    if not known:
        raise UsageError(f"the job {job[:80]!r} was not billed in these books; write its whole name")
    unknown = next((unit for unit in units if unit not in known), None)
    if unknown is not None:
        raise UsageError(f"the job {job} was not billed a unit {unknown[:80]!r}; see --entries")
    return known


# --- payments --------------------------------------------------------------------------------------------------------
def _payout(args: argparse.Namespace, console: Console, accounts: Accounts) -> int:
    if args.paid is not None:
        return _paid(Path(args.paid), console, accounts)
    dues = accounts.dues()
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for due in dues:
        rows.writerow((due.key, plain(due.node), money(due.micros, "").strip(), due.currency, ""))
        console.event("due", **msgspec.to_builtins(due))
    if args.output is None:
        for due in dues:
            console.result(f"{money(due.micros, due.currency):>18}  {due.node}")
        if not dues:
            console.say("Nothing is to be paid now.")
        return 0
    with replacing(Path(args.output)) as temporary:
        temporary.write_text(table.getvalue(), encoding="utf-8")
    console.say(
        f"{len(dues)} payments in {args.output}. Pay them, write each payment's reference beside it, and book them by "
        f"studio farm ledger payout --paid {args.output}"
    )
    return 0


def _paid(file: Path, console: Console, accounts: Accounts) -> int:
    """Book the payments of a table that have a reference."""
    found = [(due, reference) for due, reference in _read_payments(file) if reference]
    if not found:
        raise UsageError(f"no payment in {file} has a reference; write the bank's beside each that was paid")
    with accounts.ledger.write():  # all of a table, or nothing
        booked = [due for due, reference in found if accounts.confirm(due, reference)]
    for due in booked:
        console.result(f"{money(due.micros, due.currency):>18}  {due.node}  paid")
        console.event("paid", **msgspec.to_builtins(due))
    if len(booked) < len(found):
        console.say(f"{len(found) - len(booked)} of {len(found)} were booked before.")
    return 0


def _read_payments(file: Path) -> list[tuple[Due, str]]:
    """The rows of a table of payments. Raises BadAsset for what is none."""
    try:
        if file.stat().st_size > _LARGEST:
            raise BadAsset(f"{file} is too large for a table of payments; name another file")
        rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as fault:
        reason = (fault.strerror or str(fault)).lower() if isinstance(fault, OSError) else str(fault)
        raise BadAsset(f"{str(file)!r} cannot be read as a table of payments: {reason}") from fault
    found = []
    for number, row in enumerate(rows, 2):
        values = [row.get(name) for name in _COLUMNS]
        if any(value is None for value in values) or None in row:
            raise BadAsset(f"{file}, line {number}: it has not the columns {', '.join(_COLUMNS)}; draw it up anew")
        key, node, amount, currency, reference = (str(value).strip() for value in values)
        node = node[1:] if node[:1] == "'" and plain(node[1:]) == node else node
        found.append((Due(key=key, node=node, micros=_micros(amount, file, number), currency=currency), reference))
    return found


def _micros(amount: str, file: Path, line: int) -> int:
    whole, point, part = amount.partition(".")
    if not whole.isdecimal() or len(whole) > 12 or (point and not part.isdecimal()) or len(part) > 6:
        raise BadAsset(f"{file}, line {line}: {amount[:40]!r} is no amount; leave it as it was drawn up")
    return int(whole) * MILLION + int(part.ljust(6, "0") or 0)


# --- on paper --------------------------------------------------------------------------------------------------------
def _invoice(args: argparse.Namespace, console: Console, books: Ledger) -> int:
    made = invoice(books, args.job, issuer=args.issuer)
    console.event("invoice", **msgspec.to_builtins(made))
    if args.output is None:
        console.result(invoice_text(made).rstrip("\n"))
        return 0
    path = Path(args.output)
    if path.suffix.lower() not in (".txt", ".html"):
        raise UsageError(f"an invoice is a .txt or a .html, not {path.name[:80]!r}")
    with replacing(path) as temporary:
        temporary.write_text(invoice_text(made) if path.suffix.lower() == ".txt" else invoice_html(made), "utf-8")
    console.say(f"Invoice {made.number}: {money(made.total, made.currency)}, in {path}.")
    return 0


def _export(args: argparse.Namespace, console: Console, books: Ledger) -> int:
    path = Path(args.output)
    form = args.form or path.suffix.lower().removeprefix(".")
    if form not in ("csv", "json"):
        raise UsageError("books are exported as .csv or .json; name the file so, or add --csv or --json")
    (export_csv if form == "csv" else export_json)(books, path)
    console.say(f"The books are in {path}, up to entry {books.head()[:12] or 'none'}.")
    console.event("exported", path=str(path), head=books.head())
    return 0
