"""Signatures of Stripe's events: raw bytes, any active secret, five minutes both ways."""

import hmac
from datetime import UTC, datetime

import pytest
import stripe

from services.invoicing.stripe_events import verify_signature
from shared.errors import TallyrollError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
BODY = b'{"id": "evt_1"}'
SECRET = "whsec_one"


def _header(body: bytes = BODY, secret: str = SECRET, seconds: int = SECONDS) -> str:
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, "sha256").hexdigest()
    return f"t={seconds},v1={digest}"


def _verify(header: str, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> None:
    verify_signature(body, header, secrets, NOW)


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_a_signature_is_good_for_five_minutes_both_ways(late: int) -> None:
    """The bound is inclusive."""
    _verify(_header(seconds=SECONDS + late))


@pytest.mark.parametrize("late", [-301, 301])
def test_older_and_future_signatures_are_refused(late: int) -> None:
    """Beyond the tolerance in either direction nothing is believed."""
    with pytest.raises(TallyrollError, match="invalid_signature"):
        _verify(_header(seconds=SECONDS + late))


def test_the_sdk_alone_would_take_a_signature_of_next_year() -> None:
    """The library bounds the past only, which is why we do not use it here."""
    future = 4_000_000_000
    header = _header(seconds=future)

    assert stripe.WebhookSignature.verify_header(BODY.decode(), header, SECRET, 300)
    with pytest.raises(TallyrollError, match="invalid_signature"):
        _verify(header)


def test_the_sdk_s_own_signature_is_good() -> None:
    """What Stripe's library signs, we verify."""
    header = stripe.WebhookSignature.generate_signature_header(
        BODY.decode(), secret=SECRET, timestamp=SECONDS
    )

    _verify(header)


def test_any_of_several_secrets_and_signatures_is_enough() -> None:
    """During a rotation there are several of both."""
    other = _header(secret="whsec_two").partition(",")[2]

    _verify(f"{_header(secret='whsec_unknown')},{other}", secrets=(SECRET, "whsec_two"))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=",
        "v1=abc",
        f"t={SECONDS}",
        f"t={SECONDS},v1=",
        f"t={SECONDS},v1=é",
        _header().replace("v1=", "v0="),
        _header().replace("t=", "t=0"),
        _header(secret="whsec_two"),
        f"t={SECONDS},{_header()}",
        f"t={'9' * 5000},v1=abc",
    ],
)
def test_garbled_and_foreign_headers_are_refused(header: str) -> None:
    """Whatever is wrong, the answer is the same."""
    with pytest.raises(TallyrollError, match="invalid_signature"):
        _verify(header)


def test_one_changed_byte_is_refused() -> None:
    """The signature is over the raw bytes, not over what they mean."""
    with pytest.raises(TallyrollError, match="invalid_signature"):
        _verify(_header(), body=BODY + b" ")


def test_without_a_secret_nothing_is_good() -> None:
    """An account without a webhook secret takes no events, an empty key signs none."""
    with pytest.raises(TallyrollError, match="invalid_signature"):
        _verify(_header(secret=""), secrets=())
