"""Routes of a vendor's webhook endpoints."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Response

from services.invoicing.api.common import AccountsWriter, BillingReader, Services, account_of
from services.invoicing.repository import webhook_endpoints as repository
from services.invoicing.webhook_schemas import (
    SecretRotation,
    WebhookEndpointList,
    WebhookEndpointMade,
    WebhookEndpointRead,
    WebhookEndpointWrite,
    WebhookEventTypeList,
    WebhookEventTypeRead,
    WebhookSecretRead,
    WebhookTestQueued,
)
from services.invoicing.webhooks_out.endpoints import Endpoints
from services.invoicing.webhooks_out.event_types import EVENT_TYPES
from services.invoicing.webhooks_out.listeners import Listeners
from services.invoicing.webhooks_out.models import Endpoint
from services.invoicing.webhooks_out.secrets import EndpointKey, SigningSecret
from shared.accounts.access import Caller
from shared.ids import Slug

EndpointId = Annotated[Slug, Path()]
LAST = 4
"""As much of a secret is shown."""


def key_of(caller: Caller, endpoint_id: str) -> EndpointKey:
    """Return the endpoint that a request is about; a tenant's key has none."""
    caller.require_vendor_key()
    return EndpointKey(account_of(caller), endpoint_id)


def webhook_endpoints_router(
    services: Services, endpoints: Endpoints, listeners: Listeners
) -> APIRouter:
    """Return the routes under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["webhooks"])
    _add_reading(router, services, endpoints)
    _add_writing(router, services, endpoints, listeners)
    _add_secrets(router, services, endpoints)
    return router


def _add_reading(router: APIRouter, services: Services, endpoints: Endpoints) -> None:
    @router.get("/webhook-event-types")
    async def list_webhook_event_types(_caller: BillingReader) -> WebhookEventTypeList:
        """List what endpoints can be told of, each with an example of its `data`."""
        return WebhookEventTypeList(
            webhook_event_types=[
                WebhookEventTypeRead(
                    name=one.name,
                    version=one.version,
                    description=one.description,
                    example=one.example.model_dump(mode="json"),
                )
                for one in EVENT_TYPES.values()
            ]
        )

    @router.get("/webhook-endpoints")
    async def list_webhook_endpoints(caller: AccountsWriter) -> WebhookEndpointList:
        """List the endpoints of the key's mode in the order of their ids; there are 20 at most."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            found = await repository.list_all(connection, account_of(caller))
        return WebhookEndpointList(webhook_endpoints=[_shown(endpoints, one) for one in found])

    @router.get("/webhook-endpoints/{endpoint_id}")
    async def get_webhook_endpoint(
        endpoint_id: EndpointId, caller: AccountsWriter
    ) -> WebhookEndpointRead:
        """Return one endpoint."""
        key = key_of(caller, endpoint_id)
        async with services.database.transaction() as connection:
            return _shown(endpoints, await repository.read(connection, key))


def _add_writing(
    router: APIRouter, services: Services, endpoints: Endpoints, listeners: Listeners
) -> None:
    @router.put("/webhook-endpoints/{endpoint_id}")
    async def put_webhook_endpoint(
        endpoint_id: EndpointId,
        written: WebhookEndpointWrite,
        caller: AccountsWriter,
        response: Response,
    ) -> WebhookEndpointMade:
        """Create an endpoint (201, with its secret) or replace what it says (200).

        Enabling one that was disabled sends what happens from now on; replay brings the rest.
        """
        key = key_of(caller, endpoint_id)
        async with services.database.transaction() as connection:
            secret = await endpoints.put(connection, key, written)
            endpoint = await repository.read(connection, key)
        if secret is not None:
            listeners.forget()
            response.status_code = HTTPStatus.CREATED
        return _made(endpoints, endpoint, secret)

    @router.delete("/webhook-endpoints/{endpoint_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete_webhook_endpoint(endpoint_id: EndpointId, caller: AccountsWriter) -> None:
        """Delete an endpoint and its deliveries; a second time there is none (404)."""
        key = key_of(caller, endpoint_id)
        async with services.database.transaction() as connection:
            await endpoints.remove(connection, key)


def _add_secrets(router: APIRouter, services: Services, endpoints: Endpoints) -> None:
    @router.post("/webhook-endpoints/{endpoint_id}/rotate-secret")
    async def rotate_webhook_secret(
        endpoint_id: EndpointId, written: SecretRotation, caller: AccountsWriter
    ) -> WebhookEndpointMade:
        """Make a new secret, shown this once. Older ones sign beside it during the overlap.

        When the answer got lost, rotate again: what receivers know stays valid.
        """
        key = key_of(caller, endpoint_id)
        async with services.database.transaction() as connection:
            overlap = timedelta(hours=written.overlap_hours)
            secret = await endpoints.rotate(connection, key, overlap)
            endpoint = await repository.read(connection, key)
        return _made(endpoints, endpoint, secret)

    @router.post("/webhook-endpoints/{endpoint_id}/test", status_code=HTTPStatus.ACCEPTED)
    async def test_webhook_endpoint(
        endpoint_id: EndpointId, caller: AccountsWriter
    ) -> WebhookTestQueued:
        """Send the endpoint a `webhook.test`."""
        key = key_of(caller, endpoint_id)
        async with services.database.transaction() as connection:
            return WebhookTestQueued(event_id=await endpoints.send_test(connection, key))


def _shown(endpoints: Endpoints, endpoint: Endpoint) -> WebhookEndpointRead:
    secrets = [
        WebhookSecretRead(
            last4=one.text[-LAST:], created_at=one.created_at, expires_at=one.expires_at
        )
        for one in endpoints.known_secrets(endpoint)
    ]
    return WebhookEndpointRead.model_validate({**vars(endpoint), "secrets": secrets})


def _made(
    endpoints: Endpoints, endpoint: Endpoint, secret: SigningSecret | None
) -> WebhookEndpointMade:
    shown = _shown(endpoints, endpoint)
    return WebhookEndpointMade(**dict(shown), secret=secret.text if secret else None)
