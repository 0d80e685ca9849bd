"""Rated periods as the messages that invoicing receives, and as bills show them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from services.pricing.domain import statement as domain
from services.pricing.domain.column import Column
from services.pricing.domain.cost.usage_cost import UsageCost
from services.pricing.domain.details import DetailGroup
from services.pricing.domain.meters import MeterReading, meter_of
from services.pricing.domain.pools import PoolUse
from services.pricing.domain.rating import COST_CURRENCY
from services.pricing.domain.step import Step
from services.pricing.domain.wallet.draws import DrawnStatement
from services.pricing.handlers.rating import RatedPeriod
from services.pricing.list_prices import list_release
from shared.accounts.repository import Account
from shared.events.statement_rated import (
    AdjustedPeriod,
    CreditDraw,
    CreditReturn,
    FeePeriod,
    MeterUsed,
    PoolDraw,
    ProviderCost,
    RatingStep,
    StatementLine,
    StatementRated,
    UnpricedUsage,
    UnratedUsage,
)
from shared.money import format_exact, is_whole, nearest_decimal


def statement_of(account: Account, rated: RatedPeriod, statement_id: str) -> StatementRated:
    """Return a rated period as the message that invoicing receives."""
    subscription, statement = rated.subscription, rated.rated
    cost = statement.cost
    return StatementRated(
        vendor_id=account.vendor_id,
        mode=account.mode,
        tenant_id=subscription["tenant_id"],
        statement_id=statement_id,
        subscription_id=subscription["subscription_id"],
        kind=rated.kind,
        sequence=rated.sequence,
        period_start=rated.period.start,
        period_end=rated.period.end,
        currency=rated.currency,
        price_book=rated.price_book,
        price_version=rated.price_version,
        price_hash=rated.price_hash,
        plan=rated.plan,
        input_hash=statement.input_hash,
        rating_hash=statement.rating_hash,
        total_exact=format_exact(statement.total),
        lines=[line_of(line, rated.currency) for line in statement.lines],
        unrated=[unrated_of(row) for row in statement.unrated],
        cost=cost_of(cost, statement.revenue, rated.currency),
        unpriced=unpriced_of(cost),
        list_prices=list_release() if cost else None,
        parts=list(rated.parts),
        reached=rated.reached,
    )


def with_draws(statement: StatementRated, drawn: DrawnStatement | None) -> StatementRated:
    """Return a statement with what credits pay of it."""
    draws = [
        CreditDraw(
            grant_id=draw.grant_id,
            line_key=draw.line_key,
            amount_exact=format_exact(draw.amount),
            tax=draw.tax,
        )
        for draw in (drawn.draws if drawn else ())
    ]
    return statement.model_copy(update={"credits": draws}) if draws else statement


def with_returns(statement: StatementRated, returned: Mapping[str, Fraction]) -> StatementRated:
    """Return a statement with what goes back to credits, by statement that had drawn it."""
    returns = [
        CreditReturn(statement_id=statement_id, amount_exact=format_exact(amount))
        for statement_id, amount in returned.items()
        if amount
    ]
    return statement.model_copy(update={"returns": returns}) if returns else statement


def line_of(line: domain.Line, currency: str) -> StatementLine:
    """Return a line of a statement in this currency, with its whole trace."""
    return StatementLine.model_validate(
        {
            "line_key": line.line_key,
            "charge": line.charge,
            "model": line.model,
            "description": line.name,
            "quantity": nearest_decimal(line.quantity),
            "unit": line.unit,
            "amount_exact": format_exact(line.amount),
            "steps": [_step(step) for step in line.steps],
            # Details are many: all of a line are checked in one call.
            "details": [one for group in line.details.groups for one in _details(group)],
            "pools": [_pool(use) for use in line.pools],
            "blocked_exact": format_exact(line.blocked),
            "cost": cost_of(line.cost, line.amount, currency),
            "adjusts": AdjustedPeriod(**vars(line.adjusts)) if line.adjusts else None,
            "advance": FeePeriod(**vars(line.advance)) if line.advance else None,
            "quantity_exact": _beyond_decimal(line.quantity),
            "meters": [_meter(kind, reading) for kind, reading in line.meters],
            "credited": line.credited,
        }
    )


def adjustment_lines(
    lines: Sequence[domain.Line], period: domain.AdjustedPeriod, currency: str
) -> list[StatementLine]:
    """Return the differences of a closed period under the line keys that it was billed with."""
    return [line_of(replace(line, adjusts=period), currency) for line in lines]


def _details(group: DetailGroup) -> Iterator[dict[str, Any]]:
    agent, model, kind, daily, _, amounts = group
    columns = zip(daily.days, _quantities(daily.quantities), amounts, strict=True)
    for day, (quantity, exact), amount in columns:
        yield {
            "agent": agent,
            "model": model,
            "kind": kind,
            "usage_day": day,
            "quantity": quantity,
            "amount_exact": amount,
            "quantity_exact": exact,
        }


def _quantities(column: Column) -> list[tuple[Decimal, str | None]]:
    """Return quantities as they are shown, each with `_beyond_decimal`."""
    if column.denominator == 1 and is_whole(Fraction(max(map(abs, column.numerators)))):
        return [(Decimal(numerator), None) for numerator in column.numerators]
    return [(nearest_decimal(number), _beyond_decimal(number)) for number in column.numbers]


def _beyond_decimal(quantity: Fraction) -> str | None:
    """Return a quantity that is not the decimal that is shown for it; None where it is."""
    if is_whole(quantity) or nearest_decimal(quantity) == quantity:
        return None
    return format_exact(quantity)


def _meter(kind: str, reading: MeterReading) -> MeterUsed:
    name, version = meter_of(kind)
    return MeterUsed(
        meter=name,
        version=version,
        value_exact=None if reading.value is None else format_exact(reading.value),
        state=reading.state,
        events=reading.events,
        content_hash=reading.content_hash or None,
        as_of=reading.as_of,
    )


def _step(step: Step) -> RatingStep:
    return RatingStep(
        step=step.step, description=step.description, amount_exact=format_exact(step.amount)
    )


def _pool(use: PoolUse) -> PoolDraw:
    return PoolDraw(
        pool=use.pool,
        name=use.name,
        measure=use.measure,
        included_exact=format_exact(use.included),
        used_exact=format_exact(use.used),
        remaining_exact=format_exact(use.remaining),
    )


def cost_of(cost: UsageCost | None, revenue: Fraction, currency: str) -> ProviderCost | None:
    """Return a cost beside what it brings in; a margin is known in US dollars only."""
    if cost is None:
        return None
    margin = cost.margin(revenue).amount if currency == COST_CURRENCY else None
    return ProviderCost(
        state=cost.state,
        amount_exact=None if cost.state == "unpriced" else format_exact(cost.known),
        margin_exact=None if margin is None else format_exact(margin),
    )


def unpriced_of(cost: UsageCost | None) -> list[UnpricedUsage]:
    """Return the usage that a cost lacks, with the reasons."""
    return [
        UnpricedUsage(
            provider=row.provider,
            model=row.model,
            kind=row.kind,
            reason=row.reason.value,
            quantity=nearest_decimal(row.quantity),
        )
        for row in (cost.unpriced if cost else ())
    ]


def unrated_of(row: domain.Unrated) -> UnratedUsage:
    return UnratedUsage(
        provider=row.provider,
        model=row.model,
        kind=row.kind,
        quantity=nearest_decimal(row.quantity),
    )
