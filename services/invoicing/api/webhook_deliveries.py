"""Routes of what was sent to a vendor's endpoints, and of sending it again."""

import json
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from services.invoicing.api.common import BillingReader, BillingWriter, Services
from services.invoicing.api.webhook_endpoints import EndpointId, key_of
from services.invoicing.repository import webhook_deliveries as repository
from services.invoicing.repository import webhook_endpoints
from services.invoicing.repository.webhook_deliveries import DeliveryFilter
from services.invoicing.webhook_schemas import (
    EventTypeName,
    Replayed,
    ReplayWanted,
    WebhookAttemptRead,
    WebhookDeliveryDetail,
    WebhookDeliveryPage,
    WebhookDeliveryRead,
)
from services.invoicing.webhooks_out.endpoints import open_endpoint
from services.invoicing.webhooks_out.models import Delivery, DeliveryState

PAGE_MAX = 200
_ID = r"^[0-9a-f-]{36}$"
EventId = Annotated[str, Path(pattern=_ID)]


def webhook_deliveries_router(services: Services) -> APIRouter:
    """Return the routes under `/v1/webhook-endpoints/{endpoint_id}`."""
    router = APIRouter(prefix="/v1/webhook-endpoints/{endpoint_id}", tags=["webhooks"])
    _add_reading(router, services)
    _add_replay(router, services)
    return router


def _add_reading(router: APIRouter, services: Services) -> None:
    @router.get("/deliveries")
    async def list_webhook_deliveries(
        endpoint_id: EndpointId,
        caller: BillingReader,
        *,
        state: Annotated[DeliveryState | None, Query()] = None,
        event_type: Annotated[EventTypeName | None, Query()] = None,
        before: Annotated[str | None, Query(pattern=_ID)] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
    ) -> WebhookDeliveryPage:
        """List deliveries, the newest event first; those that ended are kept for 30 days."""
        key = key_of(caller, endpoint_id)
        wanted = DeliveryFilter(state, event_type, before, limit)
        async with services.database.transaction() as connection:
            await webhook_endpoints.read(connection, key)
            found = await repository.list_deliveries(connection, key, wanted)
        return WebhookDeliveryPage(
            webhook_deliveries=[_shown(one) for one in found],
            next=found[-1].event_id if len(found) == limit else None,
        )

    @router.get("/deliveries/{event_id}")
    async def get_webhook_delivery(
        endpoint_id: EndpointId, event_id: EventId, caller: BillingReader
    ) -> WebhookDeliveryDetail:
        """Return a delivery with its payload and every attempt."""
        key = key_of(caller, endpoint_id)
        async with services.database.transaction() as connection:
            found, payload = await repository.read_delivery(connection, key, event_id)
            attempts = await repository.list_attempts(connection, key, event_id)
        return WebhookDeliveryDetail(
            **dict(_shown(found)),
            payload=json.loads(payload),
            attempt_log=[WebhookAttemptRead.model_validate(vars(one)) for one in attempts],
        )


def _add_replay(router: APIRouter, services: Services) -> None:
    @router.post("/deliveries/{event_id}/replay", status_code=HTTPStatus.ACCEPTED)
    async def replay_webhook_delivery(
        endpoint_id: EndpointId, event_id: EventId, caller: BillingWriter
    ) -> WebhookDeliveryRead:
        """Send a delivery again, also one that was delivered, with the same `webhook-id`."""
        key = key_of(caller, endpoint_id)
        async with services.database.transaction() as connection:
            await open_endpoint(connection, key)
            await repository.replay_one(connection, key, event_id, services.clock.now())
            found, _payload = await repository.read_delivery(connection, key, event_id)
        return _shown(found)

    @router.post("/replay", status_code=HTTPStatus.ACCEPTED)
    async def replay_dead_webhooks(
        endpoint_id: EndpointId, wanted: ReplayWanted, caller: BillingWriter
    ) -> Replayed:
        """Send every dead delivery of events since a time again."""
        key = key_of(caller, endpoint_id)
        async with services.database.transaction() as connection:
            await open_endpoint(connection, key)
            count = await repository.replay_dead(
                connection, key, wanted.since, services.clock.now()
            )
        return Replayed(replayed=count)


def _shown(delivery: Delivery) -> WebhookDeliveryRead:
    waits = delivery.state == "pending"
    return WebhookDeliveryRead.model_validate(
        {**vars(delivery), "next_attempt_at": delivery.next_attempt_at if waits else None}
    )
