"""Writes that may be sent twice: the same key and body is one write, another body a conflict."""

from collections.abc import Awaitable, Callable

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.hashing import content_hash
from services.pricing.repository import idempotency
from shared.accounts.repository import Account
from shared.errors import conflict
from shared.idempotency import Answer


async def once(
    connection: AsyncConnection,
    account: Account,
    key: str | None,
    *,
    request: tuple[str, BaseModel],
    answer: type[Answer],
    write: Callable[[], Awaitable[Answer]],
) -> Answer:
    """Write unless that was done under this key, and return the first answer.

    `request` is the operation, with its place, and the validated body. Raises
    `idempotency_key_reused` (409) when the key was used for anything else. Without a key the write
    itself must be one that twice is once. Keys are kept for `housekeeping.KEYS_KEPT`.
    """
    if key is None:
        return await write()
    operation, body = request
    digest = content_hash({"operation": operation, "body": body.model_dump(mode="json")})
    await idempotency.lock_key(connection, account, key)
    known = await idempotency.read(connection, account, key)
    if known is not None:
        if known["request_hash"] != digest:
            message = "This idempotency key was used for another request."
            raise conflict("idempotency_key_reused", message, subject=key)
        return answer.model_validate(known["answer"])
    made = await write()
    await idempotency.store(
        connection, account, key, request_hash=digest, answer=made.model_dump(mode="json")
    )
    return made
