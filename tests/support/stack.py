"""The real Postgres and Kafka that tests run on: the one given by the environment, or our own."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class StackAddress:
    """Where the servers listen."""

    admin_database_url: str
    kafka_bootstrap: str


@asynccontextmanager
async def running_stack() -> AsyncIterator[StackAddress]:
    """Yield the addresses; `make test` starts the servers once for all workers."""
    if "TALLYROLL_ADMIN_DATABASE_URL" in os.environ:
        yield StackAddress(
            os.environ["TALLYROLL_ADMIN_DATABASE_URL"], os.environ["TALLYROLL_KAFKA_BOOTSTRAP"]
        )
        return
    from deploy.local.stack import EmbeddedStack  # noqa: PLC0415 - only when it is needed

    async with EmbeddedStack(ROOT / "var" / "test-stack") as stack:
        yield StackAddress(stack.postgres_url, stack.kafka_bootstrap)
