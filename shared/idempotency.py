"""Writes that may be sent twice: the header that names one, and what performs it once.

The answers are kept by the service that the routes are mounted in (`handlers/idempotency.py`).
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol, TypeVar

from fastapi import Header
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.accounts.repository import Account

KEY_PATTERN = r"^[A-Za-z0-9_.:/@+-]{1,128}$"

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="chosen by the client, the same for every attempt of one write",
    ),
]

OptionalIdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="the same for every attempt of one write; without one the write speaks of"
        " itself: the same again changes nothing",
    ),
]

Answer = TypeVar("Answer", bound=BaseModel)


class Once(Protocol):
    """Performs a write unless that was done under this key; returns the first answer."""

    async def __call__(
        self,
        connection: AsyncConnection,
        account: Account,
        key: str | None,
        *,
        request: tuple[str, BaseModel],
        answer: type[Answer],
        write: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        """`request` is the operation with its place, and the body; `answer` is stored as JSON."""
        ...
