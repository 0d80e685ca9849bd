"""One of our invoices beside what Stripe holds of it: pure comparison, in Stripe's integers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.invoicing.domain.wire import to_wire
from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.reconciling.parts import invoice_ids
from services.invoicing.stripe_types import StripeInvoice, StripeLine
from shared.differences import Difference, difference
from shared.money import CURRENCIES

STATUSES: dict[str, frozenset[str]] = {
    "draft": frozenset({"draft"}),
    "approved": frozenset({"draft", "open"}),
    "issued": frozenset({"open"}),
    "sent": frozenset({"open"}),
    "paid": frozenset({"paid"}),
    "uncollectible": frozenset({"uncollectible"}),
    "void": frozenset({"void"}),
}
"""What Stripe may say of an invoice in a state of ours. A parked one is told by its reason."""

Lines = Counter[tuple[str | None, int]]
"""(line key, amount), as often as it is there; no key: not a line of ours."""


@dataclass(frozen=True)
class Sides:
    """An invoice of ours with its lines, and Stripe's with its; `customer` is the tenant's."""

    invoice: Invoice
    lines: Sequence[InvoiceLine]
    customer: str | None
    observed: StripeInvoice
    observed_lines: Sequence[StripeLine]


def differences_of_sides(sides: Sides) -> Iterator[Difference]:
    """Yield what differs: someone edited it at Stripe, or one side missed a change."""
    yield from _fields(sides)
    yield from _status(sides)
    if sides.invoice.state == "draft":
        yield from _foreign_lines(sides)  # it is being filled: only what is not ours is wrong
    else:
        yield from _lines(sides)


def _ids(sides: Sides) -> dict[str, object]:
    return invoice_ids(sides.invoice) | {"stripe_invoice_id": sides.observed.id}


def _fields(sides: Sides) -> Iterator[Difference]:
    ours, theirs = sides.invoice, sides.observed
    pairs: list[tuple[str, str | None, str | None]] = [
        ("stripe_currency_differs", ours.currency, theirs.currency.upper()),
        ("stripe_invoice_key_differs", ours.invoice_key, theirs.metadata.get("invoice_key")),
        ("stripe_lines_hash_differs", ours.lines_sha256, theirs.metadata.get("lines_sha256")),
        ("stripe_customer_differs", sides.customer or theirs.customer, theirs.customer),
    ]
    if theirs.status != "draft":
        pairs.append(("stripe_number_differs", ours.number, theirs.number))
    for code, mine, other in pairs:
        if mine != other:
            yield difference(code, _ids(sides), {"ours": mine, "Stripe": other})


def _status(sides: Sides) -> Iterator[Difference]:
    state, status = sides.invoice.state, sides.observed.status
    if status not in STATUSES.get(state, {status}):
        yield difference("stripe_status_differs", _ids(sides), {"ours": state, "Stripe": status})


def _lines(sides: Sides) -> Iterator[Difference]:
    ids = _ids(sides)
    if len(sides.lines) != len(sides.observed_lines):
        figures = {"ours": len(sides.lines), "Stripe": len(sides.observed_lines)}
        yield difference("stripe_line_count_differs", ids, figures)
    ours, theirs = _counted(sides)
    for key in sorted({key for key, _ in (ours - theirs) | (theirs - ours)}, key=str):
        amounts = {"ours": _amounts(ours, key), "Stripe": _amounts(theirs, key)}
        named = ids | {"line_key": "not ours" if key is None else key}
        yield difference("stripe_line_differs", named, amounts)
    total = to_wire(sides.invoice.total_minor, CURRENCIES[sides.invoice.currency])
    if sides.observed.total_excluding_tax != total:
        totals = {"ours": total, "Stripe": sides.observed.total_excluding_tax}
        yield difference("stripe_total_differs", ids, totals)
    yield from _tax(sides)


def _tax(sides: Sides) -> Iterator[Difference]:
    """Yield where tax of our own is another at Stripe; what Stripe works out is Stripe's."""
    if not sides.invoice.has_own_tax:
        return
    ours = to_wire(sides.invoice.tax_minor or 0, CURRENCIES[sides.invoice.currency])
    net = sides.observed.total_excluding_tax
    theirs = None if net is None else sides.observed.total - net
    if theirs != ours:
        yield difference("stripe_tax_differs", _ids(sides), {"ours": ours, "Stripe": theirs})


def _foreign_lines(sides: Sides) -> Iterator[Difference]:
    ours, theirs = _counted(sides)
    for (key, amount), count in (theirs - ours).items():
        named = _ids(sides) | {"line_key": "not ours" if key is None else key}
        yield difference("stripe_line_differs", named, {"ours": None, "Stripe": amount * count})


def _counted(sides: Sides) -> tuple[Lines, Lines]:
    ours: Lines = Counter((line.line_key, line.stripe_amount) for line in sides.lines)
    return ours, Counter((line.line_key, line.amount) for line in sides.observed_lines)


def _amounts(lines: Lines, wanted: str | None) -> str | None:
    """Return the amounts of the lines of one key."""
    found = [str(amount) for key, amount in lines.elements() if key == wanted]
    return ", ".join(sorted(found)) or None
