"""What is asked for at the same time is done together, and a bad item stands alone."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from services.invoicing.stripe_sync.together import Together


def recording(runs: list[list[int]]) -> Callable[[list[int]], Awaitable[list[int]]]:
    async def double(items: list[int]) -> list[int]:
        runs.append(items)
        if 0 in items:
            raise ValueError
        return [2 * item for item in items]

    return double


async def test_items_of_one_moment_share_a_run() -> None:
    """Each gets its own answer, of one run."""
    runs: list[list[int]] = []
    together = Together(recording(runs))

    assert [2, 4, 6] == await asyncio.gather(*(together(item) for item in (1, 2, 3)))
    assert [[1, 2, 3]] == runs


async def test_it_waits_for_others() -> None:
    """What comes while it gathers is of the same run; without gathering it is of the next."""
    gathering: list[list[int]] = []
    at_once: list[list[int]] = []
    for runs, seconds in ((gathering, 0.5), (at_once, 0.0)):
        together = Together(recording(runs), gather_seconds=seconds)
        first = asyncio.create_task(together(1))
        for _ in range(3):
            await asyncio.sleep(0)
        assert 4 == await together(2)
        await first

    assert ([[1, 2]], [[1], [2]]) == (gathering, at_once)


async def test_a_bad_item_fails_alone() -> None:
    """The others are done all the same."""
    runs: list[list[int]] = []
    together = Together(recording(runs))

    answers = await asyncio.gather(*(together(item) for item in (1, 0, 3)), return_exceptions=True)

    assert (2, 6) == (answers[0], answers[2])
    assert isinstance(answers[1], ValueError)
    assert [[1, 0, 3], [1], [0], [3]] == runs


async def test_who_asks_alone_gets_the_error() -> None:
    """One bad item is tried once."""
    runs: list[list[int]] = []

    with pytest.raises(ValueError, match=r"^$"):
        await Together(recording(runs))(0)

    assert [[0]] == runs
