"""`/v1`: authentication, faults, idempotency, parameters, execution, in this order."""

import asyncio
import hashlib
import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from deploy.local.stripe_simulator.clock import MovableClock
from deploy.local.stripe_simulator.connection import DroppedConnection
from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.faults import FaultPlan, FaultRule
from deploy.local.stripe_simulator.forms import Raw, parse_form
from deploy.local.stripe_simulator.idempotency import Answer, IdempotencyStore, fingerprint
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import (
    API_VERSION,
    Call,
    Operation,
    find_operation,
)
from deploy.local.stripe_simulator.resources import (
    customers,
    events,
    invoice_actions,
    invoice_lines,
    invoices,
)
from deploy.local.stripe_simulator.state import State
from deploy.local.stripe_simulator.webhooks import WebhookSender

OPERATIONS = [
    *customers.OPERATIONS,
    *invoices.OPERATIONS,
    *invoice_lines.OPERATIONS,
    *invoice_actions.OPERATIONS,
    *events.OPERATIONS,
]
BODY_BYTES_MAX = 4 * 1024 * 1024
REQUEST_LOG_LENGTH = 5_000
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?")
_FORM = "application/x-www-form-urlencoded"
log = structlog.get_logger(__name__)


@dataclass
class Exchange:
    """One request on its way through; `outcome` and `fault` go into the request log."""

    request: Request
    request_id: str
    key: str | None = None
    account: str = ""
    raw: dict[str, Raw] = field(default_factory=dict)
    fault: FaultRule | None = None
    outcome: str = "refused"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def path(self) -> str:
        return self.request.url.path

    def has_fault(self, *names: str) -> bool:
        return self.fault is not None and self.fault.fault in names


class Api:
    """The endpoints under `/v1` over one state."""

    def __init__(
        self, state: State, clock: MovableClock, *, sender: WebhookSender, account_name: str
    ) -> None:
        self.state = state
        self.clock = clock
        self.sender = sender
        self.account_name = account_name
        self.answers = IdempotencyStore(state)
        self.faults = FaultPlan()
        self.requests: deque[dict[str, Any]] = deque(maxlen=REQUEST_LOG_LENGTH)

    async def handle(self, request: Request) -> Response:
        exchange = Exchange(request, new_id("req", length=14))
        try:
            response = await self._answer(exchange)
        except StripeError as error:
            answer = Answer(error.status, _json(error.body()), exchange.request_id)
            response = _response(answer, exchange)
        except ClientDisconnect:
            response = DroppedConnection()
        except Exception:
            log.exception("stripe_simulator_failed", method=exchange.method)
            exchange.outcome = "crashed"
            response = _response(_server_error(exchange), exchange)
        self._log(exchange, response)
        return response

    async def _answer(self, exchange: Exchange) -> Response:
        exchange.account = _authenticate(exchange.request)
        operation, path = find_operation(OPERATIONS, exchange.method, exchange.path)
        exchange.raw = await _raw_parameters(exchange.request)
        if exchange.method == "POST":
            exchange.key = exchange.request.headers.get("idempotency-key") or None
        exchange.fault = self.faults.choose(exchange.method, exchange.path)
        if exchange.has_fault("drop_before_commit"):
            exchange.outcome = "dropped"
            return DroppedConnection()
        _raise_early_fault(exchange)
        answer = await self._claim_and_run(exchange, operation, path)
        if exchange.has_fault("commit_then_drop"):
            return DroppedConnection()
        return _response(answer, exchange)

    async def _claim_and_run(
        self, exchange: Exchange, operation: Operation, path: dict[str, str]
    ) -> Answer:
        """Replay the stored answer, or execute once while the key counts as in use."""
        print_ = fingerprint(exchange.method, exchange.path, exchange.raw)
        key = exchange.key
        if key is None:
            await _delay(exchange)
            return self._execute(exchange, operation, path, print_=print_)
        stored = self.answers.claim(exchange.account, key, print_=print_, now=self.clock.seconds())
        if stored is not None:
            exchange.outcome = "replayed"
            exchange.headers = {
                "Idempotent-Replayed": "true",
                "Original-Request": stored.request_id,
            }
            return stored
        try:
            await _delay(exchange)
            return self._execute(exchange, operation, path, print_=print_)
        finally:
            self.answers.release(exchange.account, key)

    def _execute(
        self, exchange: Exchange, operation: Operation, path: dict[str, str], *, print_: str
    ) -> Answer:
        """Run the operation; its effects and its stored answer are one transaction."""
        params = operation.shape.read(exchange.raw) or {}
        call = self._call(exchange, params, path)
        with self.state.transaction():
            answer = self._run(exchange, operation, call)
            if exchange.key is not None:
                self.answers.keep(
                    exchange.account, exchange.key, answer, print_=print_, now=call.now
                )
        exchange.outcome = "executed"
        self.sender.wake()
        return answer

    def _run(self, exchange: Exchange, operation: Operation, call: Call) -> Answer:
        if exchange.has_fault("fail_after_start"):
            return _server_error(exchange)
        try:
            answer = Answer(200, _json(operation.run(call)), exchange.request_id)
        except StripeError as error:
            if not error.stored:
                raise
            answer = Answer(error.status, _json(error.body()), exchange.request_id)
        return _server_error(exchange) if exchange.has_fault("commit_then_500") else answer

    def _call(self, exchange: Exchange, params: dict[str, Any], path: dict[str, str]) -> Call:
        return Call(
            account=exchange.account,
            state=self.state,
            now=self.clock.seconds(),
            base_url=base_url(exchange.request),
            account_name=self.account_name,
            request_id=exchange.request_id,
            idempotency_key=exchange.key,
            params=params,
            path=path,
        )

    def _log(self, exchange: Exchange, response: Response) -> None:
        dropped = isinstance(response, DroppedConnection)
        self.requests.append(
            {
                "request_id": exchange.request_id,
                "method": exchange.method,
                "path": exchange.path,
                "idempotency_key": exchange.request.headers.get("idempotency-key"),
                "stripe_version": exchange.request.headers.get("stripe-version"),
                "status": None if dropped else response.status_code,
                "outcome": exchange.outcome,
                "fault": exchange.fault.fault if exchange.fault else None,
            }
        )


