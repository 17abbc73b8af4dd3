"""Seals every stored secret anew under the newest key, while daemons go on working.

Each row is exchanged only if it still holds what was read: a refresh or a reconnect in between wins, and has sealed
with the newest key anyway. Refuses to drop a secret that no key opens: it is counted and left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from daemon.core.errors import Permanent
from daemon.store import sealed_secrets
from daemon.store.database import Database
from daemon.store.sealed_secrets import Place, SealedSecret
from daemon.vault.cipher import Cipher

PAGE: Final = 500


@dataclass(slots=True)
class Rotated:
    """How many secrets were sealed anew, were current already, and could not be opened, with whose they are."""

    renewed: int = 0
    current: int = 0
    unreadable: list[str] = field(default_factory=list)


async def rotate(database: Database, cipher: Cipher, told: Callable[[int], None]) -> Rotated:
    """Go through all secrets; `told` hears after each page how many were looked at."""
    found, looked = Rotated(), 0
    for place in Place:
        after = 0
        while True:
            async with database.connection() as connection:
                rows = await sealed_secrets.page(connection, place, after, PAGE)
            for row in rows:
                await _renew(database, cipher, place, row, found)
            looked += len(rows)
            told(looked)
            if len(rows) < PAGE:
                break
            after = rows[-1].row_id
    return found


async def count(database: Database) -> int:
    """Return how many secrets are stored."""
    async with database.connection() as connection:
        return await sealed_secrets.count(connection)


async def _renew(database: Database, cipher: Cipher, place: Place, row: SealedSecret, found: Rotated) -> None:
    if cipher.is_current(row.sealed):
        found.current += 1
        return
    try:
        fresh = cipher.reseal(row.sealed)
    except Permanent:
        found.unreadable.append(f"{place} {row.row_id}")
        return
    async with database.connection() as connection:
        if await sealed_secrets.exchange(connection, place, row, fresh):
            found.renewed += 1
        else:
            found.current += 1
