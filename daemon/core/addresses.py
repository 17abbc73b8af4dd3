"""Where a webhook may be sent: a judgement on an address as it is written, and on the machine that it leads to.

The second is made when the socket is opened, on the very address that is connected to: a name may lead elsewhere by
then, and an address may be written in ways that hide it. Refuses to resolve anything.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from daemon.core.listening import bracketed

LONGEST: Final = 2_000
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")  # all that is given out; the rest is somebody's own, or a form
_TUNNEL: Final = ipaddress.IPv6Network("2002::/16")  # 6to4: an IPv4 address inside, gone from the internet
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")  # how networks without IPv4 reach it (RFC 6052)


class NotAllowed(ValueError):
    """Nothing is sent to this address; says why, and what would be."""


def check(url: str, *, allow_private: bool) -> str:
    """Return the origin of an address to send to, fit to be shown; raises NotAllowed.

    `allow_private` lets webhooks into the operator's own network, and to this machine without TLS.
    """
    parts, port = _parts(url)
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise NotAllowed("the address must not hold a user or a password: what is sent is signed instead")
    if parts.fragment or "#" in url:
        raise NotAllowed("the address must not hold a #: that part is never sent")
    if parts.scheme == "http" and not (allow_private and host in _LOOPBACK):
        raise NotAllowed("the address must begin with https:// (http:// to this machine only, where"
                         " notifications.allow_private is true)")  # fmt: skip
    literal = _literal(host)
    if literal is not None:
        check_reached(str(literal), allow_private=allow_private)
    elif host in _LOOPBACK and not allow_private:
        raise NotAllowed(_private(host))
    return f"{parts.scheme}://{bracketed(host)}" + (f":{port}" if port is not None else "")


def check_reached(address: str, *, allow_private: bool) -> None:
    """Raise NotAllowed where the machine behind an IP address is not one of the internet's."""
    if not allow_private and not is_public(address):
        raise NotAllowed(_private(address))


def is_public(address: str) -> bool:
    """Tell whether an IP address is one that anybody on the internet may have."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        inner = _inside(parsed)
        if inner is None:
            return parsed in _UNICAST and parsed not in _TUNNEL and parsed.is_global
        parsed = inner
    return parsed.is_global and not parsed.is_multicast


def _parts(url: str) -> tuple[SplitResult, int | None]:
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise NotAllowed(f"the address must be of visible ASCII characters, without a blank, at most {LONGEST}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotAllowed("the address cannot be read: check its host and port") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise NotAllowed("the address must be such as https://example.org/hooks/domestique")
    return parts, port


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _inside(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that is meant, where IPv6 is only its wrapping."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _TRANSLATED else None


def _private(address: str) -> str:
    return (
        f"{address} is not an address of the internet: webhooks into your own network need"
        " notifications.allow_private = true"
    )
