"""What an artist wants of a farm, as it is kept: where jobs go (a preference), and what is said of a scene's jobs (in
the scene). Frames, size, samples and files are those of the scene's export.

Neither holds a secret: tokens and keys come from the environment, from files that their owner alone can read, or from
the keyring, at the moment they are used. A text that has one in it is refused before it is kept.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from studio.errors import UsageError

LOCAL, STORE = "local", "store"  # this machine, and a coordinator that serves a store; other names are engines
TRUST = (
    "Own machines only.",
    "Machines of the studio's network.",
    "Machines of a cloud that there is a contract with.",
    "Public machines that nobody here knows.",
)
LONGEST = 2000
Text = Annotated[str, Meta(max_length=LONGEST)]


class FarmWish(msgspec.Struct, frozen=True, kw_only=True):
    """Where jobs are sent. `stores` and `addresses` are those last used, by where; "" of a store is the user's own,
    `folder` the one that Flamenco's workers share. 0 `threads` are an equal share of the cores."""

    where: Annotated[str, Meta(max_length=40)] = LOCAL
    stores: dict[str, Text] = {}
    addresses: dict[str, Text] = {}
    folder: Text = ""
    nodes: Annotated[int, Meta(ge=1, le=256)] = 1
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0
    prices: Text = ""

    @property
    def store(self) -> str:
        """The store of where jobs go now."""
        return self.stores.get(self.where, "")

    @property
    def address(self) -> str:
        """The address of the engine that jobs go to now."""
        return self.addresses.get(self.where, "")


class FarmSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a scene's jobs. "" as the name is the scene's, `trust` the least trusted kind of machine that may
    see them, `cap_micros` what one may cost in millionths (0: whatever it takes)."""

    name: Annotated[str, Meta(max_length=200)] = ""
    columns: Annotated[int, Meta(ge=1, le=64)] = 1
    rows: Annotated[int, Meta(ge=1, le=64)] = 1
    trust: Annotated[int, Meta(ge=0, le=3)] = 0
    priority: Annotated[int, Meta(ge=0, le=100)] = 50
    cap_micros: Annotated[int, Meta(ge=0, le=10**15)] = 0


def read_settings(kept: object) -> FarmSettings:
    """Settings as a scene keeps them; the usual ones for what cannot be read."""
    try:
        return msgspec.convert(kept, FarmSettings) if isinstance(kept, dict) else FarmSettings()
    except msgspec.ValidationError:
        return FarmSettings()


def changed_settings(settings: FarmSettings, values: dict[str, Any]) -> FarmSettings:
    """Settings with other values. Raises UsageError for one that cannot be."""
    new: FarmSettings = _changed(settings, FarmSettings, values)
    return new


def changed_wish(wish: FarmWish, values: dict[str, Any]) -> FarmWish:
    """A wish with other values. Raises UsageError for one that cannot be, or that must not be kept."""
    new: FarmWish = _changed(wish, FarmWish, values)
    for text in (*new.stores.values(), *new.addresses.values()):
        check_address(text)
    return new


def _changed(record: Any, kind: Any, values: dict[str, Any]) -> Any:
    try:
        return msgspec.convert({**msgspec.to_builtins(record), **values}, kind)
    except msgspec.ValidationError as fault:
        raise UsageError(f"the farm's settings cannot be so: {fault}; change that value") from None


def check_address(text: str) -> None:
    """Raise UsageError for an address with a password, a token or a question in it, which would be kept with it."""
    try:
        parts = urlsplit(text)
        secret = "@" in parts.netloc or bool(parts.query or parts.fragment)
    except ValueError:
        raise UsageError(f"{text[:80]!r} is no address; write it like https://farm.example") from None
    if len(parts.scheme) > 1 and secret:
        raise UsageError(
            "leave names, passwords and tokens out of an address; they come from the environment or a file"
            " that its owner alone can read"
        )
