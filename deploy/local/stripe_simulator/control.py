"""`/_sim`: what a test does to the simulator. Loopback only, and only if switched on."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.stripe_simulator.api import Api
from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.happenings import Happenings
from deploy.local.stripe_simulator.settings import SETTINGS_NAME, Settings, changed_settings

Endpoint = Callable[[Request], Awaitable[Response]]
CLOCK_SETTING = "clock_offset_seconds"
_HASHED = ("customer", "invoice", "line_item", "credit_note", "customer_balance_transaction")
_LOOPBACK = ("127.0.0.1", "::1")


class Control:
    def __init__(self, api: Api, defaults: Settings) -> None:
        self.api = api
        self.defaults = defaults
        self.happenings = Happenings(api)

    def routes(self) -> list[Route]:
        happen = self.happenings
        posts = {
            "clock": self.move_clock,
            "events": _told(happen.make_event),
            "faults": self.load_faults,
            "keys/prune": _told(happen.prune_key),
            "payments": _told(happen.pay),
            "reset": self.reset,
            "settings": self.change_settings,
            "webhooks": self.load_delivery_plan,
            "webhooks/send": _told(happen.send_again),
        }
        gets = {
            "faults": self.show_faults,
            "hash": self.show_hash,
            "requests": self.show_requests,
            "settings": self.show_settings,
            "state": self.show_state,
            "webhooks": self.show_delivery_plan,
        }
        return [
            Route(f"/_sim/{name}", _guarded(endpoint), methods=[method])
            for method, endpoints in (("POST", posts), ("GET", gets))
            for name, endpoint in endpoints.items()
        ]

    async def reset(self, request: Request) -> Response:
        """Forget every object, answer, delivery, fault, setting, request and the clock's offset."""
        del request
        self.api.state.reset()
        self.api.settings = self.defaults
        self.api.clock.move(timedelta())
        self.api.faults.load({"rules": []})
        self.api.sender.faults.load({})
        self.api.limiter.clear()
        self.api.requests.clear()
        return JSONResponse({"reset": True})

    async def move_clock(self, request: Request) -> Response:
        """Take `{"advance_s": 3600}` or `{"now": 1764000000}` (seconds since 1970)."""
        body = await _json_object(request)
        name, value = next(iter(body.items()), ("", None))
        if len(body) != 1 or name not in {"advance_s", "now"} or type(value) is not int:
            raise StripeError("Give a whole number, advance_s or now.", param="advance_s")
        clock = self.api.clock
        try:
            if name == "advance_s":
                offset = clock.offset + timedelta(seconds=value)
            else:
                offset = datetime.fromtimestamp(value, UTC) - clock.base.now()
            clock.base.now() + offset
        except (OverflowError, ValueError, OSError):
            raise StripeError("That time is out of range.", param=name) from None
        clock.move(offset)
        self.api.state.set_setting(CLOCK_SETTING, str(offset.total_seconds()))
        self.api.run_timers()
        self.api.sender.wake()
        return JSONResponse({"now": clock.seconds()})

    async def load_faults(self, request: Request) -> Response:
        self.api.faults.load(await _json_object(request))
        return JSONResponse(self.api.faults.report())

    async def show_faults(self, request: Request) -> Response:
        del request
        return JSONResponse(self.api.faults.report())

    async def change_settings(self, request: Request) -> Response:
        self.api.settings = changed_settings(self.api.settings, await _json_object(request))
        text = msgspec.json.encode(self.api.settings).decode()
        self.api.state.set_setting(SETTINGS_NAME, text)
        self.api.limiter.clear()
        return await self.show_settings(request)

    async def show_settings(self, request: Request) -> Response:
        del request
        return JSONResponse(msgspec.to_builtins(self.api.settings))

    async def load_delivery_plan(self, request: Request) -> Response:
        self.api.sender.faults.load(await _json_object(request))
        self.api.sender.wake()
        return await self.show_delivery_plan(request)

    async def show_delivery_plan(self, request: Request) -> Response:
        del request
        return JSONResponse(msgspec.to_builtins(self.api.sender.faults.plan))

    async def show_state(self, request: Request) -> Response:
        """Counts and statuses, the keys in use and the webhook queue; no contents."""
        del request
        state = self.api.state
        counted = {
            "objects": "SELECT kind, count(*) FROM objects GROUP BY kind",
            "invoice_statuses": "SELECT status, count(*) FROM objects WHERE kind = 'invoice' "
            "GROUP BY status",
            "deliveries": "SELECT state, count(*) FROM deliveries GROUP BY state",
        }
        counts = {
            name: dict(state.connection.execute(query).fetchall())
            for name, query in counted.items()
        }
        keys = sorted(key for _, key in self.api.answers.in_flight)
        return JSONResponse({"now": self.api.clock.seconds(), "keys_in_flight": keys, **counts})

    async def show_hash(self, request: Request) -> Response:
        """Canonical SHA-256 of all customers with balances, invoices, lines and credit notes."""
        del request
        digest = hashlib.sha256()
        for kind in _HASHED:
            for account, body in self.api.state.everything(kind):
                row = msgspec.json.encode([kind, account, body], order="deterministic")
                digest.update(row)
        return JSONResponse({"sha256": digest.hexdigest()})

    async def show_requests(self, request: Request) -> Response:
        del request
        return JSONResponse({"requests": list(self.api.requests)})


def _told(happening: Callable[[dict[str, Any]], Any]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        result = happening(await _json_object(request))
        return Response(msgspec.json.encode(result), media_type="application/json")

    return endpoint


def _guarded(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        if request.client is None or request.client.host not in _LOOPBACK:
            return JSONResponse({"error": {"message": "loopback only"}}, status_code=403)
        try:
            return await endpoint(request)
        except StripeError as error:
            return JSONResponse(error.body(), status_code=error.status)

    return guarded


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(await request.body())
    except (ValueError, RecursionError):
        raise StripeError("The body is no JSON.") from None
    if not isinstance(body, dict):
        raise StripeError("The body is no JSON object.")
    return body
