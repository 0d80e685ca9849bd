"""Rating on trial: the functions that bill, over any usage, and nothing is stored."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.pricing.domain.charges.cost_plus import CostPlus
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.readings import Readings
from services.pricing.domain.seats import Seats
from services.pricing.domain.statement import RatedStatement
from services.pricing.domain.usage import Usage
from shared.currencies import CURRENCIES

COST_CURRENCY = "USD"
"""What providers take is known in this currency only."""


@dataclass(frozen=True)
class Trial:
    """What some usage is rated by."""

    price_hash: str
    currency: str
    plan: Plan
    seats: Seats
    period: Period


def rate_trial(
    trial: Trial,
    rows: Sequence[Usage],
    prices: ProviderPrices,
    readings: Readings | None = None,
) -> RatedStatement:
    """Return what usage comes to; `prices` say what it costs, where a charge asks for that."""
    terms = RatingTerms(
        price_hash=trial.price_hash,
        plan=trial.plan,
        currency=CURRENCIES[trial.currency],
        seats=trial.seats,
        period=trial.period,
    )
    return rate_period(terms, costed(trial, rows, prices), readings, prices=prices)


async def rate_aside(
    trial: Trial,
    rows: Sequence[Usage],
    prices: ProviderPrices,
    readings: Readings | None = None,
) -> RatedStatement:
    """Do the same beside the event loop: other requests are answered meanwhile."""
    return await asyncio.to_thread(rate_trial, trial, rows, prices, readings)


def costed(trial: Trial, rows: Sequence[Usage], prices: ProviderPrices) -> Sequence[Usage]:
    """Return rows with their cost, where the plan has a price that is made from it."""
    asked = any(isinstance(charge.price, CostPlus) for charge in trial.plan.charges)
    if not asked or trial.currency != COST_CURRENCY:
        return rows
    return [row._replace(cost=prices.cost(row)) for row in rows]
