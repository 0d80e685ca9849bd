"""A line's amount is spread over what caused it: agents, models, kinds and days."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from services.pricing.domain.details import NO_DETAILS, DetailGroup, Details, Name
from services.pricing.domain.draft import Draft
from services.pricing.domain.usage import Daily
from shared.money import Ratio, format_ratios, ratios_of


def details_of(draft: Draft) -> Details:
    """Spread a line's amount over (agent, model, kind, day), by what each caused."""
    ratios, total = draft.weights()
    if not total:
        return NO_DETAILS
    price, per = (draft.amount / total).as_integer_ratio()
    parts: dict[Name, list[tuple[Daily, Sequence[Ratio]]]] = {}
    first = 0
    for group in draft.groups:
        last = first + len(group.rows)
        row = group.rows[0]
        name = (row.agent, row.model, row.kind)
        parts.setdefault(name, []).append((group.daily, ratios[first:last]))
        first = last
    groups = []
    for name in sorted(parts):
        daily, spread = _joined(parts[name])
        if daily.days:
            amounts = [(part * price, whole * per) for part, whole in spread]
            groups.append(DetailGroup(*name, daily, amounts, format_ratios(amounts)))
    return Details(tuple(groups))


def _joined(parts: Sequence[tuple[Daily, Sequence[Ratio]]]) -> tuple[Daily, Sequence[Ratio]]:
    """Return groups of one name as one; days on which nothing was used or caused are left out."""
    daily, spread = parts[0]
    if len(parts) == 1 and all(numerator for numerator, _ in spread):
        return daily, spread
    sums: dict[date, tuple[Fraction, Fraction]] = {}
    for part, ratios in parts:
        for day, quantity, ratio in zip(part.days, part.quantities, ratios, strict=True):
            known = sums.get(day, (Fraction(0), Fraction(0)))
            sums[day] = (known[0] + quantity, known[1] + Fraction(*ratio))
    kept = [(day, *sums[day]) for day in sorted(sums) if any(sums[day])]
    daily = Daily.of([day for day, _, _ in kept], [quantity for _, quantity, _ in kept])
    return daily, ratios_of(weight for _, _, weight in kept)
