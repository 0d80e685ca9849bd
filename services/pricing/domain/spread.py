"""A line's amount is spread over what caused it: agents, models, kinds and days."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from math import gcd

from services.pricing.domain.column import Column
from services.pricing.domain.details import NO_DETAILS, DetailGroup, Details, Name
from services.pricing.domain.draft import Draft
from services.pricing.domain.usage import Daily

NO_DAYS = Daily((), Column((), 1), (), ())
Weighed = tuple[Daily, Column]
"""What was used by day, and what of the line each of these days caused, in whatever unit."""


def details_of(draft: Draft) -> Details:
    """Spread a line's amount over (agent, model, kind, day), by what each caused."""
    weights, total = draft.weights()
    if not total:
        return NO_DETAILS
    if not draft.told:
        return _sums(draft, weights, total)
    price = draft.amount / total
    parts: dict[Name, list[Weighed]] = {}
    for group, column in zip(draft.groups, weights, strict=True):
        row = group.rows[0]
        parts.setdefault((row.agent, row.model, row.kind), []).append((group.daily, column))
    groups = []
    for name in sorted(parts):
        daily, column = _joined(parts[name])
        if daily.days:
            amounts = column.times(price)
            groups.append(DetailGroup(*name, daily, amounts, amounts.texts()))
    return Details(tuple(groups))


def _sums(draft: Draft, weights: Sequence[Column], total: Fraction) -> Details:
    """Return one detail for each (model, kind), for sums alone: without agent, day and texts."""
    if not draft.amount:
        return NO_DETAILS
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for group, (numerators, denominator) in zip(draft.groups, weights, strict=True):
        row = group.rows[0]
        weight, per = sums.get((row.model, row.kind), (0, denominator))
        if per != denominator:
            weight, per = weight * denominator, per * denominator
        sums[row.model, row.kind] = weight + sum(numerators) * (per // denominator), per
    price = per = 1
    if len(sums) == 1:
        # One name has caused all of it.
        sums = dict.fromkeys(sums, draft.amount.as_integer_ratio())
    elif total != draft.amount:
        price, per = (draft.amount / total).as_integer_ratio()
    return Details(
        tuple(
            DetailGroup("", *name, NO_DAYS, _column(weight * price, denominator * per), ())
            for name, (weight, denominator) in sums.items()
        )
    )


def _column(numerator: int, denominator: int) -> Column:
    """Return one number in lowest terms: those of many months are added up as integers."""
    common = gcd(numerator, denominator)
    return Column((numerator // common,), denominator // common)


def _joined(parts: Sequence[Weighed]) -> Weighed:
    """Return groups of one name as one; days on which nothing was used or caused are left out."""
    daily, column = parts[0]
    if len(parts) == 1 and 0 not in column.numerators:
        return daily, column
    sums: dict[date, tuple[Fraction, Fraction]] = {}
    for part, weights in parts:
        both = zip(part.quantities.numbers, weights.numbers, strict=True)
        for day, (quantity, weight) in zip(part.days, both, strict=True):
            known = sums.get(day, (Fraction(0), Fraction(0)))
            sums[day] = (known[0] + quantity, known[1] + weight)
    kept = [(day, *sums[day]) for day in sorted(sums) if any(sums[day])]
    daily = Daily.of([day for day, _, _ in kept], [quantity for _, quantity, _ in kept])
    return daily, Column.of(weight for _, _, weight in kept)
