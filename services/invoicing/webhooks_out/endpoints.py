"""Use cases of endpoints: one decision, one transaction. The caller commits."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography.fernet import InvalidToken
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.webhook_address import RefusedUrl, read_target
from services.invoicing.repository import webhook_deliveries, webhook_endpoints
from services.invoicing.webhook_schemas import WebhookEndpointWrite
from services.invoicing.webhooks_out.composing import trial_event
from services.invoicing.webhooks_out.event_types import PATTERNS, SUBSCRIBABLE
from services.invoicing.webhooks_out.models import GONE, Endpoint
from services.invoicing.webhooks_out.recording import store_event
from services.invoicing.webhooks_out.secrets import (
    SECRETS_MAX,
    EndpointKey,
    SigningSecret,
    new_secret,
    seal_secrets,
    unseal_secrets,
    valid_secrets,
)
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import lock_transaction
from shared.errors import Fault, TallyrollError, conflict, not_found
from shared.events.message import Mode
from shared.ids import new_id

logger = structlog.get_logger()

ENDPOINTS_MAX = 20
"""Of one vendor and mode: each event is a delivery for every one of them."""

BY_HAND = "by_hand"


@dataclass(frozen=True)
class EndpointPolicy:
    """What endpoints of this deployment may be. Loopback is for tests, and for test mode alone."""

    allow_loopback: bool

    def loopback(self, mode: Mode) -> bool:
        return self.allow_loopback and mode == "test"


@dataclass(frozen=True)
class Endpoints:
    """Writes endpoints."""

    secret_key: bytes
    policy: EndpointPolicy
    clock: Clock

    async def put(
        self, connection: AsyncConnection, key: EndpointKey, written: WebhookEndpointWrite
    ) -> SigningSecret | None:
        """Create an endpoint and return its secret, or change it and return None."""
        self._check(key.account, written)
        account = key.account
        await lock_transaction(connection, "webhook endpoints", account.vendor_id, account.mode)
        known = await webhook_endpoints.find(connection, key)
        if known is None:
            return await self._create(connection, key, written)
        await self._change(connection, known, written)
        return None

    def _check(self, account: Account, written: WebhookEndpointWrite) -> None:
        """Refuse a URL that is never sent to, and types that there are not; all at once."""
        faults = [
            Fault("unknown_event_type", f"event_types[{index}]", f"There is no type {name!r}.")
            for index, name in enumerate(written.event_types)
            if name not in SUBSCRIBABLE | PATTERNS
        ]
        try:
            read_target(written.url, allow_loopback=self.policy.loopback(account.mode))
        except RefusedUrl as refusal:
            faults.append(Fault(refusal.code, "url", refusal.message))
        if faults:
            message = "The endpoint cannot be used as it is."
            raise TallyrollError("invalid_webhook_endpoint", message, faults=faults)

    async def _create(
        self, connection: AsyncConnection, key: EndpointKey, written: WebhookEndpointWrite
    ) -> SigningSecret:
        if len(await webhook_endpoints.list_all(connection, key.account)) >= ENDPOINTS_MAX:
            message = f"A vendor has at most {ENDPOINTS_MAX} endpoints in a mode."
            raise conflict("too_many_webhook_endpoints", message, subject=key.endpoint_id)
        now = self.clock.now()
        secret = new_secret(now)
        values = self._values(written, now) | {
            "sealed": seal_secrets(self.secret_key, key, (secret,)),
            "created_at": now,
        }
        await webhook_endpoints.insert_new(connection, key, values)
        logger.info("webhook_endpoint_created", endpoint_id=key.endpoint_id)
        return secret

    async def _change(
        self, connection: AsyncConnection, known: Endpoint, written: WebhookEndpointWrite
    ) -> None:
        now = self.clock.now()
        values = self._values(written, now)
        if not written.enabled and known.state == "disabled":
            del values["disabled_reason"]  # it stays what it was: gone is not by hand
        if written.url != known.url or (written.enabled and known.state == "disabled"):
            values |= {"failing_since": None, "paused_until": None}
        await webhook_endpoints.change(connection, known.key, values)
        if not written.enabled:
            await webhook_deliveries.give_up_pending(connection, known.key, now)

    def _values(self, written: WebhookEndpointWrite, now: datetime) -> dict[str, Any]:
        return {
            "url": written.url,
            "description": written.description,
            "event_types": written.event_types,
            "state": "enabled" if written.enabled else "disabled",
            "disabled_reason": None if written.enabled else BY_HAND,
            "updated_at": now,
        }

    async def rotate(
        self, connection: AsyncConnection, key: EndpointKey, overlap: timedelta
    ) -> SigningSecret:
        """Return a new secret; those before it sign beside it for `overlap`, no longer than set.

        Raises `too_many_webhook_secrets` (409) while three are valid.
        """
        now = self.clock.now()
        endpoint = await webhook_endpoints.read(connection, key, lock=True)
        valid = self.known_secrets(endpoint)
        ends = now + overlap
        older = tuple(
            SigningSecret(one.text, one.created_at, min(ends, one.expires_at or ends))
            for one in valid
            if overlap
        )
        if len(older) >= SECRETS_MAX:
            message = f"{SECRETS_MAX} secrets are valid. Wait, or rotate with an overlap of 0."
            raise conflict("too_many_webhook_secrets", message, subject=key.endpoint_id)
        secret = new_secret(now)
        values = {
            "sealed": seal_secrets(self.secret_key, key, (secret, *older)),
            "updated_at": now,
        }
        await webhook_endpoints.change(connection, key, values)
        logger.info("webhook_secret_rotated", endpoint_id=key.endpoint_id, valid=1 + len(older))
        return secret

    def known_secrets(self, endpoint: Endpoint) -> tuple[SigningSecret, ...]:
        """Return the secrets that sign now; none when they do not open: a rotation heals that."""
        try:
            return self.secrets(endpoint)
        except InvalidToken:
            logger.warning("webhook_secrets_unreadable", endpoint_id=endpoint.endpoint_id)
            return ()

    def secrets(self, endpoint: Endpoint) -> tuple[SigningSecret, ...]:
        """Return the secrets that sign now, the newest first; raises `InvalidToken`."""
        known = unseal_secrets(self.secret_key, endpoint.key, endpoint.sealed)
        return valid_secrets(known, self.clock.now())

    async def remove(self, connection: AsyncConnection, key: EndpointKey) -> None:
        """Delete an endpoint and its deliveries; raises `unknown_webhook_endpoint`."""
        if not await webhook_endpoints.remove(connection, key):
            raise not_found("webhook_endpoint", key.endpoint_id)
        logger.info("webhook_endpoint_deleted", endpoint_id=key.endpoint_id)

    async def send_test(self, connection: AsyncConnection, key: EndpointKey) -> str:
        """Queue a `webhook.test`; return its id. Raises `webhook_endpoint_disabled` (409)."""
        endpoint = await open_endpoint(connection, key)
        now = self.clock.now()
        event = trial_event(key.account, key.endpoint_id, new_id(), now)
        return await store_event(connection, event, [endpoint], now)


async def open_endpoint(connection: AsyncConnection, key: EndpointKey) -> Endpoint:
    """Return an endpoint that somebody wants to send to now: a pause that it asked for ends.

    Raises `webhook_endpoint_disabled` (409).
    """
    endpoint = await webhook_endpoints.read(connection, key, lock=True)
    if endpoint.state != "enabled":
        message = "The endpoint is disabled: enable it first."
        raise conflict("webhook_endpoint_disabled", message, subject=key.endpoint_id)
    await webhook_endpoints.change(connection, key, {"paused_until": None})
    return endpoint


async def disable_gone(connection: AsyncConnection, key: EndpointKey, now: datetime) -> None:
    """Disable an endpoint that answered 410: what waits for it is dead until it is replayed."""
    values = {"state": "disabled", "disabled_reason": GONE, "updated_at": now}
    await webhook_endpoints.change(connection, key, values)
    await webhook_deliveries.give_up_pending(connection, key, now)
    logger.warning("webhook_endpoint_gone", endpoint_id=key.endpoint_id)
