"""Rating: a pure function of charges, usage, seats and period."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Protocol

from services.pricing.domain.charges import (
    Charge,
    FlatCharge,
    GraduatedCharge,
    PerSeatCharge,
    PerUnitCharge,
)
from services.pricing.domain.claims import claiming_charge
from services.pricing.domain.flat import price_flat
from services.pricing.domain.graduated import price_graduated
from services.pricing.domain.hashing import content_hash
from services.pricing.domain.per_seat import price_per_seat
from services.pricing.domain.per_unit import price_per_unit
from services.pricing.domain.periods import Period
from services.pricing.domain.statement import Detail, Line, RatedStatement, Unrated
from services.pricing.domain.step import Step
from services.pricing.domain.usage import Usage, canonical_usage
from services.pricing.domain.volume import price_volume
from services.pricing.domain.words import Words, unit_of
from shared.money import Currency


@dataclass(frozen=True)
class RatingTerms:
    """What a period is rated by. `price_hash` and `plan` stand for the charges in the hash."""

    price_hash: str
    plan: str
    currency: Currency
    charges: tuple[Charge, ...]
    seats: int
    period: Period


@dataclass(frozen=True)
class _LineState:
    """A line on its way through the pipeline."""

    terms: RatingTerms
    charge: Charge
    rows: tuple[Usage, ...]
    quantity: Fraction = Fraction(0)
    unit: str = ""
    steps: tuple[Step, ...] = ()


class _PipelineStep(Protocol):
    def __call__(self, state: _LineState) -> _LineState: ...


def _convert_units(state: _LineState) -> _LineState:
    """Set what the charge counts, and how much of it there is, in the charge's own unit."""
    charge = state.charge
    if isinstance(charge, FlatCharge):
        return replace(state, quantity=Fraction(1), unit="periods")
    if isinstance(charge, PerSeatCharge):
        return replace(state, quantity=Fraction(state.terms.seats), unit="seats")
    quantity = sum((row.quantity for row in state.rows), Fraction(0))
    return replace(state, quantity=quantity, unit=unit_of(charge.usage.kinds))


def _price(state: _LineState) -> _LineState:
    """Price the quantity by the charge's model."""
    terms, charge, quantity = state.terms, state.charge, state.quantity
    words = Words(terms.currency, state.unit)
    match charge:
        case FlatCharge():
            steps = price_flat(charge, terms.period, words)
        case PerSeatCharge():
            steps = price_per_seat(charge, terms.seats, terms.period, words)
        case PerUnitCharge():
            steps = price_per_unit(charge, quantity, words)
        case GraduatedCharge():
            steps = price_graduated(charge, quantity, words)
        case _:
            steps = price_volume(charge, quantity, words)
    return replace(state, steps=(*state.steps, *steps))


PIPELINE: tuple[_PipelineStep, ...] = (
    # Quantities come first: a price applies to units of the charge, not to rows of usage.
    _convert_units,
    # Tiers look at the whole period's quantity, therefore one price for the sum, not one a row.
    _price,
)
"""The order of a rating. Discounts, bounds and commitments act on prices, so they come after."""

MODEL_NAMES: dict[type[Charge], str] = {
    FlatCharge: "flat",
    PerSeatCharge: "per_seat",
    PerUnitCharge: "per_unit",
    GraduatedCharge: "graduated",
}


def rate_period(terms: RatingTerms, usage: Iterable[Usage]) -> RatedStatement:
    """Rate the usage of one period: exact amounts, nothing rounded, nothing dropped.

    Lines stand in the order of the plan's charges; one without quantity and amount is left out.
    """
    rows = canonical_usage(usage)
    claimed: dict[int | None, list[Usage]] = defaultdict(list)
    for row in rows:
        claimed[claiming_charge(terms.charges, row)].append(row)
    lines = tuple(
        line
        for position, charge in enumerate(terms.charges)
        if (line := _rate_line(terms, position, charge, rows=claimed[position]))
    )
    unrated = _add_unrated(claimed[None])
    total = sum((line.amount for line in lines), Fraction(0))
    return RatedStatement(
        lines, unrated, total, _input_hash(terms, rows), _rating_hash(lines, unrated, total)
    )


def _rate_line(
    terms: RatingTerms, position: int, charge: Charge, *, rows: Sequence[Usage]
) -> Line | None:
    state = _LineState(terms, charge, tuple(rows))
    for step in PIPELINE:
        state = step(state)
    amount = sum((step.amount for step in state.steps), Fraction(0))
    if not state.quantity and not amount:
        return None
    return Line(
        line_key=f"{position:03d}-{charge.key}",
        charge=charge.key,
        model=MODEL_NAMES.get(type(charge), "volume"),
        name=charge.name,
        quantity=state.quantity,
        unit=state.unit,
        amount=amount,
        steps=state.steps,
        details=_share(amount, state),
    )


def _share(amount: Fraction, state: _LineState) -> tuple[Detail, ...]:
    """Spread a line's amount over (agent, model, kind, day), in proportion to quantity."""
    quantities: dict[tuple[str, str, str, str], Fraction] = defaultdict(Fraction)
    days = {row.usage_day.isoformat(): row.usage_day for row in state.rows}
    for row in state.rows:
        quantities[row.agent, row.model, row.kind, row.usage_day.isoformat()] += row.quantity
    price = amount / state.quantity if state.quantity else Fraction(0)
    return tuple(
        Detail(agent, model, kind, days[day], quantity, quantity * price)
        for (agent, model, kind, day), quantity in sorted(quantities.items())
        if quantity
    )


def _add_unrated(rows: Sequence[Usage]) -> tuple[Unrated, ...]:
    sums: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    for row in rows:
        sums[row.provider, row.model, row.kind] += row.quantity
    return tuple(Unrated(*key, quantity) for key, quantity in sorted(sums.items()) if quantity)


def _input_hash(terms: RatingTerms, rows: Sequence[Usage]) -> str:
    return content_hash(
        {
            "price_hash": terms.price_hash,
            "plan": terms.plan,
            "seats": terms.seats,
            "period": asdict(terms.period),
            "usage": [asdict(row) for row in rows],
        }
    )


def _rating_hash(lines: Sequence[Line], unrated: Sequence[Unrated], total: Fraction) -> str:
    return content_hash(
        {
            "lines": [asdict(line) for line in lines],
            "unrated": [asdict(row) for row in unrated],
            "total": total,
        }
    )
