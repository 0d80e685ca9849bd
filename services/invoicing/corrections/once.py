"""Writes that may be sent twice: the same key and body make one object, another body a conflict."""

import json
from collections.abc import Awaitable, Callable
from hashlib import sha256

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.repository import idempotency
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.errors import conflict


async def made_once(
    connection: AsyncConnection,
    account: Account,
    key: str,
    *,
    request: tuple[str, BaseModel],
    make: Callable[[], Awaitable[str]],
    clock: Clock,
) -> str:
    """Return the id of what `make` makes, or made the first time under this key.

    `request` is the operation with its place, and the validated body. Raises
    `idempotency_key_reused` when the key was used for anything else. Keys are kept for ever, as
    what they made is.
    """
    operation, body = request
    document = json.dumps([operation, body.model_dump(mode="json")], separators=(",", ":"))
    digest = sha256(document.encode()).hexdigest()
    known = await idempotency.read_key(connection, account, key)
    if known is not None:
        if known["request_hash"] != digest:
            message = "This idempotency key was used for another request."
            raise conflict("idempotency_key_reused", message, subject=key)
        return str(known["object_id"])
    made = await make()
    await idempotency.store_key(
        connection, account, key, request_hash=digest, object_id=made, now=clock.now()
    )
    return made
