"""The simulator as one ASGI app: the only place that puts its parts together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from deploy.local.stripe_simulator.api import Api
from deploy.local.stripe_simulator.clock import MovableClock
from deploy.local.stripe_simulator.control import CLOCK_SETTING, Control
from deploy.local.stripe_simulator.pages import Pages
from deploy.local.stripe_simulator.settings import Settings, load_settings
from deploy.local.stripe_simulator.state import State
from deploy.local.stripe_simulator.webhooks import WebhookEndpoint, WebhookSender
from shared.clock import Clock, SystemClock

_OWN_PATHS = ("/_sim/", "/invoice/", "/credit_note/", "/health/")


def create_simulator(
    *,
    clock: Clock | None = None,
    webhook_url: str | None = None,
    webhook_secret: str | Sequence[str] | None = None,
    state_path: Path | None = None,
    account_name: str = "Tallyroll Demo",
    control: bool = False,
    settings: Settings | None = None,
) -> ASGIApp:
    """Return the simulator.

    Without `state_path` everything ends with the process. Webhooks go out while the app's lifespan
    runs, to `webhook_url` signed with every `webhook_secret`, if both are given, and to endpoints
    made over the API. `control` opens `/_sim`. `settings` hold until the control API changes them.
    """
    state = State(state_path)
    offset = timedelta(seconds=float(state.setting(CLOCK_SETTING, "0")))
    movable = MovableClock(clock or SystemClock(), offset=offset)
    defaults = settings or Settings()
    sender = WebhookSender(
        state, movable, _fixed(webhook_url, webhook_secret), settings=lambda: api.settings
    )
    api = Api(
        state,
        movable,
        sender=sender,
        account_name=account_name,
        settings=load_settings(state, defaults),
    )
    routes = [
        Route("/health/live", _live),
        *Pages(api).routes(),
        *(Control(api, defaults).routes() if control else []),
    ]
    return Simulator(api, Starlette(routes=routes, lifespan=_lifespan(sender, state)), control)


class Simulator:
    """Hands `/v1` and every unknown address to the API, which answers in its own words."""

    def __init__(self, api: Api, pages: Starlette, control: bool) -> None:
        self.api = api
        self.pages = pages
        self.own = _OWN_PATHS if control else _OWN_PATHS[1:]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self.own):
            await self.pages(scope, receive, send)
        else:
            await self.api(scope, receive, send)


def _fixed(url: str | None, secrets: str | Sequence[str] | None) -> tuple[WebhookEndpoint, ...]:
    if (url is None) != (secrets is None):
        raise ValueError("webhook_url and webhook_secret go together")
    if url is None or secrets is None:
        return ()
    signing = (secrets,) if isinstance(secrets, str) else tuple(secrets)
    return (WebhookEndpoint("fixed_0", url, signing),)


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
