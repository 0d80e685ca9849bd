"""Migrations: one alembic history per schema, one role per service, applied by `tallyrollctl`."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import asyncpg_url

LOCK_TIMEOUT_SECONDS = 10
"""A migration that waits longer for a lock fails, instead of holding up everybody behind it."""


def alembic_config(migrations: Path, url: str) -> Config:
    """Return alembic's configuration for one history, for the role of `url`."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option(
        "file_template", "%%(year)d-%%(month).2d-%%(day).2d-%%(hour).2d%%(minute).2d_%%(slug)s"
    )
    config.attributes["url"] = url
    return config


def run_migrations(metadata: MetaData) -> None:
    """Run what alembic asked for; every history's `env.py` calls this with its own tables."""
    config = context.config

    def configure_and_run(connection: Connection) -> None:
        connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            version_table_schema=metadata.schema,
            include_schemas=True,
            include_name=lambda name, kind, _parents: kind != "schema" or name == metadata.schema,
            compare_server_default=False,
        )
        with context.begin_transaction():
            context.run_migrations()

    async def connect_and_run() -> None:
        engine = create_async_engine(asyncpg_url(config.attributes["url"]))
        async with engine.connect() as connection:
            await connection.run_sync(configure_and_run)
        await engine.dispose()

    asyncio.run(connect_and_run())


def upgrade(migrations: Path, url: str) -> None:
    """Bring one history to its newest revision. Idempotent."""
    command.upgrade(alembic_config(migrations, url), "head")


async def create_roles(admin_url: str, service_urls: dict[str, str]) -> None:
    """Create each service's role (from its URL) and schema, and who may read `accounts`.

    `service_urls` maps a schema to the URL of the role that owns it. `accounts` belongs to the
    role of pricing, which alone writes it; the others may read. Idempotent.
    """
    engine = create_async_engine(asyncpg_url(admin_url))
    async with engine.begin() as connection:
        for schema, url in service_urls.items():
            await connection.run_sync(_create_role, url)
            role = urlsplit(url).username
            await connection.execute(
                text(f'create schema if not exists {schema} authorization "{role}"')
            )
        owner = urlsplit(service_urls["accounts"]).username
        for url in service_urls.values():
            reader = urlsplit(url).username
            await connection.execute(text(f'grant usage on schema accounts to "{reader}"'))
            await connection.execute(
                text(
                    f'alter default privileges for role "{owner}" in schema accounts '
                    f'grant select on tables to "{reader}"'
                )
            )
    await engine.dispose()


def _create_role(connection: Connection, url: str) -> None:
    address = urlsplit(url)
    known: Any = connection.execute(
        text("select 1 from pg_roles where rolname = :role"), {"role": address.username}
    ).scalar()
    verb = "alter" if known else "create"
    # Utility statements take no parameters: quote_literal and format do it on the server.
    statement = connection.execute(
        text(
            f"select format('{verb} role %I login password %L', "
            "cast(:role as text), cast(:password as text))"
        ),
        {"role": address.username, "password": address.password},
    ).scalar_one()
    connection.execute(text(statement.replace(":", "\\:")))
