"""Admin tokens in the database: one of a name in force, found by hash, revoked once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from daemon.core.bearer import Scope, State, digest, granted
from daemon.store import admin_tokens
from daemon.store.database import Connection, Database

AT = datetime(2026, 1, 1, tzinfo=UTC)
READ, OPERATE = granted(Scope.READ), granted(Scope.OPERATE)


async def test_a_token_is_found_by_its_hash_and_by_nothing_else(database: Database) -> None:
    async with database.connection() as connection:
        made = await admin_tokens.insert(connection, "one", digest("a"), OPERATE, AT, AT + timedelta(days=1))

        assert await admin_tokens.find(connection, digest("a")) == made
        assert made is not None
        assert made.scopes == OPERATE
        assert await admin_tokens.find(connection, digest("b")) is None
        assert await connection.fetchval("SELECT sha256 FROM admin_tokens") == digest("a")


async def test_of_two_tokens_of_one_name_made_at_once_one_is_in_force(database: Database) -> None:
    async def make(secret: str) -> object:
        async with database.connection() as connection:
            return await admin_tokens.insert(connection, "one", digest(secret), READ, AT, None)

    made = await asyncio.gather(*(make(secret) for secret in "abcd"))

    assert sum(token is not None for token in made) == 1


async def test_a_name_is_free_again_once_it_is_revoked(database: Database) -> None:
    async with database.connection() as connection:
        await admin_tokens.insert(connection, "one", digest("a"), READ, AT, None)
        assert await admin_tokens.insert(connection, "one", digest("b"), READ, AT, None) is None

        revoked = await admin_tokens.revoke(connection, "one", AT + timedelta(hours=1))
        again = await admin_tokens.insert(connection, "one", digest("b"), READ, AT, None)

        assert revoked is not None
        assert again is not None
        assert revoked.state(AT) is State.REVOKED
        assert [token.token_id for token in await admin_tokens.list_all(connection)] == [
            revoked.token_id, again.token_id,
        ]  # fmt: skip


@pytest.mark.parametrize("by", ["name", "number"])
async def test_a_token_is_revoked_once_by_name_or_number(database: Database, by: str) -> None:
    async with database.connection() as connection:
        made = await admin_tokens.insert(connection, "one", digest("a"), READ, AT, None)
        assert made is not None
        which = made.name if by == "name" else str(made.token_id)

        first = await admin_tokens.revoke(connection, which, AT)
        second = await admin_tokens.revoke(connection, which, AT + timedelta(days=1))

        assert first is not None
        assert second is None
        found = await admin_tokens.find(connection, digest("a"))
        assert found is not None
        assert found.revoked_at == AT


@pytest.mark.parametrize("which", ["nobody", "99", "9" * 40, ""])
async def test_revoking_what_is_not_there_changes_nothing(database: Database, which: str) -> None:
    async with database.connection() as connection:
        await admin_tokens.insert(connection, "one", digest("a"), READ, AT, None)

        assert await admin_tokens.revoke(connection, which, AT) is None
        assert [token.revoked_at for token in await admin_tokens.list_all(connection)] == [None]


async def test_the_last_use_only_moves_forward(database: Database) -> None:
    async with database.connection() as connection:
        made = await admin_tokens.insert(connection, "one", digest("a"), READ, AT, None)
        assert made is not None
        for at in (AT + timedelta(hours=2), AT + timedelta(hours=1)):
            await admin_tokens.mark_used(connection, made.token_id, at)

        assert await last_used_at(connection) == AT + timedelta(hours=2)


async def last_used_at(connection: Connection) -> datetime:
    at: datetime = await connection.fetchval("SELECT last_used_at FROM admin_tokens")
    return at
