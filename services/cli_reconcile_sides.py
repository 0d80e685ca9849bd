"""Two services' figures beside each other: counted and copied, stated and invoiced. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from services.invoicing.models import InvoiceLine
from services.invoicing.own_lines import CREDIT_LINE, ROUNDING_LINE
from services.invoicing.reconciling.parts import invoice_ids
from services.invoicing.repository.adjustments import Adjustment
from services.invoicing.repository.reconciling import DetailSums, MonthInvoice, Parts
from services.pricing.repository.reconciling import BilledLine, BilledStatement
from shared.differences import Difference, difference
from shared.events.statement_rated import AdjustmentCredited
from shared.money import CURRENCIES, format_exact, parse_exact

Sum = tuple[Decimal, int, str]
Sums = Mapping[tuple[str, date, str, str], Sum]
"""(tenant, usage day, model, kind) → (quantity, events, digest of the parts) of one booked day."""

DIGEST_SHOWN = 8

OWN_LINE = "~"
"""Keys of lines that invoicing adds itself (credits, rounding, coupons) begin with it."""

FROM_STATEMENTS = frozenset({"period", "opening", "progressive", "topup"})


def seal_differences(sealed: Iterable[date], arrived: Iterable[date]) -> Iterator[Difference]:
    """Yield the days from the first to the last sealed one that a side has no seal of (rule 5.1).

    `sealed` are metering's, `arrived` pricing's.
    """
    metering, pricing = frozenset(sealed), frozenset(arrived)
    known = sorted(metering | pricing)
    days = (known[-1] - known[0]).days + 1 if known else 0
    codes = {
        (True, False): "seal_not_in_pricing",
        (False, True): "seal_not_in_metering",
        (False, False): "day_not_sealed",
    }
    for number in range(days):
        day = known[0] + timedelta(days=number)
        sides = day in metering, day in pricing
        if sides in codes:
            words = ("sealed" if one else None for one in sides)
            figures = dict(zip(("metering", "pricing"), words, strict=True))
            yield difference(codes[sides], {"booked_day": day}, figures)


def copy_differences(day: date, counted: Sums, copied: Sums) -> Iterator[Difference]:
    """Yield where pricing's copy of a booked day is not what metering counted."""
    for key in sorted(counted.keys() | copied.keys()):
        mine, other = counted.get(key), copied.get(key)
        if mine == other:
            continue
        tenant_id, usage_day, model, kind = key
        ids: dict[str, object] = {
            "tenant_id": tenant_id,
            "booked_day": day,
            "usage_day": usage_day,
            "model": model,
            "kind": kind,
        }
        if mine and other and mine[:2] == other[:2]:
            digests = {"rollup": mine[2][:DIGEST_SHOWN], "copy": other[2][:DIGEST_SHOWN]}
            yield difference("rollup_copy_attributes_differ", ids, digests)
        else:
            figures = {"rollup": _counted(mine), "copy": _counted(other)}
            yield difference("rollup_copy_differ", ids, figures)


def _counted(sums: Sum | None) -> str | None:
    return None if sums is None else f"{sums[0]} ({sums[1]} events)"


def unpaired(
    statements: Sequence[BilledStatement], invoices: Sequence[MonthInvoice]
) -> Iterator[Difference]:
    """Yield statements without an invoice or with several, and invoices without their statement."""
    made: dict[str, list[str]] = defaultdict(list)
    for one in invoices:
        made[one.invoice.statement_id] += [one.invoice.invoice_id] * (one.invoice.state != "void")
    for statement in statements:
        named = {"tenant_id": statement.tenant_id, "statement_id": statement.statement_id}
        if statement.statement_id not in made:
            figures = {"statement": statement.total_exact, "invoice": None}
            yield difference("statement_without_invoice", named, figures)
        elif len(own := made[statement.statement_id]) > 1:
            both = {"statement": statement.total_exact, "invoices": " ".join(sorted(own))}
            yield difference("statement_invoiced_twice", named, both)
    known = {statement.statement_id for statement in statements}
    for one in invoices:
        if one.made_for in FROM_STATEMENTS and one.invoice.statement_id not in known:
            ids = invoice_ids(one.invoice) | {"statement_id": one.invoice.statement_id}
            figures = {"statement": None, "invoice": one.invoice.total_exact}
            yield difference("invoice_without_statement", ids, figures)


