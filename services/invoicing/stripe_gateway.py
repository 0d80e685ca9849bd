"""The only file that imports `stripe`: one client per account, answers as our own types.

The SDK resends after connection errors, 409 and 5xx under the same idempotency key (twice); what it
never resends is a 429, so that is done here. A time-out means that the outcome is unknown. Every
request, also one that the SDK resends, waits for its turn under the account's limits.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import stripe
import structlog

from services.invoicing.stripe_http import ConnectionFailed, ThrottledHttp
from services.invoicing.stripe_money import MoneyCalls
from services.invoicing.stripe_throttle import Throttle
from services.invoicing.stripe_types import (
    MISSING,
    FailureReplayed,
    OutcomeUnknown,
    RequestRefused,
    Step,
    StripeCustomer,
    StripeInvoice,
    StripeLine,
    StripeProblem,
)

logger = structlog.get_logger()

TIMEOUT_SECONDS = 30
NETWORK_RETRIES = 2
PAGE = 100
RATE_LIMIT_SECONDS = 0.5
RATE_LIMIT_SECONDS_MAX = 30.0
RATE_LIMIT_BUDGET_SECONDS = 120.0
"""A call that has rested for so long in all is given up; the invoice's own back-off goes on."""

_REFUSED = 400
_CONFLICT = 409
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_NOT_FOUND = 404
_UNAUTHORIZED = frozenset({401, 403})


STEPS: dict[Step, str] = {
    "create_customer": "/v1/customers",
    "update_customer": "/v1/customers/{}",
    "create_invoice": "/v1/invoices",
    "add_lines": "/v1/invoices/{}/add_lines",
    "set_number": "/v1/invoices/{}",
    "finalize_invoice": "/v1/invoices/{}/finalize",
    "send_invoice": "/v1/invoices/{}/send",
    "void_invoice": "/v1/invoices/{}/void",
    "mark_uncollectible": "/v1/invoices/{}/mark_uncollectible",
    "create_credit_note": "/v1/credit_notes",
}
"""Where each step is posted; `{}` is the id of what it changes."""


class _SdkHttp(stripe.HTTPClient):
    """Our connections, as the SDK calls them."""

    name = "aiohttp"

    def __init__(self, throttle: Throttle | None) -> None:
        super().__init__()
        self._connections = ThrottledHttp(
            throttle, timeout_seconds=TIMEOUT_SECONDS, authorities=stripe.ca_bundle_path
        )

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            return await self._connections.request(method, url, headers, post_data)
        except ConnectionFailed as error:
            raise _unreachable(str(error)) from error

    def sleep_async(self, secs: float) -> Awaitable[None]:
        return asyncio.sleep(secs)

    async def close_async(self) -> None:
        await self._connections.close()


class StripeGateway(MoneyCalls):
    """One Stripe account, spoken to asynchronously; closed at shutdown."""

    def __init__(
        self,
        api_key: str,
        *,
        api_base: str | None = None,
        throttle: Throttle | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = _SdkHttp(throttle)
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=NETWORK_RETRIES,
            http_client=self._http,
        )
        self._sleep = sleep

    async def post(self, step: Step, target: str, params: dict[str, Any], *, key: str) -> str:
        """Perform a step; `target` is the invoice's id, empty for what is created."""
        _assert_exact(params)
        answer = await self._ask("post", STEPS[step].format(target), params, key=key)
        return str(answer["id"])

    async def retrieve_invoice(self, invoice_id: str) -> StripeInvoice:
        return _invoice(await self._ask("get", f"/v1/invoices/{invoice_id}"))

    async def list_lines(self, invoice_id: str) -> list[StripeLine]:
        found = await self._pages(f"/v1/invoices/{invoice_id}/lines")
        return [_line(line) for line in found]

    async def list_invoices(self, customer_id: str, *, created_from: int) -> list[StripeInvoice]:
        wanted = {"customer": customer_id, "created": {"gte": created_from}}
        found = await self._pages("/v1/invoices", wanted)
        return [_invoice(invoice) for invoice in found]

    async def list_customers(self, *, created_from: int) -> list[StripeCustomer]:
        wanted = {"created": {"gte": created_from}}
        found = await self._pages("/v1/customers", wanted)
        return [_customer(one) for one in found]

    async def retrieve_customer(self, customer_id: str) -> StripeCustomer | None:
        try:
            found = await self._ask("get", f"/v1/customers/{quote(customer_id, safe='')}")
        except RequestRefused as refusal:
            if refusal.code != MISSING:
                raise
            return None
        return None if found.get("deleted") else _customer(found)

    async def delete_draft(self, invoice_id: str) -> None:
        try:
            await self._ask("delete", f"/v1/invoices/{invoice_id}")
        except RequestRefused as refusal:
            if refusal.code != MISSING:
                raise

    async def list_created(
        self, *, created_from: int, created_before: int
    ) -> AsyncIterator[list[tuple[StripeInvoice, Sequence[StripeLine] | None]]]:
        """Yield the account's invoices created in [from, before) seconds since 1970, by pages.

        Each with its lines; None where Stripe lists the first of them only.
        """
        params = {"limit": PAGE, "created": {"gte": created_from, "lt": created_before}}
        async for page in self._paged("/v1/invoices", params):
            yield [(invoice, invoice.lines) for invoice in map(_invoice, page)]

    async def close(self) -> None:
        await self._http.close_async()

    async def _pages(self, path: str, wanted: dict[str, Any] | None = None) -> list[Any]:
        params = {"limit": PAGE, **(wanted or {})}
        return [one async for page in self._paged(path, params) for one in page]

    async def _paged(self, path: str, params: dict[str, Any]) -> AsyncIterator[list[Any]]:
        """Yield a list by its pages, to its end."""
        while True:
            page = await self._ask("get", path, params)
            if page["data"]:
                yield page["data"]
            if not page["has_more"] or not page["data"]:
                return
            params = {**params, "starting_after": page["data"][-1]["id"]}

    async def _ask(
        self, method: str, path: str, params: dict[str, Any] | None = None, *, key: str = ""
    ) -> dict[str, Any]:
        """Call, again after 429 with full jitter or as late as Stripe asks; translate errors."""
        ceiling, rested = RATE_LIMIT_SECONDS, 0.0
        while True:
            try:
                return await self._request(method, path, params or {}, key)
            except stripe.RateLimitError as error:
                pause = max(random.uniform(0, ceiling), _retry_after(error))  # noqa: S311 - jitter
                rested += pause
                if rested > RATE_LIMIT_BUDGET_SECONDS:
                    raise OutcomeUnknown("rate_limit") from error
            except stripe.StripeError as error:
                raise _problem(error) from error
            logger.warning("stripe_rate_limited", seconds=round(pause, 2))
            await self._sleep(pause)
            ceiling = min(ceiling * 2, RATE_LIMIT_SECONDS_MAX)

    async def _request(
        self, method: str, path: str, params: dict[str, Any], key: str
    ) -> dict[str, Any]:
        """Return the object in the answer as plain values.

        To build the SDK's objects costs more than the request; the SDK still encodes, signs,
        resends and reads errors.
        """
        options = {"idempotency_key": key} if key else {}
        answer = await self._client.raw_request_async(method, path, **params, **options)
        found: dict[str, Any] = answer.data
        return found


