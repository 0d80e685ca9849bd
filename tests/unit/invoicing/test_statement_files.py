"""The statement as CSV and Parquet: every detail is there, and all of it is the invoice."""

import csv
from decimal import Decimal
from fractions import Fraction
from io import BytesIO

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from services.invoicing.documents.files import COLUMNS, as_file
from services.invoicing.documents.statement import UsageStatement
from tests.support.invoice_statements import (
    Use,
    fee_line,
    usage_line,
    usage_statement,
    usage_statements,
)


def _rows(statement: UsageStatement) -> list[dict[str, str]]:
    return list(csv.DictReader(as_file(statement, "csv").decode().splitlines()))


@settings(max_examples=60, deadline=None)
@given(usage_statements())
def test_amounts_sum_to_the_invoice(statement: UsageStatement) -> None:
    """The column `amount` is the total with tax, and without the rows of tax the one before it."""
    invoice, scale = statement.invoice, statement.currency.exponent
    net = Decimal(invoice.total_minor).scaleb(-scale)
    gross = net + Decimal(invoice.told_tax_minor or 0).scaleb(-scale)
    rows, stored = _rows(statement), pq.read_table(BytesIO(as_file(statement, "parquet")))
    amounts = [(row["line_kind"], Decimal(row["amount"])) for row in rows]

    assert gross == sum((amount for _, amount in amounts), Decimal(0))
    assert net == sum((amount for kind, amount in amounts if kind != "tax"), Decimal(0))
    assert amounts == [(row["line_kind"], row["amount"]) for row in stored.to_pylist()]


@settings(max_examples=60, deadline=None)
@given(usage_statements())
def test_details_sum_to_the_quantity_of_their_line(statement: UsageStatement) -> None:
    """What the rows of a line count is what the line counts."""
    rows = _rows(statement)

    for line in statement.lines:
        quantity = sum(
            (Decimal(row["quantity"]) for row in rows if row["line_key"] == line.line.line_key),
            Decimal(0),
        )
        assert Decimal(line.line.quantity) == quantity


def test_the_file_has_every_one_of_many_details() -> None:
    """20,000 details are 20,000 rows."""
    uses = [
        Use(Decimal(1), Fraction(1, 7), agent=f"agent-{index // 31}", day=index % 31 + 1)
        for index in range(20_000)
    ]
    statement = usage_statement([usage_line("001-input", uses)])

    assert 20_000 == len(_rows(statement))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff20"])
def test_a_name_is_never_a_formula(start: str) -> None:
    """Text that a spreadsheet would compute is text; an amount below zero stays a number."""
    line = usage_line("001-input", [Use(Decimal(-1), Fraction(-5), agent=f"{start}cmd|calc")])
    text = as_file(usage_statement([line]), "csv").decode()
    row, _carried = csv.DictReader(BytesIO(text.encode()).read().decode().split("\n"))

    assert f"'{start}cmd|calc" == row["agent"]
    assert ("-5", "-5", "-1") == (row["amount"], row["amount_exact"], row["quantity"])


def test_how_an_amount_came_about_is_told_once_a_line() -> None:
    """The first row of a line has its steps, with their exact amounts."""
    uses = [Use(Decimal(1), Fraction(1, 3)), Use(Decimal(2), Fraction(2, 3), day=2)]
    rows = _rows(usage_statement([usage_line("001-input", uses), fee_line("002-seats", "20")]))

    assert ["at its price = 1", "", "at its price = 20"] == [row["steps"] for row in rows]
    assert ["Charge 001-input", "Charge 001-input", "Charge 002-seats"] == [
        row["line"] for row in rows
    ]


def test_an_adjustment_names_the_period_it_adjusts() -> None:
    """Its rows say since when, other rows do not."""
    adjustment = fee_line("~adjustment/2026-09-01/acme-2026/001-input", "-2")
    rows = _rows(usage_statement([fee_line("001-input", "5"), adjustment]))

    assert [("fee", ""), ("adjustment", "2026-09-01")] == [
        (row["line_kind"], row["adjusts_from"]) for row in rows
    ]


def test_a_file_without_lines_has_its_columns() -> None:
    """An invoice of nothing is a file of nothing, which still can be read."""
    statement = usage_statement([])

    assert [column.name for column in COLUMNS] == pq.read_table(
        BytesIO(as_file(statement, "parquet"))
    ).column_names
    assert [] == _rows(statement)