def billed_differences(
    statement: BilledStatement, lines: Sequence[BilledLine], one: MonthInvoice, parts: Parts
) -> Iterator[Difference]:
    """Yield where an invoice, or a revision of it, is not what its statement says."""
    ids = invoice_ids(one.invoice) | {"statement_id": statement.statement_id}
    pairs: list[tuple[str, object, object]] = [
        ("statement_hash_differs", statement.rating_hash, one.rating_hash),
        ("statement_currency_differs", statement.currency, one.invoice.currency),
    ]
    stated = _sum([line.amount_exact for line in lines])
    if stated != parse_exact(statement.total_exact):
        figures = {"total": statement.total_exact, "lines": format_exact(stated)}
        yield difference("statement_lines_total_differ", ids, figures)
    credit = _sum(statement.returned) - _sum(statement.drawn)
    invoiced = [line.amount_exact for line in parts.lines if line.charge == CREDIT_LINE]
    pairs.append(
        ("statement_credits_differ", format_exact(credit), format_exact(_sum(invoiced))),
    )
    for code, mine, other in pairs:
        if mine != other:
            yield difference(code, ids, {"statement": mine, "invoice": other})
    yield from _line_differences(ids, lines, parts)
    yield from _total_differences(ids, one, parts)


def owed(credited: AdjustmentCredited) -> Fraction:
    """Return what of a cheaper period did not return to prepaid credits."""
    return -parse_exact(credited.total_exact) - parse_exact(credited.returned_exact)


def credited_differences(
    credited: Sequence[AdjustmentCredited], made: Sequence[Adjustment]
) -> Iterator[Difference]:
    """Yield where invoicing did not credit, or carry on, exactly what pricing credits."""
    known = {one.adjustment_id: one for one in made}
    for one in credited:
        ids: dict[str, object] = {"tenant_id": one.tenant_id, "adjustment_id": one.adjustment_id}
        found = known.pop(one.adjustment_id, None)
        if found is None:
            figures: dict[str, object] = {"pricing": format_exact(owed(one)), "invoicing": None}
            yield difference("credited_adjustment_missing", ids, figures)
            continue
        minor = Fraction(found.credited_minor, 10 ** CURRENCIES[one.currency].exponent)
        settled = minor + _sum([found.coupons_exact, found.carried_exact])
        if settled != owed(one):
            figures = {"pricing": format_exact(owed(one)), "invoicing": format_exact(settled)}
            yield difference("credited_adjustment_differs", ids, figures)
    for other in known.values():
        ids = {"tenant_id": other.tenant_id, "adjustment_id": other.adjustment_id}
        alone: dict[str, object] = {"pricing": None, "invoicing": other.amount_exact}
        yield difference("credited_adjustment_unknown", ids, alone)


def _sum(amounts: Sequence[str]) -> Fraction:
    return sum(map(parse_exact, amounts), Fraction(0))


def _total_differences(
    ids: Mapping[str, object], one: MonthInvoice, parts: Parts
) -> Iterator[Difference]:
    """The exact total is that of all lines but the one that rounds it to what can be paid."""
    exact = _sum([line.amount_exact for line in parts.lines if line.charge != ROUNDING_LINE])
    if exact != parse_exact(one.invoice.total_exact):
        figures = {"total": one.invoice.total_exact, "lines": format_exact(exact)}
        yield difference("invoice_exact_total_differ", ids, figures)


def _line_differences(
    ids: Mapping[str, object], lines: Sequence[BilledLine], parts: Parts
) -> Iterator[Difference]:
    stated = {line.line_key: line for line in lines}
    invoiced = {line.line_key: line for line in parts.lines}
    for key in sorted(stated.keys() | invoiced.keys()):
        mine, other = stated.get(key), invoiced.get(key)
        if mine is None and key.startswith(OWN_LINE):
            continue
        sums = parts.details.get(other.position, DetailSums()) if other else DetailSums()
        sides = {
            "statement": None if mine is None else _stated(mine),
            "invoice": None if other is None else _invoiced(other, sums),
        }
        if sides["statement"] != sides["invoice"]:
            yield difference("statement_line_differs", {**ids, "line_key": key}, sides)


def _stated(line: BilledLine) -> str:
    sums = DetailSums(line.details, line.details_quantity, digest=line.details_digest)
    return _shown(line.amount_exact, line.quantity, sums)


def _invoiced(line: InvoiceLine, sums: DetailSums) -> str:
    return _shown(line.amount_exact, Decimal(line.quantity), sums)


def _shown(amount_exact: str, quantity: Decimal, sums: DetailSums) -> str:
    """Return a line's figures in one way of writing, so that equal ones are equal text."""
    amount = format_exact(parse_exact(amount_exact))
    digest = f", {sums.digest[:DIGEST_SHOWN]}" if sums.digest else ""
    details = f"{sums.count} details of {_number(sums.quantity)}{digest}"
    return f"{amount} for {_number(quantity)} ({details})"


def _number(quantity: Decimal) -> str:
    return format_exact(Fraction(quantity))
