"""Strict books: usage of the last month that no charge of a new version would claim."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.charges.cost_plus import CostPlus
from services.pricing.domain.plan import Plan
from services.pricing.domain.usage import Usage
from services.pricing.domain.words import grouped
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository import past_usage
from services.pricing.schemas.price_book import PriceBookContent
from shared.accounts.repository import Account
from shared.errors import Fault
from shared.money import sum_exact

TOLD = ("provider", "model", "kind", "context_band", "service_tier", "batch", "speed")
"""What a combination is told by; agents and the like may be without number."""


async def unclaimed_faults(
    connection: AsyncConnection, account: Account, book: str, content: PriceBookContent, today: date
) -> list[Fault]:
    """Return every combination of usage that subscribers of a strict book had and nobody claims.

    Looked at are the last whole month and this one so far, by booked day.
    """
    if not content.strict:
        return []
    faults: list[Fault] = []
    for index, named in enumerate(content.plans):
        plan = content.plan(named.key)
        assert plan is not None, "a plan of the book"
        rows = await _usage_of(connection, account, book, plan, today)
        faults += _faults(plan, rows, f"plans[{index}]")
    return faults


async def _usage_of(
    connection: AsyncConnection, account: Account, book: str, plan: Plan, today: date
) -> Sequence[Usage]:
    costed = any(isinstance(charge.price, CostPlus) for charge in plan.charges)
    rows = await past_usage.read_of_plan(
        connection,
        account,
        book,
        plan.key,
        start=month_before(today),
        end=today + timedelta(days=1),
        by_day=costed,
    )
    if not costed:
        return rows
    prices = await load_prices(connection, account)
    return [row._replace(cost=prices.cost(row)) for row in rows]


def _faults(plan: Plan, rows: Sequence[Usage], path: str) -> Iterator[Fault]:
    sums: dict[tuple[str, ...], list[Usage]] = defaultdict(list)
    for row in rows:
        position, _ = plan.claims.positions_of(row)
        if position is None and not plan.claims.passes_over(row):
            sums[tuple(getattr(row, name) for name in TOLD)].append(row)
    for combination, unclaimed in sorted(sums.items()):
        quantity = sum_exact(row.quantity for row in unclaimed)
        told = ", ".join(
            f"{name} {value}"
            for name, value in zip(TOLD, combination, strict=True)
            if value not in {"", "false"}
        )
        message = f"No charge of {plan.key!r} claims {grouped(quantity)} of {told}."
        yield Fault("unclaimed_usage", path, message)


def month_before(day: date) -> date:
    """Return the first day of the month before the one that holds a day."""
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)
