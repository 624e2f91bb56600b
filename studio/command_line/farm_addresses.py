"""Where other machines reach a coordinator that listens.

Who listens at all interfaces (`--host 0.0.0.0`, `--host ::`) has no address yet: that one names no machine. What others
can use are the names that the certificate is for, as nodes take no other; where it has none, the machine's own address
towards the world, which the system says without a packet being sent, and its name.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from pathlib import Path

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_FAR = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))  # of nobody (RFC 5737, RFC 3849)


def hosts_for_others(host: str, certificate: str | None = None) -> list[str]:
    """The names and addresses by which others reach who listens at `host`, the best first; none where only this machine
    does."""
    bound = _address(host)
    if host == "localhost" or (bound is not None and bound.is_loopback):
        return []
    if host and (bound is None or not bound.is_unspecified):
        return [host]
    versions: set[int] = {bound.version if bound is not None else 4}
    if 6 in versions and _both():
        versions.add(4)
    return _named(certificate, versions) or [*_own(versions), socket.gethostname()]


def url_at(host: str, url: str) -> str:
    """A URL with another host."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{rest.rpartition(':')[2]}"


def _address(host: str) -> Address | None:
    """A host as an address, also in the short forms of IPv4 (`0`, `127.1`); None for a name."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host)
    with contextlib.suppress(OSError):
        return ipaddress.IPv4Address(socket.inet_aton(host))
    return None


def _both() -> bool:
    """Whether who listens at all of IPv6 hears IPv4 too."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as some:
            return not some.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        return False


def _named(certificate: str | None, versions: set[int]) -> list[str]:
    """The names and addresses that a certificate is for and that others can use."""
    from cryptography import x509

    if certificate is None:
        return []
    try:
        first = x509.load_pem_x509_certificates(Path(certificate).read_bytes())[0]
        names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return []  # which nodes will tell
    found = [name for name in names.get_values_for_type(x509.DNSName) if "*" not in name and name != "localhost"]
    addresses = names.get_values_for_type(x509.IPAddress)
    return found + [str(each) for each in addresses if each.version in versions and not each.is_loopback]


def _own(versions: set[int]) -> list[str]:
    """The addresses from which this machine would speak to a far one."""
    found = []
    for family, far in _FAR:
        if (6 if family == socket.AF_INET6 else 4) not in versions:
            continue
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as some:  # there is no way out
            some.connect((far, 9))
            mine = ipaddress.ip_address(some.getsockname()[0].partition("%")[0])
            if not (mine.is_loopback or mine.is_unspecified or mine.is_link_local):
                found.append(str(mine))
    return found