def _unreachable(what: str) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(what, should_retry=True)  # type: ignore[no-untyped-call]


def _retry_after(error: stripe.StripeError) -> float:
    """Return the seconds that Stripe asks to wait; 0 for a header that is missing or no number."""
    text = str((error.headers or {}).get("retry-after") or "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _problem(error: stripe.StripeError) -> StripeProblem:
    """Tell by status and code what an error means; the SDK's classes are not reliable for it."""
    status = error.http_status
    if status is not None and status >= _SERVER_ERROR:
        replayed = (error.headers or {}).get("idempotent-replayed") == "true"
        return (FailureReplayed if replayed else OutcomeUnknown)(f"stripe_{status}")
    if status is None or status < _REFUSED or status in (_CONFLICT, _TOO_MANY_REQUESTS):
        # Below 400 the call took effect and its answer cannot be read.
        return OutcomeUnknown(type(error).__name__)
    if status in _UNAUTHORIZED:
        return RequestRefused("stripe_key_refused", status)
    if status == _NOT_FOUND:
        return RequestRefused(MISSING, status)
    kind = type(error).__name__.removesuffix("Error").lower()
    return RequestRefused(error.code or kind or "request", status)


def _assert_exact(value: Any) -> None:
    """Refuse what the SDK would write in a way that Stripe reads otherwise: floats, decimals."""
    if isinstance(value, dict):
        for name, inner in value.items():
            assert name != "amount" or type(inner) is int, "an amount is an int"
            _assert_exact(inner)
    elif isinstance(value, list):
        for inner in value:
            _assert_exact(inner)
    else:
        assert type(value) in (int, str, bool), f"{type(value).__name__} does not go to Stripe"


def _invoice(answer: Any) -> StripeInvoice:
    for name in ("total", "starting_balance", "amount_paid", "amount_remaining"):
        assert type(answer[name]) is int, f"{name} is an int"
    net = answer["total_excluding_tax"]
    assert net is None or type(net) is int, "total_excluding_tax is an int"
    customer = answer["customer"]
    return StripeInvoice(
        id=answer["id"],
        status=answer["status"],
        customer=customer if isinstance(customer, str) else customer["id"],
        currency=answer["currency"],
        number=answer["number"],
        total=answer["total"],
        total_excluding_tax=net,
        starting_balance=answer["starting_balance"],
        metadata=_metadata(answer),
        hosted_invoice_url=answer["hosted_invoice_url"],
        amount_paid=answer["amount_paid"],
        amount_remaining=answer["amount_remaining"],
        due_date=answer["due_date"],
        attempted=answer["attempted"],
        finalization_error=_finalization_error(answer),
        lines=_listed_lines(answer),
        credited=_credited(answer),
    )


def _credited(answer: Any) -> int:
    names = ("pre_payment_credit_notes_amount", "post_payment_credit_notes_amount")
    amounts = [answer[name] for name in names]
    assert all(type(amount) is int for amount in amounts), "what is credited is an int"
    return sum(amounts)


def _customer(answer: Any) -> StripeCustomer:
    address = {name: text for name, text in (answer["address"] or {}).items() if text}
    return StripeCustomer(
        answer["id"], _metadata(answer), answer["name"] or "", answer["email"] or "", address
    )


def _finalization_error(answer: Any) -> str | None:
    error = answer["last_finalization_error"]
    return None if error is None else str(error["code"] or error["type"])


def _line(answer: Any) -> StripeLine:
    assert type(answer["amount"]) is int, "an amount is an int"
    return StripeLine(_metadata(answer).get("line_key"), answer["amount"], answer["id"])


def _listed_lines(answer: Any) -> tuple[StripeLine, ...] | None:
    lines = answer["lines"]
    return None if lines["has_more"] else tuple(_line(line) for line in lines["data"])


def _metadata(answer: Any) -> dict[str, str]:
    return dict(answer["metadata"] or {})
