"""Secrets that must come out nowhere, and the search for them in all their disguises."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote

SHORTEST = 8  # what is shorter is found by chance


class Canaries:
    """Secrets by what they are; each is looked for as it is, in hex, in base64 and quoted."""

    def __init__(self) -> None:
        self._named: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._named)

    def add(self, name: str, secret: str) -> str:
        """Remember a secret, once, and return it."""
        assert len(secret) >= SHORTEST, f"{name} would be found by chance"
        self._named.setdefault(secret, name)
        return secret

    def found_in(self, text: bytes) -> list[str]:
        """Return what was found, by name: never the secret, which a failed test would print."""
        return sorted({name for secret, name in self._named.items() if any(form in text for form in forms(secret))})

    def found_plain_in(self, text: bytes) -> list[str]:
        """Return the same of what stands there as it is: for files of many megabytes."""
        return sorted({name for secret, name in self._named.items() if secret.encode() in text})


def forms(secret: str) -> Iterator[bytes]:
    """Return every form in which a secret may stand in a text."""
    plain = secret.encode()
    yield plain
    yield quote(secret, safe="").encode()
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for before in range(3):  # base64 of a longer text looks different for each place that the secret begins at
        encoded = base64.b64encode(b"x" * before + plain)
        # What the neighbours reach into is left out, at both ends.
        inner = encoded[-(-before * 8 // 6) : len(encoded) - 4]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))
