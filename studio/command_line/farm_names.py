"""`studio farm key`, `certificate` and `credentials`: the artist's name under jobs and pictures, and others'."""

from __future__ import annotations

import argparse
from pathlib import Path

from studio.command_line import authors, values
from studio.command_line.console import Console
from studio.errors import UsageError
from studio.farm.trust import artist
from studio.farm.trust.signing import Key, name_of

_LONGEST_DAYS = 3650


def run(args: argparse.Namespace, console: Console) -> int:
    """Do what the action says; returns the exit code."""
    match args.action:
        case "key":
            return _key(args, console)
        case "certificate":
            return _certificate(args, console)
        case _:
            authority = Path(args.authority) if args.authority is not None else None
            return max(authors.show(Path(picture), console, anchors=authority) for picture in args.pictures)


# --- keys ------------------------------------------------------------------------------------------------------------
def _key(args: argparse.Namespace, console: Console) -> int:
    file = Path(args.artists) if args.artists is not None else None
    match args.verb:
        case "make":
            if args.who or file is not None:
                raise UsageError("studio farm key make takes --name alone")
            key, place = artist.make_key(args.name)
            console.say(f"The key is in {place}. Whoever is to know it gets this line, and compares the short name.")
            _tell(console, key)
        case "show":
            _show(console, file)
        case "trust":
            if not args.name.strip():
                raise UsageError("say whose key it is, by --name")
            artist.trust(args.who, args.name.strip(), file=file)
            console.result(f"{name_of(args.who)}  {args.name.strip()}")
            console.event("trusted", key=args.who, name=args.name.strip(), short=name_of(args.who))
        case _:
            if not args.who:
                raise UsageError("say whose key counts no more, by a name, a short name or the key")
            short = artist.revoke(args.who, file=file)
            console.result(f"{short} counts no more")
            console.event("revoked", short=short)
    return 0


def _show(console: Console, file: Path | None) -> None:
    """One's own key, and whose keys are known."""
    own = artist.own_key() if file is None else None
    roster = artist.artists(file)
    if own is not None:
        _tell(console, own)
    elif file is None:
        console.say("There is no key here; jobs are sent unsigned. Make one by studio farm key make --name.")
    for public, member in roster.members.items():
        console.result(f"{name_of(public)}  {member.name}{'  (this machine)' if own and public == own.public else ''}")
        console.event("artist", key=public, short=name_of(public), name=member.name)
    for public in roster.revoked:
        console.result(f"{name_of(public)}  counts no more")


def _tell(console: Console, key: Key) -> None:
    console.result(f"{key.public}  {name_of(key.public)}")
    console.event("key", key=key.public, short=name_of(key.public))


# --- certificates ----------------------------------------------------------------------------------------------------
def _certificate(args: argparse.Namespace, console: Console) -> int:
    from studio.farm.trust import credits

    if args.name:
        days = values.whole(args.days, "--days", 1, _LONGEST_DAYS)
        made = credits.make_certificate(args.name, days=days)
        console.say(f"Give {credits.authority_file()} to whoever is to trust it; viewers of pictures do not know it.")
        console.result(str(made))
        console.event("certificate", path=made, authority=credits.authority_file())
        return 0
    author = credits.read_author()
    console.result(f"{credits.certificate_file()}  {author.artist}, until {author.until:%Y-%m-%d}")
    console.event("certificate", path=credits.certificate_file(), artist=author.artist, until=author.until.isoformat())
    return 0
