"""Where a server listens, written as an address: to be shown, and to be asked from the same machine.

Refuses to resolve anything.
"""

from __future__ import annotations

import ipaddress
from typing import Final

_HERE: Final = {4: "127.0.0.1", 6: "::1"}


def bracketed(host: str) -> str:
    """Return a host as it stands in an address: one of IPv6 in brackets, or its colons would begin the port."""
    return f"[{host}]" if ":" in host else host


def origin(host: str, port: int) -> str:
    """Return the address of a server without TLS."""
    return f"http://{bracketed(host)}:{port}"


def asked_at(host: str, port: int) -> str:
    """Return the address at which this machine asks a server; one that listens everywhere is asked on loopback."""
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return origin(host, port)
    return origin(_HERE[literal.version] if literal.is_unspecified else host, port)
