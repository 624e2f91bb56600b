"""`studio farm ledger`: the accounts and entries of a farm's books."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import msgspec

from studio.command_line.console import Console
from studio.errors import UsageError
from studio.farm.ledger import Ledger
from studio.farm.prices import money
from studio.farm.session import farm_folder


def ledger(args: argparse.Namespace, console: Console) -> int:
    """Show the books; returns the exit code."""
    file = Path(args.ledger) if args.ledger is not None else farm_folder() / "ledger.sqlite"
    if "\0" in str(file) or not file.is_file():
        raise UsageError(f"there are no books at {str(file)[:200]!r}; a farm keeps them where it has a price list")
    with Ledger(file) as books:
        if args.verify:
            count = books.verify()
            console.result(f"{count} entries, every number and seal as it should be")
            console.event("verified", entries=count, head=books.head())
        elif args.entries or args.job is not None:
            for entry in books.entries(job=args.job):
                at = datetime.datetime.fromtimestamp(entry.at / 1e6).strftime("%Y-%m-%d %H:%M:%S")
                sums = ", ".join(f"{p.owner} {p.account} {money(p.amount, p.currency)}" for p in entry.postings)
                console.result(f"{entry.number:6}  {at}  {entry.kind:9}  {entry.job}  {sums}")
                facts = {("what" if k == "kind" else k): v for k, v in msgspec.to_builtins(entry).items()}
                console.event("entry", **facts)
        else:
            for account in books.balances():
                amount = money(account.amount, account.currency)
                console.result(f"{amount:>18}  {account.account:14}  {account.owner}  {account.job}".rstrip())
                console.event("account", **msgspec.to_builtins(account))
    return 0
