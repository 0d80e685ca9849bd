"""Every write of the published APIs takes an Idempotency-Key, or is listed with a reason."""

import pytest
from fastapi import FastAPI

from shared.idempotency import IdempotencyKey, OptionalIdempotencyKey
from tests.support.reference import applications

WRITES = {"post", "put", "patch", "delete"}

NOTHING_IS_WRITTEN = "answers a question, nothing is stored"
WITHOUT = {
    "pricing": {
        "post /v1/evaluate": NOTHING_IS_WRITTEN,
        "post /v1/price-books/{book}/diff": NOTHING_IS_WRITTEN,
        "post /v1/price-books/{book}/migrations/preview": NOTHING_IS_WRITTEN,
        "post /v1/subscriptions/{subscription_id}/changes/preview": NOTHING_IS_WRITTEN,
        "put /v1/adjustment-settings": "replaces the whole; the same again changes nothing",
        "post /v1/efficiency": NOTHING_IS_WRITTEN,
        "post /v1/efficiency/plots": NOTHING_IS_WRITTEN,
        "delete /v1/envelopes/{name}": "what has ended stays ended",
        "put /v1/reservations/{reservation_id}": "the client's id is the key; the same again is the"
        " reservation that is there",
        "post /v1/reservations/{reservation_id}/commit": "the same amount again is the commit that"
        " is there, another a conflict",
        "post /v1/reservations/{reservation_id}/release": "what is released stays released",
    },
    "metering": {
        "post /v1/events": "the event's id is the key, kept for ever; other content is a conflict",
        "post /v1/meters": "the same content again is the version that is there",
        "post /v1/republish": "sends what is there again; who reads it takes a version once",
    },
    "invoicing": {
        "post /v1/invoices/{invoice_id}/links": NOTHING_IS_WRITTEN,
        "put /v1/document-locale": "replaces one value by itself; the same again changes nothing",
        "post /v1/invoices/{invoice_id}/approve": "the first approval is the answer",
        "post /v1/invoices/{invoice_id}/void": "the same order again is the order that is there",
        "post /v1/invoices/{invoice_id}/mark-uncollectible": "the same order again is the one that"
        " is there",
        "post /v1/invoices/{invoice_id}/revise": "the same order again is the one that is there",
        "post /v1/credit-notes/{credit_note_id}/links": NOTHING_IS_WRITTEN,
        "post /v1/credit-notes/{credit_note_id}/retry": "only a parked note goes on, else 409",
        "post /v1/credit-notes/{credit_note_id}/cancel": "only a parked note is given up, else 409",
        "put /v1/billing-settings": "replaces the whole; the same again changes nothing",
        "put /v1/tax-rates/{rate_id}": "the same again is the version that is there",
        "put /v1/tax-settings": "replaces the whole; the same again changes nothing",
        "put /v1/tax-settings/{tenant_id}": "replaces the whole; the same again changes nothing",
        "post /v1/invoices/{invoice_id}/retry": "only a parked invoice goes on, else 409",
        "post /v1/carry-overs/{carry_over_id}/settle": "what is settled so stays so",
        "post /v1/coupons": "the same content again is the coupon that is there",
        "post /v1/coupons/{coupon_id}/end": "what has ended stays as it is",
        "put /v1/stripe-account": "replaces the whole, secrets that no answer may hold included",
        "put /v1/webhook-endpoints/{endpoint_id}": "the same again is the endpoint that is there;"
        " a secret is in no answer but the first",
        "delete /v1/webhook-endpoints/{endpoint_id}": "a second time there is none",
        "post /v1/webhook-endpoints/{endpoint_id}/rotate-secret": "a secret is in one answer;"
        " rotating again keeps those before it valid",
        "post /v1/webhook-endpoints/{endpoint_id}/test": "each is a message of its own",
        "post /v1/webhook-endpoints/{endpoint_id}/replay": "what waits already is not dead",
        "post /v1/webhook-endpoints/{endpoint_id}/deliveries/{event_id}/replay": "what waits is due"
        " once; receivers know its id",
        "post /v1/webhooks/stripe/{vendor_id}/{mode}": "Stripe's event id is the key",
    },
}
"""The writes that are once by themselves, and why."""


def keyless(app: FastAPI) -> set[str]:
    """Return the write operations that do not take the header."""
    return {
        f"{method} {path}"
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if method in WRITES
        and not any(
            (parameter["in"], parameter["name"]) == ("header", "Idempotency-Key")
            for parameter in operation.get("parameters", [])
        )
    }


@pytest.mark.parametrize("service", sorted(WITHOUT))
def test_every_write_takes_a_key(service: str) -> None:
    """No write lacks the header by oversight, and nothing is excused that has it."""
    assert set(WITHOUT[service]) == keyless(applications()[service])


def test_every_service_is_looked_at() -> None:
    """A new service is in the list above, or this fails."""
    assert set(applications()) == set(WITHOUT)


def test_a_write_without_a_key_would_be_found() -> None:
    """The check fails for every kind of write without the header, and passes with it."""
    app = FastAPI()

    def bare() -> None: ...

    def asked(key: IdempotencyKey) -> None: ...

    def offered(key: OptionalIdempotencyKey = None) -> None: ...

    for method in WRITES:
        for route in (bare, asked, offered):
            app.add_api_route(f"/{route.__name__}", route, methods=[method.upper()])

    assert {f"{method} /bare" for method in WRITES} == keyless(app)
