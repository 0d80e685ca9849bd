"""Which spans of days a question compares."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.windows import Step, Window, steps_of
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


def windows_of(span: Span) -> tuple[Window, Window]:
    """Return the earlier and the later window; raises `invalid_window` with every fault."""
    faults = []
    if not 0 < (span.end - span.first).days <= DAYS_MAX:
        faults.append(_fault("to", f"The days are 1 to {DAYS_MAX}, `from` before `to`."))
    if (span.base_first is None) is not (span.base_end is None):
        faults.append(_fault("base_from", "`base_from` and `base_to` are named together."))
    if span.base_first is not None and span.base_end is not None:
        if not 0 < (span.base_end - span.base_first).days <= DAYS_MAX:
            faults.append(_fault("base_to", f"The base has 1 to {DAYS_MAX} days."))
        if span.base_end > span.first:
            faults.append(_fault("base_to", "The base ends before the days it is compared with."))
    if faults:
        raise TallyrollError("invalid_window", faults[0].message, faults=faults)
    later = Window(span.first, span.end)
    if span.base_first is not None and span.base_end is not None:
        return Window(span.base_first, span.base_end), later
    return _base(later, span.against), later


def _base(later: Window, against: Against) -> Window:
    return later.before() if against == "before" else later.year_before()


def pairs_of(span: Span, each: Step | None) -> list[tuple[Window, Window]]:
    """Return the pairs to compare: one, or each month, quarter or year against its base."""
    if each is None:
        return [windows_of(span)]
    if span.base_first is not None or span.base_end is not None:
        message = "Steps have a base each: leave out `base_from` and `base_to`."
        raise TallyrollError("invalid_window", message, subject="base_from")
    try:
        steps = steps_of(Window(span.first, span.end), each)
    except ValueError as error:
        message = f"Days in steps are whole calendar {each}s, at most 24 of them."
        raise TallyrollError("invalid_window", message, subject="each") from error
    return [(_base(step, span.against), step) for step in steps]


async def currency_of(
    connection: AsyncConnection, account: Account, named: str | None
) -> str | None:
    """Return the currency of revenue: the named one, or the only one; None while there is none.

    Raises `currency_required` where there are several: amounts of two do not add up.
    """
    if named is not None:
        return named
    known = await list_currencies(connection, account)
    if len(known) > 1:
        message = f"Name one currency: there are statements in {', '.join(known)}."
        raise TallyrollError("currency_required", message, subject="currency")
    return known[0] if known else None


def _fault(path: str, message: str) -> Fault:
    return Fault("invalid_window", path, message)
