"""The HTTP API: whose invoices one sees, keys that are never shown, what waits for a person."""

from typing import Any

import pytest
from cryptography.fernet import InvalidToken

from services.invoicing.app import BODY_BYTES_MAX
from services.invoicing.sealing import unseal
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.events.statement_rated import FeePeriod

OWN_KEY = "sk_test_of_the_vendor_1234"


@pytest.fixture(name="sent")
async def _sent(world: Any, statement: Any) -> Any:
    invoice = await world.draft(statement(("a", "5.004"), ("b", "1/3"), total="16012/3000"))
    await world.sync().sync_due()
    return await world.read(invoice)


async def test_an_invoice_is_shown_with_its_lines(api: Any, sent: Any) -> None:
    """One invoice has its lines, Stripe's side and a freshly fetched hosted URL."""
    headers = await api.key(Scope.BILLING_READ)

    shown = (await api.http.get(f"/v1/invoices/{sent.invoice_id}", headers=headers)).json()

    assert ("sent", 534, 534) == (shown["state"], shown["total_minor"], shown["stripe_total_minor"])
    assert shown["hosted_invoice_url"].startswith("http://127.0.0.1")
    assert {
        "line_key": "b",
        "charge": "b",
        "description": "Tokens of b",
        "quantity": "1000",
        "unit": "tokens",
        "amount_exact": "1/3",
        "amount_minor": 33,
        "period_start": None,
        "period_end": None,
        "sent_key": None,
    } == shown["lines"][1]


async def test_an_opening_says_which_days_its_fees_are_for(api: Any, statement: Any) -> None:
    """It is an invoice beside that of the period, and its lines have days of their own."""
    period = statement(("a", "1"), total="1")
    fee = FeePeriod(period_start=period.period_start, period_end=period.period_end)
    lines = [line.model_copy(update={"advance": fee}) for line in period.lines]
    opening = {"kind": "opening", "statement_id": "st-0", "lines": lines}
    made = [
        await api.world.draft(drafted)
        for drafted in (
            period.model_copy(update=opening),
            period.model_copy(update=opening),
            period,
        )
    ]
    headers = await api.key(Scope.BILLING_READ)
    listed = (await api.http.get("/v1/invoices", headers=headers)).json()["invoices"]

    assert [True, False, True] == [one is not None for one in made]
    assert [("period", None), ("opening", "2026-01-01")] == [
        (one["invoice_key"].split("/")[4], one["lines"][0]["period_start"]) for one in listed
    ]


async def test_lists_are_paged_and_hold_no_hosted_url(api: Any, sent: Any, statement: Any) -> None:
    """A list is newest first, a page at a time, without bearer links."""
    await api.world.draft(statement(("a", "1"), total="1", sequence=2))
    headers = await api.key(Scope.BILLING_READ)

    first = (await api.http.get("/v1/invoices?limit=1", headers=headers)).json()
    path = f"/v1/invoices?limit=1&before={first['next']}"
    second = (await api.http.get(path, headers=headers)).json()

    states = [page["invoices"][0]["state"] for page in (first, second)]
    assert ["draft", "sent"] == states
    assert second["invoices"][0]["hosted_invoice_url"] is None
    found = (await api.http.get("/v1/invoices?tenant=acme&state=sent", headers=headers)).json()
    assert [sent.invoice_id] == [invoice["invoice_id"] for invoice in found["invoices"]]


@pytest.mark.parametrize("end", ["", "/details"])
async def test_a_tenant_never_sees_another_ones_invoice(api: Any, sent: Any, end: str) -> None:
    """Bound to another tenant, a key finds nothing; bound to this one, it does."""
    await api.world.add_tenant("globex")
    path = f"/v1/invoices/{sent.invoice_id}{end}"
    stranger = await api.key(Scope.BILLING_READ, tenant_id="globex")
    owner = await api.key(Scope.BILLING_READ, tenant_id="acme")

    answers = [await api.http.get(path, headers=headers) for headers in (stranger, owner)]

    assert [404, 200] == [answer.status_code for answer in answers]
    listed = (await api.http.get("/v1/invoices", headers=stranger)).json()
    assert [] == listed["invoices"]


async def test_another_vendor_or_mode_sees_nothing(api: Any, sent: Any) -> None:
    """A live key does not find a test invoice."""
    headers = await api.key(Scope.BILLING_READ, mode="live")

    answer = await api.http.get(f"/v1/invoices/{sent.invoice_id}", headers=headers)

    assert (404, "unknown_invoice") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/invoices"),
        ("GET", "/v1/attention"),
        ("GET", "/v1/stripe-account"),
        ("PUT", "/v1/stripe-account"),
        ("POST", "/v1/invoices/0199d3c0-8f1e-7c3a-9f1d-2b1f5f0c7a11/retry"),
    ],
)
async def test_every_route_asks_for_a_key_and_its_scope(api: Any, method: str, path: str) -> None:
    """Without a key 401, without the scope 403."""
    weak = await api.key(Scope.EVENTS_WRITE)
    body = {"api_key": OWN_KEY}

    answers = [
        await api.http.request(method, path, json=body),
        await api.http.request(method, path, json=body, headers=weak),
    ]

    assert [401, 403] == [answer.status_code for answer in answers]


async def test_details_sum_to_their_line(api: Any, statement: Any) -> None:
    """A line's details carry its minor units, spread by largest remainder."""
    line = statement(("a", "0.01"), total="0.01").lines[0]
    detail = {
        "agent": "coder",
        "model": "gpt-5",
        "kind": "output_text",
        "usage_day": "2026-01-02",
        "quantity": "1",
        "amount_exact": "0.005",
    }
    split = type(line).model_validate({**line.model_dump(), "details": [detail, detail]})
    invoice = await api.world.draft(statement(total="0.01", lines=[split]))
    headers = await api.key(Scope.BILLING_READ)

    path = f"/v1/invoices/{invoice.invoice_id}/details"
    shown = (await api.http.get(path, headers=headers)).json()

    assert [1, 0] == [one["amount_minor"] for one in shown["details"]]


