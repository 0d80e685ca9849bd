"""`/v1`: authentication, limits, faults, idempotency, parameters, execution, in this order."""

import asyncio
import hashlib
from collections import deque
from contextlib import nullcontext
from typing import Any

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from deploy.local.stripe_simulator import answers, expansion, resources, timers
from deploy.local.stripe_simulator.clock import MovableClock
from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.exchange import ClientGoneError, Exchange
from deploy.local.stripe_simulator.faults import FaultPlan
from deploy.local.stripe_simulator.forms import Raw, parse_form
from deploy.local.stripe_simulator.idempotency import Answer, IdempotencyStore, fingerprint
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.limiter import RateLimiter
from deploy.local.stripe_simulator.operations import API_VERSION, Call, Operation, Router
from deploy.local.stripe_simulator.settings import Settings
from deploy.local.stripe_simulator.staleness import as_of
from deploy.local.stripe_simulator.state import State
from deploy.local.stripe_simulator.webhooks import WebhookSender

REQUEST_LOG_LENGTH = 5_000
_FORM = "application/x-www-form-urlencoded"
_WITH_A_BODY = ("POST",)
log = structlog.get_logger(__name__)


class Api:
    """The endpoints under `/v1` over one state."""

    def __init__(
        self,
        state: State,
        clock: MovableClock,
        *,
        sender: WebhookSender,
        account_name: str,
        settings: Settings,
    ) -> None:
        self.state = state
        self.clock = clock
        self.sender = sender
        self.account_name = account_name
        self.settings = settings
        self.router = Router(resources.OPERATIONS)
        self.answers = IdempotencyStore(state)
        self.faults = FaultPlan()
        self.limiter = RateLimiter()
        self.requests: deque[dict[str, Any]] = deque(maxlen=REQUEST_LOG_LENGTH)
        self.base_url = "http://127.0.0.1"
        self._crash = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send, new_id("req", length=14))
        try:
            await self._answer(exchange)
        except StripeError as error:
            answer = Answer(error.status, answers.encoded(error), exchange.request_id)
            await exchange.answer(error.status, answer.body, answers.headers(exchange))
        except ClientGoneError:
            exchange.outcome = "client_gone"
        except Exception:
            log.exception("stripe_simulator_failed", method=exchange.method)
            exchange.outcome = "crashed"
            answer = answers.server_error(exchange)
            await exchange.answer(answer.status, answer.body, answers.headers(exchange))
        finally:
            self._log(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        exchange.account = _authenticate(exchange, self.settings)
        operation, path = self.router.find(exchange.method, exchange.path)
        exchange.raw = await _raw_parameters(exchange)
        self._limit(exchange, operation)
        if exchange.method == "POST":
            exchange.key = exchange.headers.get("idempotency-key") or None
        exchange.fault = self.faults.choose(exchange.method, exchange.path)
        if await answers.answered_early(exchange):
            return
        crash = self._crash
        answer = await self._claim_and_run(exchange, operation, path)
        if exchange.fault is not None and exchange.fault.latency_after_ms:
            await asyncio.sleep(exchange.fault.latency_after_ms / 1000)
        if exchange.has_fault("crash_restart"):
            self._crash.set()
            self._crash = asyncio.Event()
        if crash.is_set():
            exchange.outcome = "dropped"
            await exchange.drop()
        else:
            await answers.answer_late(exchange, answer)

    def _limit(self, exchange: Exchange, operation: Operation) -> None:
        now = self.clock.now().timestamp()
        admitted = self.limiter.admits(
            exchange.account, operation.endpoint, settings=self.settings, now=now
        )
        if not admitted:
            exchange.outcome = "rate_limited"
            raise answers.too_many_requests()

    async def _claim_and_run(
        self, exchange: Exchange, operation: Operation, path: dict[str, str]
    ) -> Answer:
        """Replay the stored answer, or execute once while the key counts as in use."""
        key = exchange.key
        if key is None:
            await _delay(exchange)
            return self._execute(exchange, operation, path, print_=b"")
        print_ = fingerprint(exchange.method, exchange.path, exchange.raw)
        if exchange.has_fault("key_pruned"):
            self.answers.prune(exchange.account, key)
        stored = self.answers.claim(exchange.account, key, print_=print_, now=self.clock.seconds())
        if stored is not None:
            exchange.outcome = "replayed"
            exchange.extra = {
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
        self, exchange: Exchange, operation: Operation, path: dict[str, str], *, print_: bytes
    ) -> Answer:
        """Run the operation; its effects and its stored answer are one transaction."""
        self.base_url = exchange.base_url  # what happens by itself names the last one, too
        self.run_timers()
        given = exchange.raw
        expand = expansion.read(given)
        rest = {name: raw for name, raw in given.items() if name != "expand"} if expand else given
        params = operation.shape.read(rest) or {}
        call = self.call(exchange.account, exchange.base_url, exchange, params=params, path=path)
        reading = exchange.method == "GET"
        with nullcontext() if reading else self.state.transaction():
            answer = self._run(exchange, operation, call, expand)
            if exchange.key is not None:
                self.answers.keep(
                    exchange.account, exchange.key, answer, print_=print_, now=call.now
                )
        exchange.outcome = "executed"
        self.sender.wake()
        return answer

    def _run(
        self, exchange: Exchange, operation: Operation, call: Call, expand: list[str]
    ) -> Answer:
        if exchange.has_fault("fail_after_start"):
            return answers.server_error(exchange)
        try:
            shown = operation.run(call)
            if exchange.has_fault("stale_read", "search_lag") and exchange.fault is not None:
                shown = as_of(call, shown, call.now - exchange.fault.seconds)
            if expand:
                shown = expansion.expanded(call, shown, expand)
            answer = Answer(200, msgspec.json.encode(shown), exchange.request_id)
        except StripeError as error:
            if not error.stored:
                raise
            answer = Answer(error.status, answers.encoded(error), exchange.request_id)
        failing = exchange.has_fault("commit_then_500")
        return answers.server_error(exchange) if failing else answer

    def call(
        self,
        account: str,
        base_url: str,
        exchange: Exchange | None = None,
        *,
        params: dict[str, Any] | None = None,
        path: dict[str, str] | None = None,
    ) -> Call:
        """Return the context of a request, or of something that happens by itself."""
        return Call(
            account=account,
            state=self.state,
            settings=self.settings,
            now=self.clock.seconds(),
            base_url=base_url,
            account_name=self.account_name,
            request_id=exchange.request_id if exchange else None,
            idempotency_key=exchange.key if exchange else None,
            endpoints=self.sender.fixed,
            params=params or {},
            path=path or {},
        )

    def run_timers(self) -> None:
        """Let happen what time alone brings: collection, overdue invoices."""
        now = self.clock.seconds()
        while self.state.next_timer <= now:
            with self.state.transaction():
                for at, account, what, identifier in self.state.due_timers(now):
                    timers.run(self.call(account, self.base_url), what, identifier, at=at)
            self.sender.wake()

    def _log(self, exchange: Exchange) -> None:
        self.requests.append(
            {
                "request_id": exchange.request_id,
                "method": exchange.method,
                "path": exchange.path,
                "idempotency_key": exchange.headers.get("idempotency-key"),
                "stripe_version": exchange.headers.get("stripe-version"),
                "status": exchange.status,
                "outcome": exchange.outcome,
                "fault": exchange.fault.fault if exchange.fault else None,
            }
        )


def _authenticate(exchange: Exchange, settings: Settings) -> str:
    """Return the account of the key: a digest, so that no key is ever stored."""
    scheme, _, key = exchange.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith("sk_test_") or key == "sk_test_":
        raise StripeError(
            "Invalid API Key provided: the simulator takes keys that begin with sk_test_.",
            status=401,
        )
    version = exchange.headers.get("stripe-version")
    if version != API_VERSION and settings.strict_version:
        raise StripeError(f"Invalid Stripe-Version: the simulator speaks {API_VERSION} only.")
    return "acct_" + hashlib.sha256(key.encode()).hexdigest()[:24]


async def _raw_parameters(exchange: Exchange) -> dict[str, Raw]:
    query = exchange.scope["query_string"].decode("latin-1")
    if exchange.method not in _WITH_A_BODY:
        return parse_form(query)
    body = await exchange.body()
    if query:
        raise StripeError("Parameters of a POST stand in its body, not in its URL.")
    kind = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != _FORM:
        raise StripeError(f"Invalid request: the body must be {_FORM}.")
    try:
        return parse_form(body.decode("ascii"))
    except UnicodeDecodeError:
        raise StripeError("A form's body is ASCII, with everything else escaped.") from None


async def _delay(exchange: Exchange) -> None:
    if exchange.fault is not None and exchange.fault.latency_ms:
        await asyncio.sleep(exchange.fault.latency_ms / 1000)
