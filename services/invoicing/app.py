"""The composition root: the only place that constructs clients, and what runs beside the API."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.invoicing.api.carry_overs import carry_overs_router
from services.invoicing.api.common import Services
from services.invoicing.api.corrections import corrections_router
from services.invoicing.api.coupons import coupons_router
from services.invoicing.api.credit_documents import credit_documents_router
from services.invoicing.api.credit_notes import credit_notes_router
from services.invoicing.api.documents import documents_router
from services.invoicing.api.drafts import drafts_router
from services.invoicing.api.focus import focus_router
from services.invoicing.api.invoices import invoices_router
from services.invoicing.api.revisions import revisions_router
from services.invoicing.api.stripe import stripe_router
from services.invoicing.api.taxes import taxes_router
from services.invoicing.api.tracing import tracing_router
from services.invoicing.api.webhook_deliveries import webhook_deliveries_router
from services.invoicing.api.webhook_endpoints import webhook_endpoints_router
from services.invoicing.consumers import StatementConsumer, subscribe
from services.invoicing.corrections import due
from services.invoicing.corrections.loop import CorrectionSync
from services.invoicing.settings import InvoicingSettings
from services.invoicing.stripe_accounts import StripeAccounts
from services.invoicing.stripe_events import refused_events
from services.invoicing.stripe_sync.loop import InvoiceSync
from services.invoicing.tables import outbox
from services.invoicing.webhooks import WebhookProcessor
from services.invoicing.webhooks_out.running import WebhooksOut
from shared.accounts.access import Access
from shared.api import create_api
from shared.broker import create_broker, create_producer
from shared.clock import Clock, SystemClock
from shared.database import Database
from shared.health import health_router
from shared.housekeeping import repeat
from shared.logging import configure_logging
from shared.metrics import metrics_router
from shared.outbox import OutboxRelay
from shared.strict_json import StrictJson

BODY_BYTES_MAX = 1024 * 1024
STRIPES_WEBHOOKS = "/v1/webhooks/stripe/"
"""What is signed is read as it came, after its signature was checked."""


def create_app(settings: InvoicingSettings, clock: Clock | None = None) -> FastAPI:
    """Return the app; its lifespan runs the consumer, the outbox relay and the Stripe loops."""
    clock = clock or SystemClock()
    database = Database(
        settings.invoicing_database_url.get_secret_value(),
        connections=settings.database_connections,
    )
    services = Services(database, StripeAccounts(database, settings), settings, clock)

    webhooks_out = WebhooksOut(database, settings, clock)

    async def close() -> None:
        await webhooks_out.close()
        await services.accounts.close()
        await database.close()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            async with _running(services, webhooks_out):
                yield
        finally:
            await close()

    metrics = CollectorRegistry()
    pepper = settings.secret_key.get_secret_value().encode()
    app = create_api(
        "Tallyroll invoicing",
        "Invoices, the vendor's Stripe account, webhooks in and out.",
        lifespan=lifespan,
        access=Access(database, pepper, clock),
    )
    app.add_middleware(StrictJson, bytes_max=BODY_BYTES_MAX, apart=(STRIPES_WEBHOOKS,))
    app.state.close = close  # for whoever uses the app without its lifespan
    app.include_router(invoices_router(services))
    app.include_router(carry_overs_router(services))
    app.include_router(coupons_router(services))
    app.include_router(taxes_router(services))
    app.include_router(corrections_router(services))
    app.include_router(credit_notes_router(services))
    app.include_router(credit_documents_router(services))
    app.include_router(documents_router(services))
    app.include_router(drafts_router(services))
    app.include_router(revisions_router(services))
    app.include_router(tracing_router(services))
    app.include_router(focus_router(services))
    app.include_router(stripe_router(services, refused_events(metrics)))
    app.include_router(
        webhook_endpoints_router(services, webhooks_out.endpoints, webhooks_out.listeners)
    )
    app.include_router(webhook_deliveries_router(services))
    app.include_router(health_router({"postgres": database.ping}))
    app.include_router(metrics_router(metrics))
    return app


@asynccontextmanager
async def _running(services: Services, webhooks_out: WebhooksOut) -> AsyncIterator[None]:
    settings, database, clock = services.settings, services.database, services.clock
    interval = settings.invoicing_sync_interval_milliseconds / 1000
    async with AsyncExitStack() as stack:
        loops = [
            OutboxRelay(database, outbox, partial(create_producer, settings.kafka_bootstrap)).run(),
            InvoiceSync(
                database,
                services.accounts,
                clock,
                interval,
                in_flight=settings.invoicing_invoices_in_flight,
            ).run(),
            CorrectionSync(database, services.accounts, clock, interval).run(),
            WebhookProcessor(database, services.accounts, clock, interval).run(),
            repeat(due.INTERVAL_SECONDS, due.DueWatch(database, services.accounts, clock).look),
            *webhooks_out.loops(),
        ]
        tasks = [asyncio.create_task(loop) for loop in loops]
        stack.push_async_callback(_cancel, tasks)
        broker = create_broker(settings.kafka_bootstrap)
        subscribe(
            broker, StatementConsumer(database, clock), group=settings.invoicing_consumer_group
        )
        webhooks_out.subscribe(broker)
        await broker.start()
        stack.push_async_callback(broker.stop)
        yield


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """Serve until SIGTERM or Ctrl-C, then stop cleanly with exit code 0."""
    settings = InvoicingSettings()
    configure_logging("invoicing", settings.log_format)
    logging.getLogger("stripe").setLevel(logging.WARNING)  # it logs every request
    # uvicorn raises the signal again when it is done; these handlers make that the normal end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvicorn.run(
        create_app(settings),
        host=settings.bind_host,
        port=settings.invoicing_port,
        log_config=None,
        access_log=False,
    )
