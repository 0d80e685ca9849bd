"""A statement as a file of details: every detail, and every line that has none, is a row."""

from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO

from services.invoicing.documents.statement import DocumentLine, TaxLine, UsageStatement
from services.invoicing.models import InvoiceLineDetail
from services.invoicing.sheets import Column, Form, Row, open_sink
from shared.money import format_exact

TAX_KEY = "~tax"

COLUMNS = (
    *map(Column, ("invoice_id", "number", "vendor", "tenant", "tenant_name", "purchase_order")),
    Column("period_start", "day"),
    Column("period_end", "day"),
    *map(Column, ("line_kind", "line_key", "charge", "line", "steps")),
    Column("adjusts_from", "day"),
    *map(Column, ("agent", "model", "token_type")),
    Column("usage_day", "day"),
    Column("quantity", "quantity"),
    Column("unit"),
    Column("amount_exact", "exact"),
    Column("amount", "money"),
    Column("amount_minor", "integer"),
    Column("currency"),
)
"""`period_end` is exclusive. `amount` sums to what the tenant owes; without the rows of the kind
`tax`, to the invoice's total before tax. `steps` stands on the first row of a line."""


def as_file(statement: UsageStatement, form: Form) -> bytes:
    """Return the statement as CSV or Parquet, in the order of the lines."""
    file = BytesIO()
    sink = open_sink(file, COLUMNS, form)
    sink.write(_rows(statement))
    sink.close()
    return file.getvalue()


def _rows(statement: UsageStatement) -> Iterator[Row]:
    invoice = statement.invoice
    common = {
        "invoice_id": invoice.invoice_id,
        "number": invoice.number,
        "vendor": statement.vendor.name,
        "tenant": invoice.tenant_id,
        "tenant_name": statement.tenant.name,
        "purchase_order": statement.tenant.purchase_order,
        "period_start": invoice.period_start,
        "period_end": invoice.period_end,
        "currency": invoice.currency,
    }
    scale = statement.currency.exponent
    for line in statement.lines:
        for own in _rows_of(line):
            amount = Decimal(own["amount_minor"]).scaleb(-scale)
            yield common | own | {"amount": amount}
    for tax in statement.tax_lines:
        amount = Decimal(tax.amount_minor).scaleb(-scale)
        yield common | _of_tax(tax) | {"amount": amount}


def _of_tax(tax: TaxLine) -> Row:
    return {
        "line_kind": "tax",
        "line_key": TAX_KEY,
        "charge": "tax",
        "line": tax.title,
        "unit": "tax",
        "amount_minor": tax.amount_minor,
        **_amounts("1", format_exact(tax.exact)),
    }


def _rows_of(line: DocumentLine) -> Iterator[Row]:
    told: Row = {
        "line_kind": line.kind,
        "line_key": line.line.line_key,
        "charge": line.line.charge,
        "line": line.title,
        "unit": line.line.unit,
        "adjusts_from": line.adjusted_from,
    }
    steps = "; ".join(f"{one.description} = {one.amount_exact}" for one in line.line.steps)
    if not line.details:
        yield (
            told
            | _amounts(line.line.quantity, line.line.amount_exact)
            | {
                "steps": steps,
                "amount_minor": line.line.amount_minor,
            }
        )
    for position, detail in enumerate(line.details):
        yield told | _of_detail(detail) | {"steps": "" if position else steps}


def _of_detail(detail: InvoiceLineDetail) -> Row:
    return _amounts(detail.quantity, detail.amount_exact) | {
        "agent": detail.agent,
        "model": detail.model,
        "token_type": detail.kind,
        "usage_day": detail.usage_day,
        "amount_minor": detail.amount_minor,
    }


def _amounts(quantity: str, amount_exact: str) -> Row:
    return {"quantity": Decimal(quantity), "amount_exact": amount_exact}
