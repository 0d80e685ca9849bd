"""Usage statements for tests: composed as invoicing composes them, from charges in few words."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from services.invoicing.documents.statement import DocumentLine, Party, UsageStatement
from services.invoicing.domain.carrying import CarriedIn
from services.invoicing.domain.coupons import Coupon, NamedCoupon
from services.invoicing.domain.taxing import NO_TAX, Rate, TaxPlan
from services.invoicing.drafting import compose_draft
from services.invoicing.models import Invoice, InvoiceLineDetail
from shared.events.statement_rated import StatementRated
from shared.money import CURRENCIES, format_exact

FIRST = date(2026, 10, 1)
TENANT = Party(
    "acme",
    "Acme Robotics GmbH",
    ("Invalidenstraße 117", "10115 Berlin"),
    "DE",
    "accounts@acme.example",
    "PO-2026-0417",
)
VENDOR = Party("demo", "Northwind Agents, Inc.")


@dataclass(frozen=True)
class Use:
    """A detail: who used how much on which day of October, and what it comes to exactly."""

    quantity: Decimal
    amount: Fraction
    agent: str = "research"
    model: str = "gpt-5"
    kind: str = "input_uncached"
    day: int = 1


def usage_line(key: str, uses: Sequence[Use], **values: Any) -> dict[str, Any]:
    """Return a line of a rated statement with these details."""
    amount = sum((use.amount for use in uses), Fraction(0))
    quantity = sum((use.quantity for use in uses), Decimal(0))
    details = [
        {
            "agent": use.agent,
            "model": use.model,
            "kind": use.kind,
            "usage_day": FIRST.replace(day=use.day),
            "quantity": use.quantity,
            "amount_exact": format_exact(use.amount),
        }
        for use in uses
    ]
    return _line(key, quantity, amount, details=details, **values)


def fee_line(key: str, amount: str, **values: Any) -> dict[str, Any]:
    """Return a line without details."""
    return _line(key, Decimal(1), Fraction(amount), unit="periods", **values)


def _line(key: str, quantity: Decimal, amount: Fraction, **values: Any) -> dict[str, Any]:
    step = {"step": "price", "description": "at its price", "amount_exact": format_exact(amount)}
    fields = {
        "line_key": key,
        "charge": key.rpartition("/")[2],
        "model": "per_unit",
        "description": f"Charge {key}",
        "quantity": quantity,
        "unit": "tokens",
        "amount_exact": format_exact(amount),
        "steps": [step],
        "details": [],
    }
    return fields | values


def usage_statement(
    lines: Sequence[dict[str, Any]],
    *,
    currency: str = "USD",
    tenant: Party = TENANT,
    vendor: Party = VENDOR,
    tax_minor: int | None = None,
    issued_at: datetime | None = None,
    **values: Any,
) -> UsageStatement:
    """Return the usage statement of an invoice that is made of these lines.

    `credits`, `carried` and `coupons` too; `plan` is how it is taxed.
    """
    total = sum((Fraction(line["amount_exact"]) for line in lines), Fraction(0))
    rated = StatementRated.model_validate(
        {
            "vendor_id": vendor.party_id,
            "mode": "live",
            "tenant_id": tenant.party_id,
            "statement_id": "0191a2b4-0000-7000-8000-00000000000a",
            "subscription_id": "acme-2026",
            "kind": "period",
            "sequence": 1,
            "period_start": FIRST,
            "period_end": date(2026, 11, 1),
            "currency": currency,
            "price_book": "standard",
            "price_version": 1,
            "price_hash": "p",
            "plan": "pro",
            "input_hash": "i",
            "rating_hash": "r",
            "total_exact": format_exact(total),
            "lines": lines,
            "unrated": [],
            "credits": values.pop("credits", []),
        }
    )
    carried, coupons = values.pop("carried", ()), values.pop("coupons", ())
    draft = compose_draft(rated, carried, coupons, values.pop("plan", NO_TAX))
    details: dict[int, list[InvoiceLineDetail]] = defaultdict(list)
    for detail in draft.details:
        details[detail.line_position].append(detail)
    return UsageStatement(
        invoice=_invoice(rated, draft.values, tax_minor, values),
        vendor=vendor,
        tenant=tenant,
        lines=tuple(DocumentLine(one, tuple(details[one.position])) for one in draft.lines),
        issued_at=issued_at,
        taxes=draft.tax.taxes,
    )


def _invoice(
    rated: StatementRated, drafted: dict[str, Any], tax_minor: int | None, values: dict[str, Any]
) -> Invoice:
    fields = {
        "invoice_id": "0199d3c0-8f1e-7c3a-9f1d-2b1f5f0c7a11",
        "invoice_key": "demo/live/acme/acme-2026/period/1/2026-10-01/1",
        "vendor_id": rated.vendor_id,
        "mode": rated.mode,
        "tenant_id": rated.tenant_id,
        "subscription_id": rated.subscription_id,
        "statement_id": rated.statement_id,
        "revision": 1,
        "period_start": rated.period_start,
        "period_end": rated.period_end,
        "currency": rated.currency,
        "total_exact": drafted["total_exact"],
        "total_minor": drafted["total_minor"],
        "lines_sha256": drafted["lines_sha256"],
        "state": "sent",
        "reason": None,
        "number": "DEMO-000042",
        "attempt": 1,
        "stripe_invoice_id": "in_1",
        "stripe_status": "open",
        "stripe_total_minor": None,
        "stripe_tax_minor": tax_minor,
        "failures": 0,
        "created_at": datetime(2026, 11, 1, 6, tzinfo=UTC),
        **{name: drafted[name] for name in ("tax_treatment", "tax_minor", "tax_text")},
    }
    return Invoice(**(fields | values))


AMOUNTS = st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=10**7)
USES = st.builds(
    Use,
    quantity=st.decimals(min_value=-(10**9), max_value=10**12, places=3),
    amount=AMOUNTS,
    agent=st.sampled_from(["research", "triage", "@ops", "=cmd"]),
    model=st.sampled_from(["gpt-5", "claude-sonnet-4-6"]),
    kind=st.sampled_from(["input_uncached", "output_text", "web_search_requests"]),
    day=st.integers(1, 31),
)

COUPONS = st.lists(
    st.builds(
        lambda coupon: NamedCoupon(coupon, f"{coupon.key} off"),
        st.builds(
            Coupon,
            key=st.uuids().map(str),
            percent=st.fractions(0, 100, max_denominator=1000),
            applies_to=st.none() | st.just(frozenset({"000-usage", "100-fee"})),
        )
        | st.builds(
            Coupon, key=st.uuids().map(str), amount=st.fractions(0, 10**6, max_denominator=1000)
        ),
    ),
    max_size=3,
)
CARRIED = st.lists(
    st.builds(
        CarriedIn,
        carry_over_id=st.uuids().map(str),
        amount=AMOUNTS,
        subscription_id=st.just("acme-2025"),
        period_start=st.just(date(2026, 9, 1)),
        period_end=st.just(FIRST),
    ),
    max_size=2,
)


TWO_RATES = TaxPlan(
    "rates",
    (
        Rate("gst", "GST", "Canada", "CA", Fraction(5), FIRST),
        Rate("qst", "QST", "Québec", "CA", Fraction("9.975"), FIRST),
    ),
)
PLANS = st.sampled_from(
    [
        NO_TAX,
        TaxPlan("automatic"),
        TaxPlan("reverse_charge", text="Reverse charge"),
        TWO_RATES,
    ]
)


@st.composite
def usage_statements(draw: Any) -> UsageStatement:
    """Draw a statement with usage, fees, adjustments, credits, coupons, what was carried, and tax.

    Amounts below zero are drawn as often as others.
    """
    used = draw(st.lists(st.lists(USES, min_size=1, max_size=6), max_size=4))
    adjusted = draw(st.lists(st.lists(USES, max_size=3), max_size=2))
    fees = draw(st.lists(AMOUNTS, max_size=3))
    paid = draw(
        st.lists(st.tuples(AMOUNTS, st.sampled_from(["at_use", "at_purchase"])), max_size=2)
    )
    lines = [usage_line(f"{i:03d}-usage", uses) for i, uses in enumerate(used)]
    lines += [fee_line(f"{i + 100}-fee", format_exact(fee)) for i, fee in enumerate(fees)]
    lines += [
        usage_line(f"~adjustment/2026-09-01/acme-2026/{i:03d}-usage", uses)
        for i, uses in enumerate(adjusted)
    ]
    credits_ = [
        {"grant_id": "g", "line_key": "0", "amount_exact": format_exact(amount), "tax": tax}
        for amount, tax in paid
    ]
    return usage_statement(
        lines,
        currency=draw(st.sampled_from(sorted(CURRENCIES))),
        credits=credits_,
        coupons=draw(COUPONS),
        carried=draw(CARRIED),
        plan=draw(PLANS),
        tax_minor=draw(st.none() | st.integers(-(10**6), 10**6)),
    )
