"""The types of events and what each carries: ids, amounts as strings, times; the rest is fetched.

A published version of a payload never changes; a type with another payload gets a new version.
docs/reference/webhook-events.md is generated from here.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pydantic import Field

from shared.events.invoice_changed import InvoiceState
from shared.events.message import Frozen, Mode

EVERYTHING = "*"


class InvoiceData(Frozen):
    """Events of one invoice may come in another order: `changed_at` tells it."""

    invoice_id: str = Field(description="`GET /v1/invoices/{invoice_id}` has the rest")
    tenant_id: str = Field(description="who is billed")
    number: str | None = Field(description="null until the invoice is approved")
    state: InvoiceState = Field(description="that the invoice reached")
    reason: str | None = Field(description="why it is parked or waits; a stable code")
    currency: str = Field(description="ISO 4217")
    total: str = Field(description="before tax, a decimal in `currency`")
    tax: str | None = Field(description="a decimal; null while Stripe has not told it")
    gross: str | None = Field(description="what the tenant owes: total and tax; null as tax")
    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")
    changed_at: datetime = Field(description="when the invoice reached the state")


class StatementData(Frozen):
    """Its invoice follows as `invoice.drafted`."""

    statement_id: str = Field(description="as in pricing's API")
    tenant_id: str = Field(description="who is billed")
    subscription_id: str = Field(description="whose period it is; `-` for an order of credit")
    kind: Literal["period", "opening", "progressive", "topup"] = Field(
        description="opening: fees before the first period; progressive: usage of an open period; "
        "topup: an order of prepaid credit"
    )
    sequence: int = Field(description="1 for the first of its kind, counting up")
    currency: str = Field(description="ISO 4217")
    total_exact: str = Field(description="plain decimal, or numerator/denominator; unrounded")
    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")


class SealData(Frozen):
    """Nothing that is booked on the day changes any more."""

    day: date = Field(description="in UTC")
    recount: Literal["agreed", "differs", "off"] = Field(
        description="the second count from the archive; a day that differs is sealed, not rated"
    )


class WalletData(Frozen):
    """A tenant's prepaid credit, in pricing's API."""

    tenant_id: str = Field(description="whose credit it is")
    currency: str = Field(description="ISO 4217")
    bound_exact: str = Field(description="that the vendor set; plain decimal")
    balance_exact: str = Field(description="what is left; plain decimal, or numerator/denominator")
    booked_on: date = Field(description="in UTC")
    statement_id: str | None = Field(description="that drew on it")


class UsageThresholdData(Frozen):
    """What the usage of an open period comes to.

    With a statement, a threshold of the plan: its invoice follows as `invoice.drafted`.
    Without one, an amount of the subscription's spend alerts: nothing is invoiced.
    """

    tenant_id: str = Field(description="whose usage it is")
    subscription_id: str = Field(description="whose period it is")
    currency: str = Field(description="ISO 4217")
    threshold_exact: str = Field(description="that was reached; plain decimal")
    spend_exact: str = Field(description="plain decimal, or numerator/denominator; unrounded")
    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")
    reached_on: date = Field(description="in UTC")
    statement_id: str | None = Field(description="of the usage so far; null for an alert")


class BudgetThresholdData(Frozen):
    """Where a ledger of an envelope stands; US dollars at provider cost, unrounded."""

    envelope: str = Field(description="its name")
    scope: dict[str, str] = Field(description="what it names of tenant, team, agent, user, run")
    ledger: str = Field(description="`run` or `explore`")
    share: str = Field(description="that was crossed, '1' is all of it; or `forecast`")
    limit_exact: str = Field(description="plain decimal, or numerator/denominator")
    used_exact: str = Field(description="metered, held and committed")
    forecast_exact: str | None = Field(description="of the period; null: not enough history")
    step: str = Field(description="of the ladder that holds now")
    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")


class TestData(Frozen):
    """It says nothing but whose endpoint is tried."""

    endpoint_id: str = Field(description="where it goes to")


EventData = (
    InvoiceData
    | StatementData
    | SealData
    | WalletData
    | UsageThresholdData
    | BudgetThresholdData
    | TestData
)


class WebhookBody(Frozen):
    """What is sent: the same text on every attempt. The header `webhook-id` is the event's id."""

    type: str
    version: int = Field(description="of the type's payload")
    timestamp: datetime = Field(description="when it happened")
    vendor: str
    mode: Mode
    data: EventData


@dataclass(frozen=True)
class EventType:
    """A type of events: when it is sent, and what it carries."""

    name: str
    description: str
    data: type[Frozen]
    example: EventData
    version: int = 1


def _invoice(
    name: str, state: InvoiceState, description: str, reason: str | None = None
) -> EventType:
    example = InvoiceData(
        invoice_id="0199d3c0-8f1e-7c3a-9f1d-2b1f5f0c7a11",
        tenant_id="hooli",
        number=None if state in ("draft", "parked") else "DEMO-000001",
        state=state,
        reason=reason,
        currency="USD",
        total="114.64",
        tax="21.78",
        gross="136.42",
        period_start=date(2023, 11, 1),
        period_end=date(2023, 12, 1),
        changed_at=datetime.fromisoformat("2023-12-01T06:00:00Z"),
    )
    return EventType(name, description, InvoiceData, example, version=2)


