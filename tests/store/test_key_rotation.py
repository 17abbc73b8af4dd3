"""Every secret gets under the newest key while others work, and none is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from daemon.core.errors import Permanent
from daemon.intervals.wire import Credential
from daemon.store import credentials, sealed_secrets
from daemon.store.database import Database
from daemon.vault import rotation
from daemon.vault.cipher import Cipher, new_key
from daemon.vault.intervals import store_credential
from daemon.vault.tokens import store_tokens
from tests.support.queue import add_athletes

OLD, NEW, OTHER = new_key(), new_key(), new_key()
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ATHLETES = 7


async def filled(database: Database, cipher: Cipher, athlete_ids: range) -> None:
    async with database.transaction() as connection:
        await add_athletes(connection, list(athlete_ids))
        for athlete_id in athlete_ids:
            access = SecretStr(f"access {athlete_id}") if athlete_id % 2 else None
            until = NOW + timedelta(hours=6) if access is not None else None
            await store_tokens(connection, cipher, athlete_id, SecretStr(f"refresh {athlete_id}"), access, until)
        await store_credential(connection, cipher, athlete_ids[0], Credential("api_key", SecretStr("key")), NOW)


async def rotated(database: Database, *keys: SecretStr) -> rotation.Rotated:
    return await rotation.rotate(database, Cipher(keys), lambda _: None)


async def versions(database: Database) -> list[tuple[int, int]]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT athlete_id, version FROM credentials ORDER BY athlete_id")
    return [tuple(row) for row in rows]


async def test_afterwards_the_newest_key_alone_opens_everything(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PAGE", 3)
    await filled(database, Cipher([OLD]), range(1, ATHLETES + 1))
    assert await rotation.count(database) == ATHLETES + 4 + 1
    before = await versions(database)
    first = await rotated(database, NEW, OLD)
    assert (first.renewed, first.current, first.unreadable) == (ATHLETES + 4 + 1, 0, [])
    again = await rotated(database, NEW, OLD)
    assert (again.renewed, again.current) == (0, ATHLETES + 4 + 1)
    for athlete_id in range(1, ATHLETES + 1):
        async with database.connection() as connection:
            sealed = await credentials.read(connection, athlete_id)
        assert sealed is not None
        opened = Cipher([NEW]).open(athlete_id, "refresh_token", sealed.refresh_token)
        assert opened.get_secret_value() == f"refresh {athlete_id}"
    assert await versions(database) == before, "a refresh under way still finds its version"


async def test_what_a_refresh_stored_meanwhile_is_never_put_back(database: Database) -> None:
    await filled(database, Cipher([OLD]), range(1, 2))
    place = sealed_secrets.Place.REFRESH_TOKENS
    async with database.transaction() as connection:
        (read,) = await sealed_secrets.page(connection, place, 0, 10)
        await store_tokens(connection, Cipher([NEW]), 1, SecretStr("newer"))
        assert not await sealed_secrets.exchange(connection, place, read, Cipher([NEW, OLD]).reseal(read.sealed))
        sealed = await credentials.read(connection, 1)
    assert sealed is not None
    assert Cipher([NEW]).open(1, "refresh_token", sealed.refresh_token).get_secret_value() == "newer"


async def test_what_no_key_opens_is_named_and_left(database: Database) -> None:
    await filled(database, Cipher([OTHER]), range(1, 2))
    await filled(database, Cipher([OLD]), range(2, 3))
    found = await rotated(database, NEW, OLD)
    assert found.unreadable == [
        "refresh token of athlete 1", "access token of athlete 1", "key of Intervals.icu of athlete 1"
    ]  # fmt: skip
    assert found.renewed == 2
    assert (await rotated(database, NEW, OTHER)).renewed == 3


async def test_every_sealed_column_of_the_schema_has_its_place(database: Database) -> None:
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type = 'bytea' ORDER BY 1, 2"
        )
    no_secrets = {
        ("activity_streams", "body"), ("admin_tokens", "sha256"), ("events", "body"), ("events", "dedup_key"),
        ("web_sessions", "session_hash"), ("connect_states", "state_hash"), ("connect_states", "browser_hash"),
    }  # fmt: skip
    sealed = {tuple(row) for row in rows} - no_secrets - {("migrations", "sha256")}
    assert len(sealed) == len(sealed_secrets.Place), sealed


@given(st.text(min_size=1, max_size=80))
def test_a_secret_is_the_same_after_any_number_of_changes(text: str) -> None:
    sealed = Cipher([OLD]).seal(5, "refresh_token", SecretStr(text))
    moved = Cipher([OTHER, NEW]).reseal(Cipher([NEW, OLD]).reseal(sealed))
    assert Cipher([OTHER]).open(5, "refresh_token", moved).get_secret_value() == text
    assert Cipher([OTHER]).is_current(moved)
    assert not Cipher([NEW]).is_current(moved)
    with pytest.raises(Permanent):
        Cipher([NEW]).reseal(moved)
