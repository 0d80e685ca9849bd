"""One test for a sync and an async client: what either gives is awaited where it must be."""

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


async def settle(value: Any) -> Any:
    """Return what a call gave, or what it will have given."""
    return await value if inspect.isawaitable(value) else value


async def collect(stream: Any) -> list[Any]:
    """Return all of a stream."""
    if hasattr(stream, "__aiter__"):
        return [chunk async for chunk in stream]
    return list(stream)


async def first(stream: Any) -> Any:
    """Return the next chunk of a stream."""
    return await anext(stream) if hasattr(stream, "__anext__") else next(stream)


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """Enter either kind of context manager."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value