INVOICE_TYPES: dict[InvoiceState, EventType] = {
    "draft": _invoice("invoice.drafted", "draft", "made of a statement, or back among the drafts"),
    "issued": _invoice("invoice.issued", "issued", "final, with its number"),
    "sent": _invoice("invoice.sent", "sent", "on its way to the tenant"),
    "paid": _invoice("invoice.paid", "paid", "paid, or nothing is owed"),
    "uncollectible": _invoice("invoice.uncollectible", "uncollectible", "given up as unpaid"),
    "void": _invoice("invoice.voided", "void", "void: nothing of it is owed"),
    "parked": _invoice(
        "invoice.parked", "parked", "waits for a person; `reason` says why", "lines_differ"
    ),
    "partly_paid": _invoice("invoice.partly_paid", "partly_paid", "a part of it is paid"),
    "overdue": _invoice("invoice.overdue", "overdue", "not paid when it was due"),
    "payment_failed": _invoice("invoice.payment_failed", "payment_failed", "a payment failed"),
    "finalization_failed": _invoice(
        "invoice.finalization_failed",
        "finalization_failed",
        "Stripe could not finalize it; `reason` says why",
        "customer_tax_location_invalid",
    ),
    "disputed": _invoice(
        "invoice.disputed",
        "disputed",
        "a payment of it is disputed; `reason` is how the dispute stands",
        "needs_response",
    ),
    "refunded": _invoice(
        "invoice.refunded", "refunded", "payments went back; `reason`: partial or full", "partial"
    ),
    "refund_failed": _invoice("invoice.refund_failed", "refund_failed", "a refund came back"),
    "credited": _invoice("invoice.credited", "credited", "a credit note was issued for it"),
}
INVOICE_WAITING = _invoice(
    "invoice.waiting", "draft", "waits until `reason` is gone", "stripe_account_missing"
)
STATEMENT_RATED = EventType(
    "statement.rated",
    "a subscription's period, or its opening fees, are rated",
    StatementData,
    StatementData(
        statement_id="0199d3bf-11aa-7d20-8a55-6a1f0e0b9c02",
        tenant_id="hooli",
        subscription_id="hooli-team",
        kind="period",
        sequence=1,
        currency="USD",
        total_exact="114.64",
        period_start=date(2023, 11, 1),
        period_end=date(2023, 12, 1),
    ),
)
USAGE_SEALED = EventType(
    "usage.sealed",
    "a day of the vendor's usage is closed",
    SealData,
    SealData(day=date(2023, 11, 30), recount="agreed"),
)
WALLET_LOW = EventType(
    "wallet.low",
    "a statement left less prepaid credit than the wallet's `low_balance`",
    WalletData,
    WalletData(
        tenant_id="hooli",
        currency="USD",
        bound_exact="100",
        balance_exact="85.36",
        booked_on=date(2023, 12, 1),
        statement_id="0199d3bf-11aa-7d20-8a55-6a1f0e0b9c02",
    ),
)
USAGE_THRESHOLD_CROSSED = EventType(
    "usage.threshold_crossed",
    "the spend of an open period reached a threshold of its plan, or an amount to be told of",
    UsageThresholdData,
    UsageThresholdData(
        tenant_id="hooli",
        subscription_id="hooli-team",
        currency="USD",
        threshold_exact="100",
        spend_exact="114.64",
        period_start=date(2023, 11, 1),
        period_end=date(2023, 12, 1),
        reached_on=date(2023, 11, 10),
        statement_id="0199d3bf-11aa-7d20-8a55-6a1f0e0b9c02",
    ),
)
BUDGET_THRESHOLD_CROSSED = EventType(
    "budget.threshold_crossed",
    "a share of an envelope's ledger is used, or its forecast goes beyond it",
    BudgetThresholdData,
    BudgetThresholdData(
        envelope="platform",
        scope={"tenant": "hooli", "team": "platform"},
        ledger="run",
        share="0.9",
        limit_exact="1600",
        used_exact="1452.3",
        forecast_exact="2105.5",
        step="advise",
        period_start=date(2023, 11, 1),
        period_end=date(2023, 12, 1),
    ),
)
WEBHOOK_TEST = EventType(
    "webhook.test",
    "asked for by hand; comes whatever an endpoint subscribes to",
    TestData,
    TestData(endpoint_id="books"),
)

EVENT_TYPES: dict[str, EventType] = {
    event_type.name: event_type
    for event_type in (
        *(USAGE_SEALED, STATEMENT_RATED, *INVOICE_TYPES.values(), INVOICE_WAITING),
        *(USAGE_THRESHOLD_CROSSED, WALLET_LOW, BUDGET_THRESHOLD_CROSSED, WEBHOOK_TEST),
    )
}
SUBSCRIBABLE = frozenset(EVENT_TYPES) - {WEBHOOK_TEST.name}
PATTERNS = frozenset({EVERYTHING, *(f"{name.partition('.')[0]}.*" for name in SUBSCRIBABLE)})
"""What stands for several types: all, or all of a group such as `invoice.*`."""


def subscribes(event_types: list[str], name: str) -> bool:
    """Tell whether an endpoint with these types and patterns is told of a type."""
    group = name.partition(".")[0]
    return any(one in (name, f"{group}.*", EVERYTHING) for one in event_types)
