"""What endpoints are told: every state has a type, amounts are strings, one event is one."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from services.invoicing.webhooks_out.composing import crossing_event, invoice_event, seal_event
from services.invoicing.webhooks_out.event_types import (
    EVENT_TYPES,
    INVOICE_TYPES,
    PATTERNS,
    subscribes,
)
from shared.events.invoice_changed import InvoiceChanged, InvoiceState
from shared.events.spend_crossed import SpendCrossed
from shared.events.usage_aggregated import DaySealed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def changed(**values: Any) -> InvoiceChanged:
    fields: dict[str, Any] = {
        "vendor_id": "demo",
        "mode": "test",
        "tenant_id": "acme",
        "invoice_id": "i-1",
        "invoice_key": "k",
        "number": None,
        "state": "sent",
        "reason": None,
        "currency": "USD",
        "total_minor": 15003,
        "period_start": date(2026, 1, 1),
        "period_end": date(2026, 2, 1),
        "stripe_invoice_id": None,
        "changed_at": NOW,
    }
    return InvoiceChanged(**(fields | values))


def test_every_state_of_an_invoice_has_a_type() -> None:
    """A new state cannot go by without its event."""
    assert set(get_args(InvoiceState)) == set(INVOICE_TYPES)


@pytest.mark.parametrize(
    ("currency", "minor", "total"),
    [("USD", 15003, "150.03"), ("JPY", 500, "500"), ("KWD", 1250, "1.25"), ("USD", -5, "-0.05")],
)
def test_a_total_is_a_decimal_of_its_currency(currency: str, minor: int, total: str) -> None:
    """Minor units become the amount by the currency's own exponent; never a JSON number."""
    event = invoice_event(changed(currency=currency, total_minor=minor), "m-1")

    assert total == json.loads(event.payload())["data"]["total"]


def test_a_draft_that_waits_is_told_as_such() -> None:
    """A draft with a reason is another event than one that goes on."""
    names = [
        invoice_event(changed(state="draft", reason=reason), "m").event_type.name
        for reason in (None, "stripe_account_missing")
    ]

    assert ["invoice.drafted", "invoice.waiting"] == names


def test_a_body_says_type_version_time_and_whose() -> None:
    """The envelope is the same for every type."""
    body = json.loads(invoice_event(changed(), "m-1").payload())

    assert ["type", "version", "timestamp", "vendor", "mode", "data"] == list(body)
    assert ("invoice.sent", 2, "2026-03-01T12:00:00Z") == tuple(body.values())[:3]


def test_a_sealed_day_is_one_event_for_all_its_parts() -> None:
    """Each partition is told in parts; another result of the recount is news."""

    def identity(part: int, recount: Any) -> str:
        return seal_event(
            DaySealed(
                vendor_id="demo",
                mode="test",
                day=date(2026, 1, 1),
                first_day=date(2026, 1, 1),
                version=part,
                part=part,
                parts=3,
                recount=recount,
                offsets={0: 1},
                tenants=[],
            ),
            NOW,
        ).identity

    assert identity(1, "agreed") == identity(2, "agreed") != identity(1, "differs")


def test_credit_that_runs_low_is_one_event_however_often_it_is_told() -> None:
    """The crossing is the identity; bound and balance are those of the message."""
    crossed = SpendCrossed.model_validate_json(
        Path("shared/events/examples/spend.crossed/v1/SpendCrossed.json").read_text("utf-8")
    )

    once, again = (crossing_event(crossed, NOW + timedelta(days=n)) for n in range(2))

    assert ("wallet.low", once.identity) == (once.event_type.name, again.identity)
    assert '"bound_exact":"100","balance_exact":"85.36"' in once.payload()


def test_spend_that_reaches_a_threshold_is_one_event() -> None:
    """Its own type, with the subscription's period; told again it is the same event."""
    crossed = SpendCrossed(
        vendor_id="demo",
        mode="test",
        tenant_id="acme",
        crossing_id="spend-threshold/st-1",
        kind="spend_threshold",
        currency="USD",
        bound_exact="100",
        now_exact="343/3",
        booked_on=date(2026, 3, 1),
        statement_id="st-1",
        subscription_id="sub-1",
        period_start=date(2026, 3, 1),
        period_end=date(2026, 4, 1),
    )

    with pytest.raises(ValidationError, match="a subscription's period"):
        SpendCrossed(**(crossed.model_dump() | {"period_end": None}))

    once, again = (crossing_event(crossed, NOW + timedelta(days=n)) for n in range(2))

    assert ("usage.threshold_crossed", once.identity) == (once.event_type.name, again.identity)
    assert {
        "subscription_id": "sub-1",
        "threshold_exact": "100",
        "spend_exact": "343/3",
        "period_end": "2026-04-01",
    }.items() <= json.loads(once.payload())["data"].items()


def test_a_group_stands_for_its_types_only() -> None:
    """`invoice.*` is every invoice event, `*` everything, a name itself."""
    groups = {"budget.*", "invoice.*", "statement.*", "usage.*", "wallet.*"}

    assert {"*", *groups} == PATTERNS
    assert subscribes(["budget.*"], "budget.threshold_crossed")
    assert subscribes(["invoice.*"], "invoice.paid")
    assert subscribes(["*"], "usage.sealed")
    assert subscribes(["usage.sealed"], "usage.sealed")
    assert not subscribes(["invoice.*", "usage.sealed"], "statement.rated")


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_an_example_is_what_its_type_carries(name: str) -> None:
    """Documented payloads are made by the models that are sent; no number but a count."""
    event_type = EVENT_TYPES[name]
    example = json.loads(event_type.example.model_dump_json())

    assert isinstance(event_type.example, event_type.data)
    assert {key for key, value in example.items() if isinstance(value, int)} <= {"sequence"}
