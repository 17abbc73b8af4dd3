"""How many attempts with a wrong token are borne: a bucket per sender, and one for all.

An attempt is taken from both before it is looked at, and given back if the token was good: so many attempts at once
get no further than as many one after the other. Refuses to know tokens.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

THIS_MACHINE: Final = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many at once, then one every so many seconds."""

    burst: int
    every_seconds: float


EACH: Final = Allowance(10, 6.0)
ALL: Final = Allowance(60, 1.0)


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many attempts were left at an instant of elapsed time, in seconds."""

    left: float
    at: float


def full(allowance: Allowance, at: float) -> Bucket:
    """Return a bucket from which nothing was taken yet."""
    return Bucket(allowance.burst, at)


def take(bucket: Bucket, allowance: Allowance, at: float) -> Bucket | float:
    """Return the bucket with one attempt less, or in how many seconds there is one."""
    left = min(allowance.burst, bucket.left + max(0.0, at - bucket.at) / allowance.every_seconds)
    if left < 1.0:
        return (1.0 - left) * allowance.every_seconds
    return Bucket(left - 1.0, max(at, bucket.at))


def give_back(bucket: Bucket, allowance: Allowance) -> Bucket:
    """Return the bucket with one attempt more."""
    return Bucket(min(float(allowance.burst), bucket.left + 1.0), bucket.at)


def sender(peer: str | None, forwarded_for: str | None, proxies: Sequence[Network]) -> str:
    """Return whom to count an attempt against: an IPv4 address, an IPv6 network of one customer, or "unknown".

    Behind a reverse proxy every peer is the proxy; the last entry in its X-Forwarded-For is then the sender, and
    where that is one of the proxies too, the entry before it. From elsewhere the header is not believed. A false
    entry wins little: it only chooses the bucket, and the bucket for all holds.
    """
    address = _address(peer)
    entries = (forwarded_for or "").split(",")
    while entries and address is not None and _is_within(address, proxies):
        before = _address(entries.pop().strip())
        if before is None:
            break
        address = before
    if address is None:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def is_this_machine(peer: str | None) -> bool:
    """Tell whether a connection comes from this very machine."""
    address = _address(peer)
    return address is not None and address.is_loopback


def _is_within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
