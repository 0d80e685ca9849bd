"""What goes back over the wire, right or wrong: Stripe's errors, headers, and the faults."""

import msgspec

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.exchange import Exchange
from deploy.local.stripe_simulator.idempotency import KEY_LENGTH_MAX, Answer, key_in_use
from deploy.local.stripe_simulator.operations import API_VERSION

_JSON = "application/json"
_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>502</body></html>"


def encoded(error: StripeError) -> bytes:
    return msgspec.json.encode(error.body())


def headers(exchange: Exchange, content_type: str = _JSON) -> dict[str, str]:
    named = {
        "Content-Type": content_type,
        "Request-Id": exchange.request_id,
        "Stripe-Version": API_VERSION,
    }
    if exchange.key is not None and len(exchange.key) <= KEY_LENGTH_MAX:
        named["Idempotency-Key"] = exchange.key
    return named | exchange.extra


def server_error(exchange: Exchange) -> Answer:
    error = StripeError("An unknown error occurred.", status=500, kind="api_error")
    return Answer(500, encoded(error), exchange.request_id)


def too_many_requests(code: str = "rate_limit") -> StripeError:
    return StripeError("Request rate limit exceeded.", code=code, status=429)


async def answered_early(exchange: Exchange) -> bool:
    """Do what the fault does in place of the request; say whether the exchange is over."""
    _raise_early_fault(exchange)
    if exchange.has_fault("drop_before_commit"):
        exchange.outcome = "dropped"
        await exchange.drop()
    elif exchange.has_fault("half_open"):
        exchange.outcome = "silent"
        await exchange.stay_silent()
    elif exchange.has_fault("html_502"):
        exchange.outcome = "failed"
        await exchange.answer(502, _BAD_GATEWAY, {"Content-Type": "text/html"})
    else:
        return False
    return True


def _raise_early_fault(exchange: Exchange) -> None:
    fault = exchange.fault
    if fault is None:
        return
    if fault.fault == "fail_before_commit":
        raise StripeError("An unknown error occurred.", status=500, kind="api_error")
    if fault.fault in {"429", "429_should_retry", "lock_timeout"}:
        if fault.fault != "429":
            exchange.extra = {"Stripe-Should-Retry": "true"}
        if fault.retry_after is not None:
            exchange.extra = {**exchange.extra, "Retry-After": str(fault.retry_after)}
        raise too_many_requests("lock_timeout" if fault.fault == "lock_timeout" else "rate_limit")
    if fault.fault == "409_in_use":
        raise key_in_use()


async def answer_late(exchange: Exchange, answer: Answer) -> None:
    """Send the answer as the fault would have it; the state has changed already."""
    if exchange.has_fault("commit_then_drop"):
        await exchange.drop()
    elif exchange.has_fault("truncated_body"):
        await exchange.cut_short(answer.status, answer.body, headers(exchange))
    elif exchange.has_fault("bad_json"):
        await exchange.answer(answer.status, answer.body[:-1], headers(exchange))
    else:
        await exchange.answer(answer.status, answer.body, headers(exchange))
