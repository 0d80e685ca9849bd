"""Fixtures of every kind of test; the stack is started when the first test asks for it."""

from collections.abc import AsyncIterator

import pytest

from shared.topics import create_topics
from tests.support.database import TestDatabase, fresh_database
from tests.support.stack import StackAddress, running_stack


@pytest.fixture(scope="session", name="stack")
async def _stack() -> AsyncIterator[StackAddress]:
    async with running_stack() as stack:
        await create_topics(stack.kafka_bootstrap)
        yield stack


@pytest.fixture(scope="module", name="database")
async def _database(stack: StackAddress) -> AsyncIterator[TestDatabase]:
    async with fresh_database(stack.admin_database_url) as database:
        yield database
