"""FOCUS rows: they sum to the invoice, and are what the specification says of every column."""

import csv
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from io import BytesIO
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from services.invoicing.documents.statement import UsageStatement
from services.invoicing.domain.invoice_key import NO_SUBSCRIPTION
from services.invoicing.focus.columns import COLUMNS
from services.invoicing.focus.export import _write, month_of
from services.invoicing.focus.rows import focus_rows
from services.invoicing.sheets import Form, open_sink
from shared.errors import TallyrollError
from tests.support import focus_spec
from tests.support.invoice_statements import (
    TWO_RATES,
    Use,
    fee_line,
    usage_line,
    usage_statement,
    usage_statements,
)


def _file(statement: UsageStatement, form: Form) -> bytes:
    file = BytesIO()
    sink = open_sink(file, COLUMNS, form)
    sink.write(focus_rows(statement))
    sink.close()
    return file.getvalue()


def _csv_rows(statement: UsageStatement) -> list[dict[str, str]]:
    text = _file(statement, "csv").decode()
    return list(csv.DictReader(text.splitlines()))


def _owed(statement: UsageStatement) -> Decimal:
    minor = statement.invoice.total_minor + (statement.invoice.told_tax_minor or 0)
    return Decimal(minor).scaleb(-statement.currency.exponent)


@pytest.fixture(name="everything")
def _everything() -> UsageStatement:
    """Return a statement with a row of every kind, in a currency that is rounded to be payable."""
    uses = [Use(Decimal(1000), Fraction(1, 3)), Use(Decimal(5), Fraction(2), day=2)]
    return usage_statement(
        [
            usage_line("001-input", uses),
            fee_line("002-seats", "20.0015"),
            usage_line("~adjustment/2026-09-01/acme-2026/001-input", uses[:1]),
            fee_line("~adjustment/2026-09-01/acme-2026/002-seats", "-1"),
        ],
        currency="KWD",
        credits=[{"grant_id": "g", "line_key": "0", "amount_exact": "0.5", "tax": "at_use"}],
        tax_minor=1230,
    )


@settings(max_examples=80, deadline=None)
@given(usage_statements())
def test_billed_cost_sums_to_the_invoice(statement: UsageStatement) -> None:
    """Usage, fees, adjustments, credits, rounding and tax are the invoice to the minor unit."""
    rows = _csv_rows(statement)

    assert _owed(statement) == sum((Decimal(row["BilledCost"]) for row in rows), Decimal(0))


@settings(max_examples=80, deadline=None)
@given(usage_statements())
def test_every_row_keeps_the_specification(statement: UsageStatement) -> None:
    """No row breaks a rule of a column, whatever the invoice holds."""
    assert [] == [fault for row in _csv_rows(statement) for fault in focus_spec.faults_of(row)]


@settings(max_examples=40, deadline=None)
@given(usage_statements())
def test_parquet_says_what_csv_says(statement: UsageStatement) -> None:
    """Both forms hold the same costs and quantities."""
    table = pq.read_table(BytesIO(_file(statement, "parquet"))).to_pylist()
    names = ("BilledCost", "ConsumedQuantity", "ContractedCost")

    assert [
        [Decimal(row[n]) if row[n] else None for n in names] for row in _csv_rows(statement)
    ] == [[row[name] for name in names] for row in table]


def test_the_columns_are_those_of_the_specification() -> None:
    """All of FOCUS 1.2 are there, and nothing else without our own prefix."""
    assert [] == focus_spec.faults_of_names([column.name for column in COLUMNS])


def test_every_kind_of_line_has_its_category(everything: UsageStatement) -> None:
    """Fees, credits, adjustments, rounding and tax are rows of their own."""
    rows = _csv_rows(everything)

    assert {
        ("Usage", ""): 2,
        ("Purchase", ""): 1,
        ("Usage", "Correction"): 1,
        ("Purchase", "Correction"): 1,
        ("Credit", ""): 1,
        ("Adjustment", ""): 1,
        ("Tax", ""): 1,
    } == Counter((row["ChargeCategory"], row["ChargeClass"]) for row in rows)


def test_a_progressive_invoice_tells_no_usage() -> None:
    """Its lines are adjustments without quantities: the period's invoice has the usage, and less.

    So what was consumed is told once, and the costs of both sum to the period's.
    """
    uses = [Use(Decimal(1000), Fraction(20)), Use(Decimal(5), Fraction(2), day=2)]
    used, taken_off = usage_line("001-input", uses), fee_line("~progressive/000001", "-22")
    key = "demo/live/acme/acme-2026/progressive/1/2026-10-01/1"
    rows = [
        *_csv_rows(usage_statement([used], invoice_key=key)),
        *_csv_rows(usage_statement([used, taken_off])),
    ]

    assert [("Adjustment", "22"), ("Usage", "20"), ("Usage", "2")] == [
        (row["ChargeCategory"], row["BilledCost"]) for row in rows[:3]
    ]
    assert [("Adjustment", "-22")] == [
        (row["ChargeCategory"], row["BilledCost"]) for row in rows[3:]
    ]
    assert ["", "1000", "5", ""] == [row["ConsumedQuantity"] for row in rows]
    assert [] == [fault for row in rows for fault in focus_spec.faults_of(row)]


