"""What goes to Stripe: exact, short enough, the same for the same invoice."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.invoicing.models import Invoice, InvoiceLine, Tenant
from services.invoicing.stripe_gateway import _assert_exact
from services.invoicing.stripe_sync import requests

TENANT = Tenant("Acme Inc.", None, {"city": "Berlin", "line2": ""}, "PO 7" * 100, "on")
INVOICE = Invoice(
    invoice_id="i",
    invoice_key="v/test/acme/s/period/1/2026-01-01/1",
    vendor_id="v",
    mode="test",
    tenant_id="acme",
    subscription_id="s",
    statement_id="st",
    revision=1,
    period_start=date(2026, 1, 1),
    period_end=date(2026, 2, 1),
    currency="USD",
    total_exact="1",
    total_minor=100,
    lines_sha256="h",
    state="draft",
    reason=None,
    number=None,
    attempt=1,
    stripe_invoice_id=None,
    stripe_status=None,
    stripe_total_minor=None,
    stripe_tax_minor=None,
    failures=0,
    created_at=datetime(2026, 2, 1, tzinfo=UTC),
)


def _lines(count: int, description: str = "Tokens") -> list[InvoiceLine]:
    return [
        InvoiceLine(index, f"k{index}", "c", description, "1", "tokens", "1", 100, 100)
        for index in range(count)
    ]


def test_an_invoice_is_an_empty_draft_that_we_advance() -> None:
    """Nothing of Stripe's own comes onto it, and it says what it is for."""
    params = requests.invoice_call(INVOICE, TENANT, "cus_1", attempt=2, line_count=3).params

    assert (False, "exclude", 30) == (
        params["auto_advance"],
        params["pending_invoice_items_behavior"],
        params["days_until_due"],
    )
    assert ("2", "3") == (params["metadata"]["attempt"], params["metadata"]["line_count"])
    assert ["Jan 1\u2009\u2013\u200931, 2026", 140] == [
        params["custom_fields"][0]["value"],
        len(params["custom_fields"][1]["value"]),
    ]


def test_a_period_ends_a_second_before_ours() -> None:
    """Both ends are inclusive at Stripe."""
    (call,) = requests.lines_calls(INVOICE, "in_1", _lines(1), attempt=1)

    period = call.params["lines"][0]["period"]
    assert datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC).timestamp() == period["end"]


def test_a_fee_in_advance_is_for_days_of_its_own() -> None:
    """Stripe is told the period that it is for, not that of the invoice it stands on."""
    first, end = date(2026, 2, 1), date(2026, 3, 1)
    ahead = [replace(line, period_start=first, period_end=end) for line in _lines(1)]
    (call,) = requests.lines_calls(INVOICE, "in_1", ahead, attempt=1)

    period = call.params["lines"][0]["period"]
    assert [datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)] == [
        datetime.fromtimestamp(period[name], UTC) for name in ("start", "end")
    ]


def test_long_descriptions_are_cut_with_an_ellipsis() -> None:
    """500 characters at most, and the same text is always cut the same way."""
    (call,) = requests.lines_calls(INVOICE, "in_1", _lines(1, "x" * 600), attempt=1)

    text = call.params["lines"][0]["description"]
    assert (500, "…") == (len(text), text[-1])


def test_lines_go_in_chunks_of_a_hundred() -> None:
    """250 lines are three calls, each with a material of its own."""
    calls = requests.lines_calls(INVOICE, "in_1", _lines(250), attempt=1)

    assert [100, 100, 50] == [len(call.params["lines"]) for call in calls]
    assert 3 == len({call.material for call in calls})


def test_empty_parts_of_an_address_are_left_out() -> None:
    """An empty string would unset a field, or be refused."""
    params = requests.customer_call(INVOICE.account, "acme", TENANT, attempt=1).params

    assert {"city": "Berlin"} == params["address"]
    assert "email" not in params


@pytest.mark.parametrize(
    "params",
    [
        {"amount": 1.0},
        {"amount": True},
        {"amount": "1"},
        {"lines": [{"amount": Decimal(1)}]},
        {"days": 1.0},
        {"name": None},
    ],
)
def test_what_the_sdk_would_write_otherwise_never_leaves(params: dict[str, Any]) -> None:
    """Floats, decimals and nulls are stopped before the wire."""
    with pytest.raises(AssertionError):
        _assert_exact(params)
