"""A fresh, migrated database for one test module, with its own roles."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.migrations import HISTORIES
from shared.database import asyncpg_url
from shared.migrations import create_roles, upgrade

PASSWORD = "for-tests"


@dataclass(frozen=True)
class TestDatabase:
    """URLs of one database: as its owner, and as the role of each schema."""

    __test__ = False

    admin_url: str
    urls: dict[str, str]


def _role_url(admin_url: str, role: str) -> str:
    address = urlsplit(admin_url)
    return f"postgresql://{role}:{PASSWORD}@{address.hostname}:{address.port}{address.path}"


@asynccontextmanager
async def fresh_database(admin_url: str) -> AsyncIterator[TestDatabase]:
    """Create a database with every schema migrated; drop it and its roles at the end."""
    name = f"test_{uuid4().hex[:12]}"
    server = create_async_engine(asyncpg_url(admin_url), isolation_level="AUTOCOMMIT")
    async with server.connect() as connection:
        await connection.execute(text(f"create database {name}"))
    own_url = urlsplit(admin_url)._replace(path=f"/{name}").geturl()
    # accounts belongs to the role of pricing, as in a deployment.
    owners = {schema: "pricing" if schema == "accounts" else schema for schema in HISTORIES}
    urls = {schema: _role_url(own_url, f"{name}_{owner}") for schema, owner in owners.items()}
    try:
        await create_roles(own_url, urls)
        for schema, folder in HISTORIES.items():
            await asyncio.to_thread(upgrade, folder, urls[schema])
        yield TestDatabase(own_url, urls)
    finally:
        async with server.connect() as connection:
            await connection.execute(text(f"drop database {name} with (force)"))
            for owner in sorted(set(owners.values())):
                await connection.execute(text(f"drop role if exists {name}_{owner}"))
        await server.dispose()
