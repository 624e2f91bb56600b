"""`studio farm members` and `studio farm enrol`: machines of others that may work for a farm.

The farm's side invites a node by name and gives its owner a code; the node's side takes the code to the coordinator and
keeps what it gets for it. A code is never an argument, which every process of the machine could read.
"""

from __future__ import annotations

import argparse
import datetime
import getpass
import os
import sys
import time
from pathlib import Path

from studio.command_line import farm_places as places
from studio.command_line import values
from studio.command_line.console import Console
from studio.errors import BadAsset, UsageError
from studio.farm.trust.members import Members, house_folder
from studio.farm.trust.membership import enrol_here
from studio.farm.trust.signing import name_of

CODE = "MYRIAD_FARM_CODE"
_LONGEST = 4096
_LEVELS = ("own machine", "studio network", "contracted cloud", "public")


def run(args: argparse.Namespace, console: Console) -> int:
    """Do what the action says; returns the exit code."""
    if args.action == "enrol":
        return _enrol(args, console)
    members = Members(places.house_of(args.house) or house_folder())
    match args.verb:
        case "invite":
            trust = values.whole(args.trust, "--trust", 0, 3)
            code = members.invite(args.name, trust)
            console.result(code)
            console.event("invited", node=args.name, trust=trust, code=code)
            console.say(
                f"This code lets one machine in as {args.name}, once and within a day; give it to its owner alone."
            )
            console.say("There: studio farm enrol --coordinator URL, then studio farm worker --coordinator URL.")
            console.say(f"It is given jobs that are sent with --trust {trust} or more.")
        case "revoke":
            members.revoke(args.name, args.why)
            console.result(f"{args.name} is let in no more")
            console.event("revoked", node=args.name, why=args.why)
        case _:
            _list(members, console)
    return 0


def _list(members: Members, console: Console) -> None:
    roster = members.roster
    now = time.time()
    for public, member in sorted(roster.members.items(), key=lambda item: item[1].name):
        if member.role == "node":
            stands = f"until {_day(member.until)}" if member.until > now else "its token has expired"
            console.result(
                f"{member.name:24}  {_level(member.trust)}  {name_of(public)}  since {_day(member.since)}, {stands}"
            )
            console.event(
                "member", node=member.name, trust=member.trust, key=public, since=member.since, until=member.until
            )
    for invited in sorted(roster.invitations.values(), key=lambda one: one.name):
        if invited.until > now:
            left = max(round((invited.until - now) / 3600), 1)
            console.result(f"{invited.name:24}  {_level(invited.trust)}  invited, {left} h left")
            console.event("invitation", node=invited.name, trust=invited.trust, until=invited.until)
    for public, gone in roster.revoked.items():
        console.result(f"{name_of(public)} was revoked on {_day(gone.at)}{f': {gone.why}' if gone.why else ''}")
        console.event("revoked", key=public, at=gone.at, why=gone.why)
    if not roster.members and not roster.invitations and not roster.revoked:
        console.say("Nobody was invited yet; studio farm members invite NAME gives a code.")


def _level(trust: int) -> str:
    return f"{trust} {_LEVELS[min(max(trust, 0), 3)]:16}"


def _day(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment).strftime("%Y-%m-%d")


def _enrol(args: argparse.Namespace, console: Console) -> int:
    ca = args.ca or ""
    found = enrol_here(args.coordinator, _code(args.code_file), ca=ca)
    console.result(f"{found.node} at {found.url}, trust {found.trust}, key {name_of(found.key.public)}")
    console.event("enrolled", node=found.node, url=found.url, trust=found.trust, key=found.key.public)
    console.say(f"This machine works for it by studio farm worker --coordinator {found.url}")
    return 0


def _code(file: str | None) -> str:
    """The code: of the file that was named, of the environment, or of standard input."""
    if file is None and os.environ.get(CODE):
        return os.environ[CODE]
    if file is None or file == "-":
        if sys.stdin is None:
            raise UsageError(f"say the code by --code-file, by {CODE}, or on standard input")
        if sys.stdin.isatty():
            return getpass.getpass("Code: ", sys.stderr)
        return sys.stdin.readline(_LONGEST)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(_LONGEST).decode("ascii")
    except (OSError, ValueError) as fault:
        reason = (fault.strerror or str(fault)).lower() if isinstance(fault, OSError) else "it is no text"
        raise BadAsset(f"the code {file[:200]!r} cannot be read: {reason}") from None
