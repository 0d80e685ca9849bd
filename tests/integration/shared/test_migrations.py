"""Migrations: what they build is what the tables say, and running them again changes nothing."""

import asyncio

import pytest
from alembic import command
from alembic.util.exc import CommandError
from sqlalchemy import text

from services.migrations import HISTORIES
from shared.database import Database
from shared.migrations import alembic_config, create_roles, upgrade
from tests.support.database import TestDatabase


async def _check(schema: str, url: str) -> None:
    await asyncio.to_thread(command.check, alembic_config(HISTORIES[schema], url))


@pytest.mark.parametrize("schema", sorted(HISTORIES))
async def test_the_tables_are_what_the_migrations_build(
    database: TestDatabase, schema: str
) -> None:
    """Nothing was changed in tables.py without a migration."""
    await _check(schema, database.urls[schema])


async def test_migrating_again_changes_nothing(database: TestDatabase) -> None:
    """Roles and migrations can be applied any number of times."""
    await create_roles(database.admin_url, database.urls)
    for schema, folder in HISTORIES.items():
        await asyncio.to_thread(upgrade, folder, database.urls[schema])

    await _check("pricing", database.urls["pricing"])


async def test_a_table_without_migration_would_be_noticed(database: TestDatabase) -> None:
    """The check fails when the database has what the tables do not know."""
    owner = Database(database.urls["metering"])
    async with owner.transaction() as connection:
        await connection.execute(text("create table metering.surprise (id int primary key)"))

    with pytest.raises(CommandError, match="surprise"):
        await _check("metering", database.urls["metering"])

    async with owner.transaction() as connection:
        await connection.execute(text("drop table metering.surprise"))
    await owner.close()
