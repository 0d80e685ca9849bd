"""Adjustments: what a period that is billed already comes to by later knowledge.

The whole period is rated again and the exact difference to its last rating is booked, line by
line. That is right for every price, also across the borders of tiers, and makes
bill(all at once) = bill(first) + adjustments hold exactly, in whatever order usage arrived.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from services.pricing.domain.cost.usage_cost import Unpriced, UsageCost, total_cost
from services.pricing.domain.details import NO_DETAILS, Detail, Details
from services.pricing.domain.hashing import content_hash, hash_of_rating
from services.pricing.domain.statement import (
    AdjustedPeriod,
    Line,
    RatedStatement,
    Unrated,
)
from services.pricing.domain.step import ADJUSTMENT, Step
from services.pricing.domain.words import grouped
from shared.money import sum_exact

ZERO = Fraction(0)

DetailKey = tuple[str, str, str, date]


@dataclass(frozen=True)
class BilledPeriod:
    """The last rating of a closed period, as far as it is kept: its lines may lack their steps."""

    period: AdjustedPeriod
    lines: tuple[Line, ...]
    unrated: tuple[Unrated, ...]
    cost: UsageCost | None
    rating_hash: str


def with_adjustments(
    rated: RatedStatement,
    rerated: Sequence[tuple[BilledPeriod, RatedStatement]],
    credited: Sequence[tuple[BilledPeriod, RatedStatement]] = (),
) -> RatedStatement:
    """Return a statement on which the differences of closed periods stand, too.

    `rerated` are their last ratings and those by what is known now. What is newly unrated, or newly
    without a cost, is listed beside the period's own. Differences of `credited` ones are settled
    apart: of them only what is newly unrated stands here.
    """
    pairs = [*rerated, *credited]
    if not pairs:
        return rated
    lines = list(rated.lines)
    for last, now in rerated:
        lines += [_of_period(line, last.period) for line in adjustments(last, now)]
    unrated = _unrated(rated, pairs)
    total = sum_exact(line.amount for line in lines)
    inputs = [[vars(last.period), last.rating_hash, now.input_hash] for last, now in pairs]
    return RatedStatement(
        lines=tuple(lines),
        unrated=unrated,
        total=total,
        input_hash=content_hash({"period": rated.input_hash, "adjusted": inputs}),
        rating_hash=hash_of_rating(lines, unrated, total),
        cost=_cost(rated, rerated),
    )


def adjustments(
    last: RatedStatement | BilledPeriod | None, now: RatedStatement
) -> tuple[Line, ...]:
    """Return now - last, in the order of the lines; a line that did not change has none."""
    before = {line.line_key: line for line in (last.lines if last else ())}
    after = {line.line_key: line for line in now.lines}
    differences = (
        _difference(before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys())
    )
    return tuple(found for found in differences if found.amount or found.quantity)


def is_cheaper(last: BilledPeriod, now: RatedStatement) -> bool:
    """Tell whether a closed period comes to less now: not line by line, but as a whole."""
    return total_of(adjustments(last, now)) < 0


def total_of(found: Sequence[Line]) -> Fraction:
    """Return what adjustments come to."""
    return sum_exact(adjustment.amount for adjustment in found)


def _of_period(line: Line, period: AdjustedPeriod) -> Line:
    key = f"~adjustment/{period.period_start}/{period.subscription_id}/{line.line_key}"
    name = f"{line.name}, adjustment of {period.words}"
    return replace(line, line_key=key, name=name, adjusts=period)


def _difference(last: Line | None, now: Line | None) -> Line:
    line = now or last
    assert line is not None
    quantities = [one.quantity if one else ZERO for one in (now, last)]
    amounts = [one.amount if one else ZERO for one in (now, last)]
    again = f"{grouped(quantities[0])} {line.unit} rated again"
    billed = f"less what was billed before, for {grouped(quantities[1])} {line.unit}"
    amount = amounts[0] - amounts[1]
    return Line(
        line_key=line.line_key,
        charge=line.charge,
        model=line.model,
        name=line.name,
        quantity=quantities[0] - quantities[1],
        unit=line.unit,
        amount=amount,
        steps=(Step(ADJUSTMENT, again, amounts[0]), Step(ADJUSTMENT, billed, -amounts[1])),
        details=_details(last, now, amount),
        meters=now.meters if now else (),
        cost=_cost_of_line(last, now),
    )


def _details(last: Line | None, now: Line | None, amount: Fraction) -> Details:
    """Return the differences of the details; none where a line has amounts that they lack."""
    sums: dict[DetailKey, tuple[Fraction, Fraction]] = {}
    for line, sign in ((now, 1), (last, -1)):
        for detail in line.details if line else ():
            key = (detail.agent, detail.model, detail.kind, detail.usage_day)
            quantity, share = sums.get(key, (ZERO, ZERO))
            sums[key] = (quantity + sign * detail.quantity, share + sign * detail.amount)
    if sum_exact(share for _, share in sums.values()) != amount:
        return NO_DETAILS
    return Details.of(
        Detail(*key, quantity, share)
        for key, (quantity, share) in sorted(sums.items())
        if quantity or share
    )


def _cost_of_line(last: Line | None, now: Line | None) -> UsageCost | None:
    """Return what is newly known of the cost; what is unpriced still, stays so."""
    costs = [one.cost for one in (now, last) if one is not None]
    if any(cost is None for cost in costs):
        return None
    after = (now.cost if now else None) or UsageCost()
    before = (last.cost if last else None) or UsageCost()
    return UsageCost(after.known - before.known, after.any_priced, after.unpriced)


def _unrated(
    rated: RatedStatement, rerated: Sequence[tuple[BilledPeriod, RatedStatement]]
) -> tuple[Unrated, ...]:
    sums: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    parts = [(rated.unrated, 1)]
    for last, now in rerated:
        parts += [(now.unrated, 1), (last.unrated, -1)]
    for rows, sign in parts:
        for row in rows:
            sums[row.provider, row.model, row.kind] += sign * row.quantity
    return tuple(Unrated(*key, quantity) for key, quantity in sorted(sums.items()) if quantity)


def _cost(
    rated: RatedStatement, rerated: Sequence[tuple[BilledPeriod, RatedStatement]]
) -> UsageCost | None:
    if rated.cost is None:
        return None
    parts = [rated.cost]
    for last, now in rerated:
        if now.cost is not None and last.cost is not None:
            known = now.cost.known - last.cost.known
            unpriced = _newly_unpriced(_by_usage(last.cost), _by_usage(now.cost))
            parts.append(UsageCost(known, now.cost.any_priced, unpriced))
    return total_cost(parts)


def _by_usage(cost: UsageCost) -> dict[Unpriced, Fraction]:
    return {replace(row, quantity=ZERO): row.quantity for row in cost.unpriced}


def _newly_unpriced(
    before: Mapping[Unpriced, Fraction], after: Mapping[Unpriced, Fraction]
) -> tuple[Unpriced, ...]:
    rows = ((row, quantity - before.get(row, ZERO)) for row, quantity in after.items())
    # What has a price by now is no less of what the period itself lacks one for.
    return tuple(replace(row, quantity=more) for row, more in rows if more > 0)
