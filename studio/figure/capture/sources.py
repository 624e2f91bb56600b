"""Where performances come from: the kinds of devices that are understood, and which one an artist chose.

A `Source` is what the preferences remember. It holds addresses on the artist's own network and no secret; none of
these protocols has any.
"""

from __future__ import annotations

import ipaddress

import msgspec

from studio.errors import UsageError

LIVE_LINK, IFACIAL, IFACIAL_TCP, VMC = "live_link", "ifacial_mocap", "ifacial_mocap_tcp", "vmc"
KINDS = (LIVE_LINK, IFACIAL, IFACIAL_TCP, VMC)
TITLES = {
    LIVE_LINK: "Live Link Face",
    IFACIAL: "iFacialMocap",
    IFACIAL_TCP: "iFacialMocap (TCP)",
    VMC: "VMC (OSC)",
}
PORTS = {LIVE_LINK: 11111, IFACIAL: 49983, IFACIAL_TCP: 49986, VMC: 39539}
LOOPBACK = "127.0.0.1"


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device to listen to. `host` is the address of the interface on this computer that listens, by default one that
    only programs on this computer reach; no `port` is the usual one of its kind, 0 any that is free. `peer` is the
    device's own address, where it must be asked to send; `subject` whose face is wanted of several ("": the first)."""

    kind: str = LIVE_LINK
    host: str = LOOPBACK
    port: int | None = None
    peer: str = ""
    subject: str = ""
    profile: str = ""  # file of the profile that it is filtered and retargeted by


def checked_source(source: Source) -> Source:
    """The source with its port; UsageError in a sentence for one that cannot be."""
    if source.kind not in KINDS:
        raise UsageError(f"no device is called {source.kind[:40]!r}; choose from {', '.join(KINDS)}")
    port = PORTS[source.kind] if source.port is None else source.port
    if not 0 <= port <= 65535:
        raise UsageError(f"there is no port {port}; choose one from 1 to 65535")
    host = address(source.host or LOOPBACK)
    peer = source.peer
    if peer:
        peer_address(peer, 1)
    return msgspec.structs.replace(source, host=host, port=port)


def peer_address(peer: str, usual: int) -> tuple[str, int]:
    """The address and port of a device, written like 192.168.1.20 or 192.168.1.20:49983."""
    host, mark, port = peer.rpartition(":") if peer.count(":") == 1 else (peer, "", "")
    if mark and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535):
        raise UsageError(f"the device's address {peer[:60]!r} has no usable port; write it like 192.168.1.20:49983")
    return address(host), int(port) if mark else usual


def address(host: str) -> str:
    """An address of an interface in numbers. Names are not looked up: that takes a network, and time."""
    if host.strip().lower() == "localhost":
        return LOOPBACK
    try:
        return str(ipaddress.ip_address(host.strip()))
    except ValueError:
        raise UsageError(f"{host[:60]!r} is no address; write one like 127.0.0.1 or 192.168.1.10") from None


def sound(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """Sources without those that cannot be: preferences may have been edited by hand."""
    out = []
    for source in sources:
        try:
            checked_source(source)
        except UsageError:
            continue
        out.append(source)
    return tuple(out)
