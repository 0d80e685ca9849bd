"""`/_sim`: what a test does to the simulator. Loopback only, and only if switched on."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.stripe_simulator.api import Api
from deploy.local.stripe_simulator.errors import StripeError

Endpoint = Callable[[Request], Awaitable[Response]]
CLOCK_SETTING = "clock_offset_seconds"
_HASHED = ("customer", "invoice", "line_item")
_LOOPBACK = ("127.0.0.1", "::1")


class Control:
    def __init__(self, api: Api) -> None:
        self.api = api

    def routes(self) -> list[Route]:
        return [
            Route("/_sim/reset", _guarded(self.reset), methods=["POST"]),
            Route("/_sim/clock", _guarded(self.move_clock), methods=["POST"]),
            Route("/_sim/faults", _guarded(self.load_faults), methods=["POST"]),
            Route("/_sim/faults", _guarded(self.show_faults), methods=["GET"]),
            Route("/_sim/state", _guarded(self.show_state), methods=["GET"]),
            Route("/_sim/hash", _guarded(self.show_hash), methods=["GET"]),
            Route("/_sim/requests", _guarded(self.show_requests), methods=["GET"]),
        ]

    async def reset(self, request: Request) -> Response:
        """Forget every object, answer, delivery, fault, request and the clock's offset."""
        del request
        self.api.state.reset()
        self.api.clock.move(timedelta())
        self.api.faults.load({"rules": []})
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
        return JSONResponse({"now": clock.seconds()})

    async def load_faults(self, request: Request) -> Response:
        self.api.faults.load(await _json_object(request))
        return JSONResponse(self.api.faults.report())

    async def show_faults(self, request: Request) -> Response:
        del request
        return JSONResponse(self.api.faults.report())

    async def show_state(self, request: Request) -> Response:
        """Counts and statuses, the keys in use and the webhook queue; no contents."""
        del request
        state = self.api.state
        statuses: dict[str, int] = {}
        for _, invoice in state.everything("invoice"):
            statuses[invoice["status"]] = statuses.get(invoice["status"], 0) + 1
        deliveries = state.connection.execute(
            "SELECT state, count(*) FROM deliveries GROUP BY state"
        ).fetchall()
        objects = state.connection.execute(
            "SELECT kind, count(*) FROM objects GROUP BY kind"
        ).fetchall()
        return JSONResponse(
            {
                "now": self.api.clock.seconds(),
                "objects": {str(kind): count for kind, count in objects},
                "invoice_statuses": statuses,
                "deliveries": {str(name): count for name, count in deliveries},
                "keys_in_flight": sorted(key for _, key in self.api.answers.in_flight),
            }
        )

    async def show_hash(self, request: Request) -> Response:
        """Canonical SHA-256 of all customers (with balances), invoices and lines."""
        del request
        digest = hashlib.sha256()
        for kind in _HASHED:
            for account, body in self.api.state.everything(kind):
                digest.update(json.dumps([kind, account, body], sort_keys=True).encode())
        return JSONResponse({"sha256": digest.hexdigest()})

    async def show_requests(self, request: Request) -> Response:
        del request
        return JSONResponse({"requests": list(self.api.requests)})


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
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise StripeError("The body is no JSON.") from None
    if not isinstance(body, dict):
        raise StripeError("The body is no JSON object.")
    return body