def _authenticate(request: Request) -> str:
    """Return the account of the key: a digest, so that no key is ever stored."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith("sk_test_") or key == "sk_test_":
        raise StripeError(
            "Invalid API Key provided: the simulator takes keys that begin with sk_test_.",
            status=401,
        )
    version = request.headers.get("stripe-version")
    if version != API_VERSION:
        raise StripeError(f"Invalid Stripe-Version: the simulator speaks {API_VERSION} only.")
    return "acct_" + hashlib.sha256(key.encode()).hexdigest()[:24]


async def _raw_parameters(request: Request) -> dict[str, Raw]:
    query = request.scope["query_string"].decode("latin-1")
    if request.method != "POST":
        return parse_form(query)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise StripeError("The request's body is too large.", status=413)
    if query:
        raise StripeError("Parameters of a POST stand in its body, not in its URL.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != _FORM:
        raise StripeError(f"Invalid request: the body must be {_FORM}.")
    try:
        return parse_form(body.decode("ascii"))
    except UnicodeDecodeError:
        raise StripeError("A form's body is ASCII, with everything else escaped.") from None


def _raise_early_fault(exchange: Exchange) -> None:
    if exchange.has_fault("fail_before_commit"):
        raise StripeError("An unknown error occurred.", status=500, kind="api_error")
    if exchange.has_fault("429", "429_should_retry"):
        if exchange.has_fault("429_should_retry"):
            exchange.headers = {"Stripe-Should-Retry": "true"}
        raise StripeError("Request rate limit exceeded.", code="rate_limit", status=429)
    if exchange.has_fault("409_in_use"):
        raise StripeError(
            "There is currently another in-progress request using this Idempotency-Key.",
            code="idempotency_key_in_use",
            kind="idempotency_error",
            status=409,
        )


async def _delay(exchange: Exchange) -> None:
    if exchange.fault is not None and exchange.fault.latency_ms:
        await asyncio.sleep(exchange.fault.latency_ms / 1000)


def _server_error(exchange: Exchange) -> Answer:
    error = StripeError("An unknown error occurred.", status=500, kind="api_error")
    return Answer(500, _json(error.body()), exchange.request_id)


def base_url(request: Request) -> str:
    """Return the address the client used, or the server's own if its Host header is garbage."""
    host = request.headers.get("host", "")
    if _HOST.fullmatch(host) is None:
        name, port = request.scope.get("server") or ("127.0.0.1", 80)
        host = f"{name}:{port}"
    return f"{request.scope['scheme']}://{host}"


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body, indent=2)


def _response(answer: Answer, exchange: Exchange) -> Response:
    headers = {"Request-Id": exchange.request_id, "Stripe-Version": API_VERSION}
    if exchange.key is not None and len(exchange.key) <= 255:  # noqa: PLR2004  # the key's limit
        headers["Idempotency-Key"] = exchange.key
    return Response(
        answer.body,
        status_code=answer.status,
        headers=headers | exchange.headers,
        media_type="application/json",
    )
