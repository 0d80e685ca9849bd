"""Which spans of days a question compares."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.windows import WINDOWS_MAX, Step, Window, steps_of
from services.pricing.repository.growth.revenue import list_currencies
from shared.accounts.repository import Account
from shared.errors import Fault, TallyrollError

Against = Literal["before", "year_before"]
DAYS_MAX = 366


@dataclass(frozen=True)
class Span:
    """`[first, end)` against `[base_first, base_end)`: by default the span before it."""

    first: date
    end: date
    against: Against = "before"
    base_first: date | None = None
    base_end: date | None = None


def faults_of(span: Span, each: Step | None = None) -> list[Fault]:
    """Return all that is wrong with a span of days, and with its steps."""
    faults, days = [], (span.end - span.first).days
    is_based = span.base_first is not None or span.base_end is not None
    if not 0 < days <= DAYS_MAX and (each is None or days <= 0):
        faults.append(_fault("to", f"The days are 1 to {DAYS_MAX}, `from` before `to`."))
    elif each is not None and not _has_steps(Window(span.first, span.end), each):
        message = f"Days in steps are whole calendar {each}s, at most {WINDOWS_MAX} of them."
        faults.append(_fault("each", message))
    if each is not None and is_based:
        message = "Steps have a base each: leave out `base_from` and `base_to`."
        faults.append(_fault("base_from", message))
    elif is_based:
        faults += _faults_of_base(span)
    return faults


def _faults_of_base(span: Span) -> list[Fault]:
    if span.base_first is None or span.base_end is None:
        return [_fault("base_from", "`base_from` and `base_to` are named together.")]
    faults = []
    if not 0 < (span.base_end - span.base_first).days <= DAYS_MAX:
        faults.append(_fault("base_to", f"The base has 1 to {DAYS_MAX} days."))
    if span.base_end > span.first:
        faults.append(_fault("base_to", "The base ends before the days it is compared with."))
    return faults


def _has_steps(window: Window, each: Step) -> bool:
    try:
        return bool(steps_of(window, each))
    except ValueError:
        return False


def windows_of(span: Span) -> tuple[Window, Window]:
    """Return the earlier and the later window; raises `invalid_window` with every fault."""
    _check(span, None)
    later = Window(span.first, span.end)
    if span.base_first is not None and span.base_end is not None:
        return Window(span.base_first, span.base_end), later
    return _base(later, span.against), later


def _base(later: Window, against: Against) -> Window:
    return later.before() if against == "before" else later.year_before()


def pairs_of(span: Span, each: Step | None) -> list[tuple[Window, Window]]:
    """Return the pairs to compare: one, or each month, quarter or year against its base.

    Raises `invalid_window` with every fault.
    """
    if each is None:
        return [windows_of(span)]
    _check(span, each)
    steps = steps_of(Window(span.first, span.end), each)
    return [(_base(step, span.against), step) for step in steps]


def _check(span: Span, each: Step | None) -> None:
    if faults := faults_of(span, each):
        raise TallyrollError("invalid_window", faults[0].message, faults=faults)


async def currency_of(
    connection: AsyncConnection, account: Account, named: str | None
) -> str | None:
    """Return the currency of revenue: the named one, or the only one; None while there is none.

    Raises `currency_required` where there are several (amounts of two do not add up), and
    `unknown_currency` where there are statements, but none in the named one: it would be told as 0.
    """
    known = await list_currencies(connection, account)
    if named is not None:
        if known and named not in known:
            message = f"No statement is in {named}: there are statements in {', '.join(known)}."
            raise TallyrollError("unknown_currency", message, subject="currency")
        return named
    if len(known) > 1:
        message = f"Name one currency: there are statements in {', '.join(known)}."
        raise TallyrollError("currency_required", message, subject="currency")
    return known[0] if known else None


def _fault(path: str, message: str) -> Fault:
    return Fault("invalid_window", path, message)
