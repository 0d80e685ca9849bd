"""The simulator as one ASGI app: the only place that puts its parts together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan

from deploy.local.stripe_simulator.api import Api
from deploy.local.stripe_simulator.clock import MovableClock
from deploy.local.stripe_simulator.connection import RawSend
from deploy.local.stripe_simulator.control import CLOCK_SETTING, Control
from deploy.local.stripe_simulator.pages import Pages
from deploy.local.stripe_simulator.state import State
from deploy.local.stripe_simulator.webhooks import WebhookEndpoint, WebhookSender
from shared.clock import Clock, SystemClock

_METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


def create_simulator(
    *,
    clock: Clock | None = None,
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
    state_path: Path | None = None,
    account_name: str = "Tallyroll Demo",
    control: bool = False,
) -> ASGIApp:
    """Return the simulator.

    Without `state_path` it keeps everything in memory. Webhooks go out while the app's lifespan
    runs, if `webhook_url` and `webhook_secret` are both given. `control` opens `/_sim`.
    """
    if (webhook_url is None) != (webhook_secret is None):
        raise ValueError("webhook_url and webhook_secret go together")
    endpoint = None
    if webhook_url is not None and webhook_secret is not None:
        endpoint = WebhookEndpoint(webhook_url, webhook_secret)
    state = State(state_path)
    offset = timedelta(seconds=float(state.setting(CLOCK_SETTING, "0")))
    movable = MovableClock(clock or SystemClock(), offset=offset)
    sender = WebhookSender(state, movable, endpoint)
    api = Api(state, movable, sender=sender, account_name=account_name)
    routes = [
        Route("/health/live", _live),
        *Pages(api).routes(),
        *(Control(api).routes() if control else []),
        # Everything else is the API's to answer, unknown addresses in its own words.
        Route("/{path:path}", api.handle, methods=_METHODS),
    ]
    return RawSend(Starlette(routes=routes, lifespan=_lifespan(sender, state)))


def _lifespan(sender: WebhookSender, state: State) -> Lifespan[Starlette]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        await sender.start()
        try:
            yield
        finally:
            await sender.stop()
            state.close()

    return lifespan


async def _live(request: Request) -> Response:
    del request
    return JSONResponse({"status": "ok"})
