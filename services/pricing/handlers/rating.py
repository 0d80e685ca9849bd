"""Rating one period of a subscription from the copy of the usage: for bills and statements."""

from dataclasses import dataclass

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain import statement as domain
from services.pricing.domain.periods import Period
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.repository import catalog, usage
from services.pricing.schemas.price_book import PriceBookContent
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES
from shared.events.statement_rated import (
    RatingStep,
    StatementDetail,
    StatementLine,
    StatementRated,
    UnratedUsage,
)
from shared.money import format_exact, parse_decimal


@dataclass(frozen=True)
class RatedPeriod:
    """A period with the price version that it was rated by."""

    subscription: RowMapping
    sequence: int
    period: Period
    currency: str
    price_version: int
    price_hash: str
    rated: domain.RatedStatement


async def rate_subscription(
    connection: AsyncConnection, account: Account, subscription: RowMapping, period: Period
) -> RatedPeriod | None:
    """Rate a period with the version in force at its start; None when there is none yet."""
    version = await catalog.version_in_force(
        connection, account, subscription["price_book"], on=period.start
    )
    if version is None:
        return None
    content = PriceBookContent.model_validate(version["content"])
    plan = content.plan(subscription["plan"])
    if plan is None:
        return None
    terms = RatingTerms(
        price_hash=version["content_hash"],
        plan=plan.key,
        currency=CURRENCIES[content.currency],
        charges=plan.charges,
        seats=subscription["seats"],
        period=period,
    )
    rows = await usage.read_period(connection, account, subscription["tenant_id"], period)
    return RatedPeriod(
        subscription=subscription,
        sequence=subscription["next_sequence"],
        period=period,
        currency=content.currency,
        price_version=version["version"],
        price_hash=version["content_hash"],
        rated=rate_period(terms, rows),
    )


def statement_of(account: Account, rated: RatedPeriod, statement_id: str) -> StatementRated:
    """Return a rated period as the message that invoicing receives."""
    subscription = rated.subscription
    return StatementRated(
        vendor_id=account.vendor_id,
        mode=account.mode,
        tenant_id=subscription["tenant_id"],
        statement_id=statement_id,
        subscription_id=subscription["subscription_id"],
        kind="period",
        sequence=rated.sequence,
        period_start=rated.period.start,
        period_end=rated.period.end,
        currency=rated.currency,
        price_book=subscription["price_book"],
        price_version=rated.price_version,
        price_hash=rated.price_hash,
        plan=subscription["plan"],
        input_hash=rated.rated.input_hash,
        rating_hash=rated.rated.rating_hash,
        total_exact=format_exact(rated.rated.total),
        lines=[line_of(line) for line in rated.rated.lines],
        unrated=[unrated_of(row) for row in rated.rated.unrated],
    )


def line_of(line: domain.Line) -> StatementLine:
    return StatementLine(
        line_key=line.line_key,
        charge=line.charge,
        model=line.model,
        description=line.name,
        quantity=parse_decimal(format_exact(line.quantity)),
        unit=line.unit,
        amount_exact=format_exact(line.amount),
        steps=[
            RatingStep(
                step=step.step,
                description=step.description,
                amount_exact=format_exact(step.amount),
            )
            for step in line.steps
        ],
        details=[
            StatementDetail(
                agent=detail.agent,
                model=detail.model,
                kind=detail.kind,
                usage_day=detail.usage_day,
                quantity=parse_decimal(format_exact(detail.quantity)),
                amount_exact=format_exact(detail.amount),
            )
            for detail in line.details
        ],
    )


def unrated_of(row: domain.Unrated) -> UnratedUsage:
    return UnratedUsage(
        provider=row.provider,
        model=row.model,
        kind=row.kind,
        quantity=parse_decimal(format_exact(row.quantity)),
    )
