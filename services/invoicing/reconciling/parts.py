"""An invoice beside itself: lines add up to its total, and details to their lines."""

from collections.abc import Iterator

from services.invoicing.domain.line_kinds import CARRIED_PREFIX
from services.invoicing.domain.wire import to_wire
from services.invoicing.models import Invoice
from services.invoicing.repository.reconciling import Parts
from shared.differences import Difference, difference
from shared.money import CURRENCIES, format_exact, parse_exact


def invoice_ids(invoice: Invoice) -> dict[str, object]:
    """Return the ids by which a difference names an invoice."""
    return {"tenant_id": invoice.tenant_id, "invoice_id": invoice.invoice_id}


def _carried(invoice: Invoice, parts: Parts) -> Iterator[Difference]:
    """What goes from one invoice to the next is a row, and a line on both (void: given back)."""
    lines = {
        line.line_key: format_exact(parse_exact(line.amount_exact))
        for line in parts.lines
        if line.line_key.startswith(CARRIED_PREFIX)
    }
    if invoice.state == "void":
        return
    for key in sorted(lines.keys() | parts.carried.keys()):
        if lines.get(key) != parts.carried.get(key):
            figures = {"line": lines.get(key), "carried over": parts.carried.get(key)}
            ids = invoice_ids(invoice) | {"line_key": key}
            yield difference("invoice_carried_differ", ids, figures)


def differences_of_parts(invoice: Invoice, parts: Parts) -> Iterator[Difference]:
    """Yield where the parts do not add up, in minor units of the currency."""
    ids = invoice_ids(invoice)
    lines = sum(line.amount_minor for line in parts.lines)
    if lines != invoice.total_minor:
        figures = {"total": invoice.total_minor, "lines": lines}
        yield difference("invoice_lines_total_differ", ids, figures)
    sent = sum(line.stripe_amount for line in parts.lines)
    total = to_wire(invoice.total_minor, CURRENCIES[invoice.currency])
    if sent != total:
        figures = {"total": total, "lines for Stripe": sent}
        yield difference("invoice_sent_total_differ", ids, figures)
    yield from _carried(invoice, parts)
    if invoice.has_own_tax and parts.tax_minor != invoice.tax_minor:
        figures = {"tax": invoice.tax_minor or 0, "taxes": parts.tax_minor}
        yield difference("invoice_tax_total_differ", ids, figures)
    for line in parts.lines:
        details = parts.details.get(line.position)
        if details and details.amount_minor != line.amount_minor:
            figures = {"line": line.amount_minor, "details": details.amount_minor}
            named = ids | {"line_key": line.line_key}
            yield difference("invoice_details_line_differ", named, figures)
