"""Rating beside reading and writing: a failure of one never leaves the other under way."""

import asyncio

import pytest

from services.pricing.handlers.closing_together import both


async def test_a_failure_waits_for_the_other() -> None:
    """Whoever rolls back then has the connection to itself."""
    done = []

    async def slow() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        done.append("written")

    async def failing() -> None:
        raise ValueError("no rating")

    with pytest.raises(ValueError, match="no rating"):
        await both(failing(), slow())

    assert ["written"] == done
    assert (1, 2) == await both(asyncio.sleep(0, 1), asyncio.sleep(0, 2))