async def test_a_stripe_account_shows_four_characters(api: Any) -> None:
    """The key is stored sealed for its own account, and only its end is ever shown."""
    headers = await api.key(Scope.ACCOUNTS_WRITE)
    body = {"api_key": OWN_KEY, "webhook_secret": "whsec_of_the_vendor_5678"}

    made = await api.http.put("/v1/stripe-account", json=body, headers=headers)

    shown = (await api.http.get("/v1/stripe-account", headers=headers)).json()
    assert made.json() == shown
    assert ("own", "1234", ["5678"]) == (
        shown["source"],
        shown["api_key_last4"],
        shown["webhook_secrets_last4"],
    )
    (row,) = await api.world.rows(
        "select sealed from invoicing.stripe_account where vendor_id = :v", v=api.world.vendor_id
    )
    assert OWN_KEY.encode() not in row.sealed
    secret_key = b"a-secret-key-of-thirty-two-bytes-or-more"
    assert OWN_KEY == unseal(secret_key, api.world.account, row.sealed).api_key
    with pytest.raises(InvalidToken):
        unseal(secret_key, Account("another", "test"), row.sealed)


async def test_both_secrets_of_a_rotation_are_good(api: Any) -> None:
    """During a rotation events signed by the old and by the new secret are taken."""
    headers = await api.key(Scope.ACCOUNTS_WRITE)
    old, new = "whsec_old_secret", "whsec_new_secret"
    body = {"api_key": OWN_KEY, "webhook_secret": new, "previous_webhook_secret": old}
    await api.http.put("/v1/stripe-account", json=body, headers=headers)
    event = {"id": "evt_1", "type": "x", "livemode": False}

    answers = [
        (await api.deliver(event, secret=secret)).status_code
        for secret in (old, new, "whsec_for_tests_only")
    ]

    assert [200, 200, 400] == answers


@pytest.mark.parametrize(
    ("mode", "api_key", "code"),
    [
        ("test", "sk_live_12345678", "stripe_key_mode_mismatch"),
        ("live", "sk_test_12345678", "stripe_key_mode_mismatch"),
        ("live", "sk_live_12345678", "stripe_is_simulated"),
        ("test", "pk_test_12345678", "invalid_request"),
    ],
)
async def test_a_stripe_key_of_the_other_mode_is_refused(
    api: Any, mode: Any, api_key: str, code: str
) -> None:
    """Test and live never meet, and the refusal does not repeat the key."""
    headers = await api.key(Scope.ACCOUNTS_WRITE, mode=mode)

    answer = await api.http.put("/v1/stripe-account", json={"api_key": api_key}, headers=headers)

    assert code == answer.json()["code"]
    assert api_key not in answer.text


async def test_what_is_parked_waits_with_one_action(api: Any, statement: Any) -> None:
    """A parked invoice is listed with what to do about it; what cannot be sent is not retried."""
    await api.world.draft(statement(("a", "1"), total="2"))
    headers = await api.key()

    (item,) = (await api.http.get("/v1/attention", headers=headers)).json()["items"]
    path = f"/v1/invoices/{item['invoice_id']}/retry"
    answer = await api.http.post(path, headers=headers)

    assert ("parked_invoice", "statement_total_differs") == (item["kind"], item["reason"])
    assert (409, "invoice_unsendable") == (answer.status_code, answer.json()["code"])


async def test_a_vendor_without_stripe_waits_and_goes_on(
    api: Any, statement: Any, world: Any
) -> None:
    """Without an account the invoice waits and says so; with one it goes on by itself."""
    invoice = await world.draft(statement(("a", "5"), total="5"))
    without = world.sync()
    without.accounts.stripe = None
    await without.sync_due()
    headers = await api.key()
    (item,) = (await api.http.get("/v1/attention", headers=headers)).json()["items"]
    assert ("waiting_invoice", "PUT") == (item["kind"], item["action"]["method"])

    await api.http.put("/v1/stripe-account", json={"api_key": OWN_KEY}, headers=headers)
    await world.sync().sync_due()

    assert ("sent", None) == await world.state(invoice)


async def test_the_documentation_is_served(api: Any) -> None:
    """OpenAPI lists the routes, with examples."""
    schema = (await api.http.get("/openapi.json")).json()

    assert "/v1/invoices/{invoice_id}" in schema["paths"]
    assert schema["components"]["schemas"]["InvoiceRead"]["examples"]


WRITES = [
    ("POST", "/v1/invoices"),
    ("POST", "/v1/coupons"),
    ("PUT", "/v1/stripe-account"),
    ("PUT", "/v1/billing-settings"),
    ("PUT", "/v1/webhook-endpoints/books"),
    ("PUT", "/v1/document-locale"),
]


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"currency": "USD", "currency": "EUR"}', "invalid_json"),
        (b'{"description": "\\u0000"}', "invalid_json"),
        (b'{"amount": NaN}', "invalid_json"),
        (b"[" * 5_000, "invalid_json"),
        (b" " * (BODY_BYTES_MAX + 1), "body_too_large"),
    ],
)
async def test_a_body_says_one_thing(
    api: Any, *, method: str, path: str, body: bytes, code: str
) -> None:
    """What parsers guess is refused with a code on every route that writes, as in pricing."""
    headers = await api.key() | {"Content-Type": "application/json"}

    answer = await api.http.request(method, path, content=body, headers=headers)

    assert code == answer.json()["code"]
    assert answer.status_code in (400, 413)
