"""Connections that broke while they rested are replaced before they are used."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared import database as module
from shared.database import Database
from tests.support.database import TestDatabase


@pytest.fixture(name="pair")
async def _pair(database: TestDatabase) -> AsyncIterator[tuple[Database, Database]]:
    """One connection to break, and another database object that breaks it."""
    opened = [Database(database.urls["invoicing"], connections=1) for _ in range(2)]
    yield opened[0], opened[1]
    for one in opened:
        await one.close()


async def _backend(database: Database) -> int:
    async with database.transaction() as connection:
        return int(await connection.scalar(text("select pg_backend_pid()")) or 0)


async def _broken(pair: tuple[Database, Database]) -> Database:
    """Return the first database, whose connection has ended behind its back."""
    backend = await _backend(pair[0])
    async with pair[1].transaction() as connection:
        gone = text("select pg_terminate_backend(:pid, 5000)")
        assert await connection.scalar(gone, {"pid": backend})
    return pair[0]


async def test_a_rested_connection_is_tried(
    pair: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody notices that it was broken."""
    monkeypatch.setattr(module, "RESTED_SECONDS", 0.0)

    assert await _backend(await _broken(pair)) > 0


async def test_one_that_was_just_used_fails_once(
    pair: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken as it is; the next transaction has another one."""
    monkeypatch.setattr(module, "RESTED_SECONDS", 60.0)
    database = await _broken(pair)

    with pytest.raises((DBAPIError, OSError)):
        await _backend(database)

    assert await _backend(database) > 0
