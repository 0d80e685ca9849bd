"""An event of Stripe's as it comes in: signed over its raw bytes, of a known form, or refused."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, get_args

from prometheus_client import CollectorRegistry, Counter

from services.invoicing.corrections.related import event_object, invoice_id_of
from shared.accounts.repository import Account
from shared.errors import TallyrollError

BODY_BYTES_MAX = 512 * 1024
TOLERANCE_SECONDS = 300
"""How far a signature's time may lie from ours, in the past and in the future, inclusive."""

EVENT_ID_LENGTH_MAX = 255
_SECONDS_LENGTH_MAX = len("9999999999")

Reason = Literal[
    "too_large", "unsigned", "forged", "stale", "future", "replayed", "invalid", "other_mode"
]
"""unsigned: no signature that can be read; forged: of no secret of ours; stale and future: ours,
too far from now; replayed: signed no later than what is stored of the event."""


@dataclass
class RefusedEvent(TallyrollError):  # noqa: N818 - it says what the event is
    """An event that is not stored. `reason` is for those who operate, it is not in the answer."""

    reason: Reason = "invalid"


def refused_events(registry: CollectorRegistry) -> Counter:
    """Return the counter of refused events; every reason is there from the start."""
    counter = Counter(
        "tallyroll_stripe_events_refused",
        "Events to Stripe's webhook",
        ["reason"],
        registry=registry,
    )
    for reason in get_args(Reason):
        counter.labels(reason)
    return counter


async def read_body(chunks: AsyncIterable[bytes]) -> bytes:
    """Return a body; raises `body_too_large` before all of it is read."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            message = f"An event has at most {BODY_BYTES_MAX} bytes."
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise RefusedEvent("body_too_large", message, status, reason="too_large")
    return bytes(body)


def verify_signature(body: bytes, header: str, secrets: Sequence[str], now: datetime) -> datetime:
    """Check `t=…,v1=…` over the raw bytes against each active secret; return when it was signed.

    Raises `invalid_signature`; the answer does not say what was wrong.
    """
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value.encode() for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not _is_seconds(times[0]) or not given:
        raise invalid_signature("unsigned")
    signed = times[0].encode() + b"." + body
    wanted = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    # Every pair is compared, so that the time taken tells nothing.
    matches = [hmac.compare_digest(one.encode(), other) for one in wanted for other in given]
    if not any(matches):
        raise invalid_signature("forged")
    early = int(times[0]) - int(now.timestamp())
    if abs(early) > TOLERANCE_SECONDS:
        raise invalid_signature("future" if early > 0 else "stale")
    return datetime.fromtimestamp(int(times[0]), UTC)


def _is_seconds(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _SECONDS_LENGTH_MAX


def invalid_signature(reason: Reason) -> RefusedEvent:
    """Return the refusal, the same whatever the reason."""
    message = "The signature is missing, wrong, used before or too far in time."
    return RefusedEvent("invalid_signature", message, reason=reason)


def read_event(body: bytes, account: Account, now: datetime) -> dict[str, Any]:
    """Return the inbox row of a verified event; raises `invalid_event`, `livemode_mismatch`."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedEvent("invalid_event", "The body is no JSON.") from error
    identity = event.get("id") if isinstance(event, dict) else None
    kind = event.get("type") if isinstance(event, dict) else None
    if not _is_name(identity) or not _is_name(kind):
        raise RefusedEvent("invalid_event", "An event has an id and a type.")
    if event.get("livemode") is not (account.mode == "live"):
        message = f"The event does not belong to {account.mode} mode."
        raise RefusedEvent("livemode_mismatch", message, subject="livemode", reason="other_mode")
    return {
        "vendor_id": account.vendor_id,
        "mode": account.mode,
        "event_id": identity,
        "type": kind,
        "stripe_invoice_id": invoice_id_of(event_object(event)),
        "payload": body,
        "received_at": now,
        "next_attempt_at": now,
    }


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= EVENT_ID_LENGTH_MAX