def test_each_tax_of_our_own_is_a_row() -> None:
    """With its name, its cost and, before it was rounded, its exact amount."""
    rows = _csv_rows(usage_statement([fee_line("a", "1.111")], plan=TWO_RATES))

    assert [
        ("Charge a", "1.11", "1.111"),
        ("GST Canada 5 %", "0.06", "0.05555"),
        ("QST Québec 9.975 %", "0.11", "0.11082225"),
    ] == [(row["ChargeDescription"], row["BilledCost"], row["ListCost"]) for row in rows]


def test_a_row_is_a_day_of_an_agent_on_a_model_by_token_type(everything: UsageStatement) -> None:
    """A detail's day is its charge period, its agent the resource, its count what was consumed."""
    row = _csv_rows(everything)[1]

    assert {
        "ChargePeriodStart": "2026-10-02T00:00:00Z",
        "ChargePeriodEnd": "2026-10-03T00:00:00Z",
        "ResourceId": "research",
        "ServiceName": "gpt-5",
        "SkuMeter": "input_uncached",
        "ConsumedQuantity": "5",
        "ConsumedUnit": "Tokens",
        "ListUnitPrice": "0.4",
        "InvoiceId": "DEMO-000042",
        "BillingAccountName": "Acme Robotics GmbH",
    }.items() <= row.items()


def test_a_one_off_invoice_has_no_subscription_and_nothing_that_recurs() -> None:
    """The place holder for no subscription is no name of one; what is below zero is a credit."""
    lines = [fee_line("001", "120"), fee_line("002", "-20")]
    rows = _csv_rows(usage_statement(lines, subscription_id=NO_SUBSCRIPTION))

    assert [("", "", "")] * 2 == [
        (row["SubAccountId"], row["SubAccountName"], row["SubAccountType"]) for row in rows
    ]
    assert [("Purchase", "One-Time"), ("Credit", "One-Time")] == [
        (row["ChargeCategory"], row["ChargeFrequency"]) for row in rows
    ]
    assert [] == [fault for row in rows for fault in focus_spec.faults_of(row)]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"BilledCost": "1E+3"}, "BilledCost is no Decimal: 1E+3"),
        ({"ChargeCategory": "Discount"}, "ChargeCategory is Discount"),
        ({"ServiceName": ""}, "ServiceName is null"),
        ({"ConsumedUnit": ""}, "ConsumedQuantity and ConsumedUnit go together"),
        ({"ListCost": "7"}, "ListCost is not ListUnitPrice x PricingQuantity"),
        ({"SkuId": ""}, "SkuId is null in Usage"),
        ({"ChargePeriodEnd": "2026-10-01"}, "ChargePeriodEnd is no DateTime: 2026-10-01"),
    ],
)
def test_a_row_that_breaks_the_specification_is_found(
    everything: UsageStatement, change: dict[str, Any], fault: str
) -> None:
    """The table above can fail: each broken row names its fault."""
    row = _csv_rows(everything)[1]

    assert fault in list(focus_spec._by_column(row | change)) + list(
        focus_spec._by_category(row | change)
    ) + (list(focus_spec._by_sums(row | change)) if "ChargePeriodEnd" not in change else [])


def test_rows_that_do_not_sum_to_their_invoice_are_refused(everything: UsageStatement) -> None:
    """An export is right to the minor unit, or there is none."""
    wrong = replace(
        everything,
        invoice=replace(everything.invoice, total_minor=everything.invoice.total_minor + 1),
    )
    sink = open_sink(BytesIO(), COLUMNS, "csv")

    with pytest.raises(TallyrollError, match="focus_differs"):
        _write(sink, wrong)
    assert (8, _owed(everything)) == _write(sink, everything)


def test_a_missing_column_is_found() -> None:
    """A file without BilledCost, or with a foreign column, is not FOCUS."""
    names = [column.name for column in COLUMNS if column.name != "BilledCost"]

    assert 2 == len(focus_spec.faults_of_names([*names, "Margin"]))


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "x", "2026-10-01", ""])
def test_a_month_is_year_and_month(text: str) -> None:
    """Anything else is refused by name."""
    with pytest.raises(TallyrollError, match="invalid_month"):
        month_of(text)


def test_a_month_ends_where_the_next_begins() -> None:
    """December too."""
    first, end = month_of("2026-12")

    assert ("2026-12-01", "2027-01-01") == (first.isoformat(), end.isoformat())
