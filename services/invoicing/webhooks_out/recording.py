"""An event becomes rows: one for itself, one for each endpoint that is told of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.repository import webhook_deliveries, webhook_endpoints
from services.invoicing.tables import inbox
from services.invoicing.webhooks_out.composing import Event
from services.invoicing.webhooks_out.event_types import subscribes
from services.invoicing.webhooks_out.models import DISABLED, Endpoint
from shared.ids import length_prefixed, new_id
from shared.inbox import claim_message

logger = structlog.get_logger()

INBOX_SOURCE = "webhooks out"


async def record_event(connection: AsyncConnection, event: Event, now: datetime) -> str | None:
    """Store an event for the endpoints that subscribe to it; return its id, None if nobody does.

    The event that is told of again, by the same message or another, is stored once.
    """
    endpoints = await webhook_endpoints.list_all(connection, event.account)
    told = [one for one in endpoints if subscribes(one.event_types, event.event_type.name)]
    if not told:
        return None
    owner = length_prefixed(event.account.vendor_id, event.account.mode, event.identity).decode()
    if not await claim_message(connection, inbox, source=INBOX_SOURCE, message_id=owner):
        return None
    return await store_event(connection, event, told, now)


async def store_event(
    connection: AsyncConnection, event: Event, told: Sequence[Endpoint], now: datetime
) -> str:
    """Write the event and its deliveries; return its id, which is the `webhook-id`."""
    event_id = new_id()
    values = {
        "event_id": event_id,
        "type": event.event_type.name,
        "tenant_id": event.tenant_id,
        "payload": event.payload(),
        "recorded_at": now,
    }
    await webhook_deliveries.insert_event(connection, event.account, values)
    await webhook_deliveries.insert_deliveries(
        connection, [_delivery(one, event_id, now) for one in told]
    )
    logger.info(
        "webhook_event_recorded",
        event_id=event_id,
        type=event.event_type.name,
        endpoints=len(told),
    )
    return event_id


def _delivery(endpoint: Endpoint, event_id: str, now: datetime) -> dict[str, Any]:
    """Return a delivery's row; what a disabled endpoint misses is dead until it is replayed."""
    is_on = endpoint.state == "enabled"
    return {
        "vendor_id": endpoint.vendor_id,
        "mode": endpoint.mode,
        "endpoint_id": endpoint.endpoint_id,
        "event_id": event_id,
        "state": "pending" if is_on else "dead",
        "reason": None if is_on else DISABLED,
        "next_attempt_at": now,
        "created_at": now,
        "finished_at": None if is_on else now,
    }
