"""A migration plan as requests of the API: who moves when, and the bounds of the first bills."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from services.pricing.domain.periods import Cycle
from services.pricing.domain.simulation.migration import COHORTS, Guard, Moved
from services.pricing.schemas import simulation_result as schemas
from services.pricing.schemas.simulation import MigrationAsked
from services.pricing.simulation.backtest import TODAY, TenantResult
from services.pricing.simulation.results import Writer
from shared.money import Currency, format_exact, sum_exact


def plan_migration(
    asked: MigrationAsked, results: Sequence[TenantResult], currency: Currency
) -> schemas.MigrationResult:
    """Return how each tenant moves, and what that costs the vendor in the periods replayed."""
    guard, name = asked.guard(), asked.to.name
    moved = [(result, _moved(result, name, guard, currency)) for result in results]
    writer = Writer(currency)
    forgone = sum_exact([one.forgone for _, one in moved])
    kept = sum_exact([one.kept for _, one in moved])
    counts = Counter(one.cohort for _, one in moved)
    return schemas.MigrationResult(
        to=name,
        periods=guard.periods,
        forgone=writer.money(forgone),
        kept=writer.money(kept),
        cost=writer.money(forgone - kept),
        cohorts={cohort: counts[cohort] for cohort in COHORTS},
        tenants=[
            schemas.MovedTenant(
                tenant_id=result.tenant_id,
                cohort=one.cohort,
                average_today=writer.money(one.average),
                maximum=writer.maybe(one.bounds.most),
                minimum=writer.maybe(one.bounds.least),
                bills=[writer.money(bill) for bill in one.bills],
                charged=[writer.money(paid) for paid in one.charged],
                requests=_requests(asked, result, one),
            )
            for result, one in moved
        ],
    )


def _moved(result: TenantResult, name: str, guard: Guard, currency: Currency) -> Moved:
    bills = [amount for _, amount in result.tried[name].bills]
    paid = result.tried[TODAY].revenue
    return Moved.of(result.tenant_id, paid, bills, guard=guard, currency=currency)


def _requests(asked: MigrationAsked, result: TenantResult, moved: Moved) -> list[dict[str, Any]]:
    """Return the changes of the tenant's one subscription; none where there is not exactly one."""
    if result.anchor_day is None:
        return []
    cycle = Cycle(result.anchor_day)
    first = cycle.after(asked.starts_on - timedelta(days=1))
    for _ in range(COHORTS.index(moved.cohort)):
        first = cycle.after(first)
    last = first
    for _ in range(asked.periods):
        last = cycle.after(last)
    path = f"/v1/subscriptions/{result.subscriptions[0]}/changes"
    target = {"price_book": asked.to.price_book, "plan": asked.to.plan}
    changes: list[dict[str, Any]] = [{"kind": "plan", "when": _text(first), **target}]
    bounds = {"maximum_amount": moved.bounds.most, "minimum_amount": moved.bounds.least}
    own = {name: format_exact(value) for name, value in bounds.items() if value is not None}
    if own:
        override = {"target": "plan", "key": asked.to.plan, "set": own}
        changes.append({"kind": "overrides", "when": _text(first), "overrides": [override]})
        changes.append({"kind": "overrides", "when": _text(last), "overrides": []})
    return [{"method": "POST", "path": path, "body": change} for change in changes]


def _text(day: date) -> str:
    return day.isoformat()
