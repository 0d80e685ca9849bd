"""Rating alone, on one core: 10,000 tenants of 200 rows by a book of 12 charges."""

import time
from collections.abc import Callable, Sequence
from fractions import Fraction

from services.pricing.domain.periods import Period
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.seats import Seats
from services.pricing.domain.usage import Usage
from services.pricing.schemas.validation import read_price_book
from shared.currencies import CURRENCIES
from tests.bench.pricing_data import (
    AGENTS,
    END,
    PLAN,
    ROWS,
    SEATS,
    START,
    expected_total,
    price_book,
    usage_of,
)
from tests.bench.results import Bench, Figure, check

PART = "rating"
TENANTS = 10_000
TENANTS_AT_ONCE = 500
"""Rows are made outside of what is timed, for so many tenants at a time."""

EVENTS_OF_A_ROW = (1_000, 1_000_000_000)
COST_TENANTS = 1_000


async def measure(bench: Bench) -> None:
    """Rate every tenant, compare each total with one computed by another way."""
    terms = _terms()
    tenants = bench.scaled(TENANTS)
    speeds = []
    for _ in range(bench.repeats):
        bench.report(f"rating {tenants:,} tenants")
        speeds.append(tenants / _rate(terms, range(tenants)))
    limit = tenants / _timed(range(tenants), _added)
    extra = {"tenants": tenants, "rows": ROWS, "limit_is": "adding the rows up, and nothing else"}
    bench.add(
        Figure(PART, "200 rows, 12 charges", "statements/s", speeds, limit=limit, extra=extra)
    )
    _measure_cost(bench, terms)


def _measure_cost(bench: Bench, terms: RatingTerms) -> None:
    """Show what the cost of a statement depends on: rows, not the events that were added up."""
    count = min(bench.scaled(COST_TENANTS), COST_TENANTS)
    for events in EVENTS_OF_A_ROW:
        _cost(bench, terms, f"200 rows of {events:,} events", times=events, count=count)
    _cost(bench, terms, "400 rows of 1,000 events", times=1_000, count=count, agents=2 * AGENTS)


def _cost(
    bench: Bench, terms: RatingTerms, name: str, *, times: int, count: int, agents: int = AGENTS
) -> None:
    values = []
    for _ in range(bench.repeats):
        bench.report(f"rating {name}")
        rows = [usage_of(tenant, times=times, agents=agents) for tenant in range(count)]
        began = time.perf_counter()
        for own in rows:
            rate_period(terms, own)
        values.append((time.perf_counter() - began) / count * 1e6)
    extra = {"rows": len(rows[0]), "events_of_a_row": times}
    bench.add(Figure(PART, name, "us/statement", values, better="less", extra=extra))


def _terms() -> RatingTerms:
    content = read_price_book(price_book())
    plan = content.plan(PLAN)
    assert plan is not None
    period = Period(START, END, (END - START).days)
    return RatingTerms("bench", plan, CURRENCIES[content.currency], Seats.of(SEATS), period)


def _rate(terms: RatingTerms, tenants: range) -> float:
    """Return the seconds of rating; every total is right."""
    totals: list[Fraction] = []

    def rate(rows: Sequence[Usage]) -> None:
        rated = rate_period(terms, rows)
        check((), rated.unrated, "unrated usage")
        totals.append(rated.total)

    seconds = _timed(tenants, rate)
    check([expected_total(tenant) for tenant in tenants], totals, "totals")
    return seconds


def _timed(tenants: range, work: Callable[[Sequence[Usage]], None]) -> float:
    seconds = 0.0
    for first in range(tenants.start, tenants.stop, TENANTS_AT_ONCE):
        some = range(first, min(first + TENANTS_AT_ONCE, tenants.stop))
        made = [usage_of(tenant) for tenant in some]
        began = time.perf_counter()
        for rows in made:
            work(rows)
        seconds += time.perf_counter() - began
    return seconds


def _added(rows: Sequence[Usage]) -> None:
    sums: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.model, row.kind)
        sums[key] = sums.get(key, 0) + row.quantity.numerator
