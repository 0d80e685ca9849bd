"""What was billed, read back from what was stored of it, exactly."""

from datetime import date
from fractions import Fraction

from pydantic import Field

from services.pricing.domain.adjustment import BilledPeriod
from services.pricing.domain.cost.prices import Reason
from services.pricing.domain.cost.usage_cost import Unpriced, UsageCost
from services.pricing.domain.details import Detail, Details
from services.pricing.domain.statement import (
    AdjustedPeriod,
    FeePeriod,
    Line,
    RatedStatement,
    Unrated,
)
from services.pricing.handlers.statement_message import cost_of, line_of, unpriced_of, unrated_of
from shared.events.message import Frozen
from shared.events.statement_rated import (
    ProviderCost,
    StatementDetail,
    StatementLine,
    UnpricedUsage,
    UnratedUsage,
)
from shared.money import parse_exact


class BilledContent(Frozen):
    """The part of a statement that the next rating of its period is compared with."""

    lines: list[StatementLine]
    unrated: list[UnratedUsage]
    cost: ProviderCost | None = None
    unpriced: list[UnpricedUsage] | None = Field(default=None)

    def to_domain(self, period: AdjustedPeriod, rating_hash: str) -> BilledPeriod:
        """Return what was billed of a period, without the steps that led to it.

        Fees in advance are left out: no usage changes them, and each is settled by its own period.
        So is what progressive statements were credited with: it says who invoiced the rest, not
        what the period comes to.
        """
        return BilledPeriod(
            period=period,
            lines=tuple(billed_line(line) for line in self.lines if _is_rated(line)),
            unrated=tuple(
                Unrated(row.provider, row.model, row.kind, Fraction(row.quantity))
                for row in self.unrated
            ),
            cost=_cost(self.cost, self.unpriced or []),
            rating_hash=rating_hash,
        )


def _is_rated(line: StatementLine) -> bool:
    return line.advance is None and line.credited is None


def billed_content(statement: RatedStatement, currency: str) -> BilledContent:
    """Return what is stored of a rating."""
    return BilledContent(
        lines=[line_of(line, currency) for line in statement.lines],
        unrated=[unrated_of(row) for row in statement.unrated],
        cost=cost_of(statement.cost, statement.revenue, currency),
        unpriced=unpriced_of(statement.cost),
    )


def billed_line(line: StatementLine) -> Line:
    """Return a line that was billed, without its steps."""
    return Line(
        line_key=line.line_key,
        charge=line.charge,
        model=line.model,
        name=line.description,
        quantity=_quantity(line),
        unit=line.unit,
        amount=parse_exact(line.amount_exact),
        steps=(),
        details=Details.of(_detail(detail) for detail in line.details),
        cost=_cost(line.cost, []),
        advance=FeePeriod(**dict(line.advance)) if line.advance else None,
    )


def _detail(detail: StatementDetail) -> Detail:
    named: tuple[str, str, str, date] = (
        detail.agent,
        detail.model,
        detail.kind,
        detail.usage_day,
    )
    return Detail(*named, _quantity(detail), parse_exact(detail.amount_exact))


def _quantity(part: StatementLine | StatementDetail) -> Fraction:
    return (
        Fraction(part.quantity) if part.quantity_exact is None else parse_exact(part.quantity_exact)
    )


def _cost(cost: ProviderCost | None, unpriced: list[UnpricedUsage]) -> UsageCost | None:
    if cost is None:
        return None
    rows = tuple(
        Unpriced(row.provider, row.model, row.kind, Reason(row.reason), Fraction(row.quantity))
        for row in unpriced
    )
    return UsageCost(parse_exact(cost.amount_exact or "0"), cost.state != "unpriced", rows)
