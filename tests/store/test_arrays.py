"""Arrays of real come out of PostgreSQL's own bytes as the driver would give them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from daemon.store.arrays import read_reals
from daemon.store.database import Connection, Database


@pytest_asyncio.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        yield connection


@pytest.mark.parametrize(
    "values",
    [
        [],
        [250.0],
        [None],
        [1.5, None, -0.25, None],
        [None, 3.4e38, 1e-45, float("nan")],
        [float(number) for number in range(300)],
    ],
    ids=["empty", "one", "nothing", "gaps", "extremes", "curve"],
)
async def test_an_array_is_read_as_the_driver_reads_it(connection: Connection, values: list[float | None]) -> None:
    sent, driven = (await connection.fetchrow("SELECT array_send($1::real[]), $1::real[]", values)) or (b"", [])

    found = read_reals(sent)

    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.array(driven, dtype=np.float64))
