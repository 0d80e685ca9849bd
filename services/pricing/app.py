"""Composition root: settings → database → consumers, API, outbox relay, health."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from types import FrameType

import uvicorn
from fastapi import FastAPI

from services.pricing.api import billing_router
from services.pricing.api_adjustments import adjustments_router
from services.pricing.api_agents import agents_router
from services.pricing.api_budget_hints import budget_hints_router
from services.pricing.api_catalog import books_router, versions_router
from services.pricing.api_costs import provider_prices_router
from services.pricing.api_efficiency import efficiency_router
from services.pricing.api_envelopes import envelopes_router
from services.pricing.api_growth import growth_router
from services.pricing.api_growth_logs import growth_logs_router
from services.pricing.api_migrations import migrations_router
from services.pricing.api_reservations import reservations_router
from services.pricing.api_seats import seats_router
from services.pricing.api_simulations import simulations_router
from services.pricing.api_spend_alerts import spend_alerts_router
from services.pricing.api_subscriptions import changes_router, subscriptions_router
from services.pricing.api_top_ups import top_ups_router
from services.pricing.api_trials import trials_router
from services.pricing.api_wallets import wallets_router
from services.pricing.consumers import add_consumers
from services.pricing.envelope_process import EnvelopeProcess
from services.pricing.handlers.idempotency import once
from services.pricing.hint_board import HintBoard
from services.pricing.housekeeping import Housekeeper
from services.pricing.list_prices import list_prices
from services.pricing.progressive_billing import ProgressiveBiller
from services.pricing.settings import PricingSettings
from services.pricing.simulating import Simulator
from services.pricing.spend_alerting import SpendAlerter
from services.pricing.tables import outbox
from shared.accounts.access import Access
from shared.accounts.api import accounts_router
from shared.api import create_api
from shared.broker import create_broker, create_producer
from shared.clock import Clock, SystemClock
from shared.database import Database
from shared.garbage import collect_rarely
from shared.health import health_router
from shared.logging import configure_logging
from shared.outbox import OutboxRelay
from shared.strict_json import StrictJson

PING_SECONDS = 1.5
SHUTDOWN_SECONDS_MAX = 5
BODY_BYTES_MAX = 4 * 1024 * 1024
"""As much as the largest price book, or the usage of an evaluation, needs."""


def create_app(settings: PricingSettings, clock: Clock) -> FastAPI:
    """Return the service; its lifespan starts and stops everything that it needs."""
    database = Database(
        settings.pricing_database_url.get_secret_value(), connections=settings.database_connections
    )
    pepper = settings.secret_key.get_secret_value().encode()
    broker = create_broker(settings.kafka_bootstrap, logger=None)
    add_consumers(broker, database, settings)
    board = HintBoard(database, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # Ended in the reverse order: nothing new comes in, the relay stops, the pool closes.
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            stack.push_async_callback(board.close)
            await asyncio.to_thread(list_prices)  # half a second that no request should wait for
            collect_rarely()
            new_producer = partial(create_producer, settings.kafka_bootstrap)
            relay = OutboxRelay(database, outbox, new_producer)
            seconds = settings.pricing_progressive_interval_seconds
            biller = ProgressiveBiller(database, clock, seconds)
            alerter = SpendAlerter(database, clock, seconds)
            runs_kept = timedelta(days=settings.pricing_runs_kept_days)
            keeper = Housekeeper(database, clock, runs_kept)
            url = settings.pricing_database_url.get_secret_value()
            looks = settings.pricing_envelope_interval_seconds
            watcher = EnvelopeProcess(database, url, looks)
            simulator = Simulator(database, url)
            for part in (relay, keeper, biller, alerter, watcher, simulator):
                stack.push_async_callback(_end, asyncio.create_task(part.run()))
            stack.push_async_callback(broker.stop)
            await broker.start()
            yield

    async def ping_broker() -> None:
        if not await broker.ping(timeout=PING_SECONDS):
            raise ConnectionError("Kafka does not answer")

    app = create_api(
        "Tallyroll pricing",
        "Price books, subscriptions, running bills and rated statements.",
        lifespan=lifespan,
        access=Access(database, pepper, clock),
    )
    app.add_middleware(StrictJson, bytes_max=BODY_BYTES_MAX)
    app.include_router(health_router({"postgres": database.ping, "kafka": ping_broker}))
    _add_routes(app, database, clock, settings, board)
    app.include_router(accounts_router(database, pepper, clock, once))
    return app


def _add_routes(
    app: FastAPI, database: Database, clock: Clock, settings: PricingSettings, board: HintBoard
) -> None:
    # First, since routes are tried in their order: an agent waits for the answer of this one.
    app.include_router(reservations_router(database, clock))
    app.include_router(books_router(database))
    app.include_router(versions_router(database, clock))
    app.include_router(subscriptions_router(database))
    app.include_router(changes_router(database, clock))
    app.include_router(seats_router(database))
    app.include_router(spend_alerts_router(database))
    app.include_router(migrations_router(database, clock))
    app.include_router(billing_router(database, clock, settings))
    app.include_router(adjustments_router(database, clock))
    app.include_router(provider_prices_router(database))
    app.include_router(trials_router(database, clock))
    app.include_router(efficiency_router(database))
    app.include_router(envelopes_router(database, clock))
    app.include_router(budget_hints_router(board))
    app.include_router(growth_router(database))
    app.include_router(growth_logs_router(database))
    app.include_router(agents_router(database, clock, settings))
    app.include_router(simulations_router(database))
    app.include_router(wallets_router(database, clock))
    app.include_router(top_ups_router(database, clock))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def run() -> None:
    """Serve until SIGTERM or SIGINT; a clean stop is exit code 0."""
    settings = PricingSettings()
    configure_logging("pricing", settings.log_format)
    # uvicorn stops gracefully on a signal and then raises it again, for the handler before its own.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopped)
    app = create_app(settings, SystemClock())
    uvicorn.run(
        app,
        host=settings.bind_host,
        port=settings.pricing_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,  # held questions would last longer
    )


def _already_stopped(_number: int, _frame: FrameType | None) -> None:
    return
