"""Webhooks out put together: what the service runs of them."""

from collections.abc import Coroutine
from typing import Any

from faststream.kafka import KafkaBroker

from services.invoicing.settings import InvoicingSettings
from services.invoicing.webhooks_out.consumers import HeardDelivery, add_webhook_consumers
from services.invoicing.webhooks_out.endpoints import EndpointPolicy, Endpoints
from services.invoicing.webhooks_out.housekeeping import WebhookHousekeeper
from services.invoicing.webhooks_out.listeners import Listeners
from services.invoicing.webhooks_out.loop import WebhookDeliveries
from services.invoicing.webhooks_out.sender import WebhookSender
from shared.clock import Clock
from shared.database import Database


class WebhooksOut:
    """Endpoints, consumers, the delivery loop and its housekeeping."""

    def __init__(self, database: Database, settings: InvoicingSettings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        policy = EndpointPolicy(settings.webhook_allow_loopback)
        secret_key = settings.secret_key.get_secret_value().encode()
        self.endpoints = Endpoints(secret_key, policy, clock)
        self.listeners = Listeners(database, clock)
        self._sender = WebhookSender(
            allow_loopback=settings.webhook_allow_loopback,
            seconds_max=settings.webhook_timeout_seconds,
        )

    def subscribe(self, broker: KafkaBroker) -> None:
        group = f"{self._settings.invoicing_consumer_group}-webhooks"
        deliver = HeardDelivery(self._database, self.listeners)
        add_webhook_consumers(broker, deliver, self._clock, group=group)

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """Return what runs until it is cancelled."""
        interval = self._settings.invoicing_sync_interval_milliseconds / 1000
        deliveries = WebhookDeliveries(
            database=self._database,
            endpoints=self.endpoints,
            sender=self._sender,
            clock=self._clock,
            attempts_max=self._settings.webhook_attempts_max,
            attempt_seconds_max=self._settings.webhook_timeout_seconds,
            interval_seconds=interval,
        )
        return [deliveries.run(), WebhookHousekeeper(self._database, self._clock).run()]

    async def close(self) -> None:
        await self._sender.close()
