"""Rating: a pure function of charges, usage, seats and period."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from services.pricing.domain.bounds import at_least, at_most
from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.price import EventPrice, Situation
from services.pricing.domain.commitment import commit
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.cost.usage_cost import UsageCost, total_cost, usage_cost
from services.pricing.domain.details import NO_DETAILS
from services.pricing.domain.draft import Draft
from services.pricing.domain.hashing import hash_of_input, hash_of_rating
from services.pricing.domain.periods import Period
from services.pricing.domain.pipeline import PIPELINE
from services.pricing.domain.plan import Plan
from services.pricing.domain.pools import Balances
from services.pricing.domain.readings import Readings
from services.pricing.domain.seats import Seats
from services.pricing.domain.spread import details_of
from services.pricing.domain.statement import FeePeriod, Line, RatedStatement, Unrated
from services.pricing.domain.step import Step
from services.pricing.domain.usage import Usage, UsageGroup, canonical_usage
from services.pricing.domain.words import Words
from shared.money import Currency, sum_exact

ZERO = Fraction(0)

COST_CURRENCY = "USD"
"""What providers take is known in this currency only: in others cost-plus has no price."""


@dataclass(frozen=True)
class RatingTerms:
    """What a period is rated by. `price_hash` and the plan's key stand for it in the hash."""

    price_hash: str
    plan: Plan
    currency: Currency
    seats: Seats
    period: Period


@dataclass
class _Rating:
    """A rating on its way: what the lines share."""

    terms: RatingTerms
    readings: Readings
    balances: Balances = field(default_factory=dict)
    costs: Mapping[int, UsageCost] = field(default_factory=dict)
    told: bool = True


def rate_period(
    terms: RatingTerms,
    usage: Iterable[Usage],
    readings: Readings | None = None,
    *,
    prices: ProviderPrices | None = None,
) -> RatedStatement:
    """Rate the usage of one period: exact amounts, nothing rounded, nothing dropped.

    Lines stand in the order of the plan's charges; one without quantity and amount is left out.
    Fees in advance are rated like those in arrears, for this very period.
    Usage that no charge claims, or that its charge cannot price, is listed as unrated. `prices` add
    what the usage costs, and change amounts only where a charge is cost-plus. Raises ValueError for
    single events that do not sum to the usage of their kind.
    """
    if prices is not None and terms.plan.needs_cost and terms.currency.code == COST_CURRENCY:
        usage = [row._replace(cost=prices.cost(row)) for row in usage]
    read = readings or Readings()
    groups = canonical_usage([*usage, *read.metered()])
    rating = _Rating(terms, read)
    claimed, unclaimed = _claim(terms.plan, groups, read)
    rating.costs = _costs(terms.plan, claimed, prices)
    lines = _lines(rating, claimed)
    unrated = add_unrated(unclaimed)
    total = sum_exact([line.amount for line in lines])
    return RatedStatement(
        lines=tuple(lines),
        unrated=unrated,
        total=total,
        input_hash=_input_hash(terms, groups, read),
        rating_hash=hash_of_rating(lines, unrated, total),
        cost=cost_of_all(rating.costs, unclaimed, prices),
    )


@dataclass(frozen=True)
class RatedAmounts:
    """Lines without words; their details are sums by model and kind. It cannot be billed."""

    lines: tuple[Line, ...]
    unrated: tuple[Unrated, ...]
    total: Fraction

    @classmethod
    def of(cls, lines: Sequence[Line], unclaimed: Sequence[Usage]) -> "RatedAmounts":
        """Add up lines."""
        total = sum_exact([line.amount for line in lines])
        return cls(tuple(lines), add_unrated(unclaimed), total)


def rate_amounts(
    terms: RatingTerms, groups: Sequence[UsageGroup], readings: Readings | None = None
) -> RatedAmounts:
    """Return the amounts that `rate_period` comes to, without what else a statement tells.

    `groups` are those of `canonical_usage`, with costs where the plan needs them, and with the
    values of meters. By the same steps: they only find no words, and nothing is hashed.
    """
    read = readings or Readings()
    claimed, unclaimed = _claim(terms.plan, groups, read)
    return RatedAmounts.of(_lines(_Rating(terms, read, told=False), claimed), unclaimed)


def _lines(rating: _Rating, claimed: Mapping[int, Sequence[UsageGroup]]) -> list[Line]:
    """Return the lines of the charges, then those of the plan."""
    terms = rating.terms
    lines = [
        line
        for position, charge in enumerate(terms.plan.charges)
        if (line := _rate_line(rating, position, charge, groups=claimed.get(position, ())))
    ]
    return lines + _plan_lines(terms, sum_exact([line.amount for line in lines]))


def _claim(
    plan: Plan, groups: Sequence[UsageGroup], readings: Readings
) -> tuple[dict[int, list[UsageGroup]], list[Usage]]:
    """Return the usage of each charge by its position, and the rows that stay unrated."""
    claimed: dict[int, list[UsageGroup]] = defaultdict(list)
    unclaimed: list[Usage] = []
    unread = {p for p, charge in enumerate(plan.charges) if lacks_events(charge, readings)}
    for group in groups:
        first = group.rows[0]
        position, beside = plan.claims.positions_of(first)
        if plan.claims.passes_over(first):
            continue
        if position is None or position in unread:
            unclaimed += group.rows
        else:
            claimed[position].append(group)
        for also in beside:
            claimed[also].append(group)
    return claimed, unclaimed


def _costs(
    plan: Plan, claimed: Mapping[int, Sequence[UsageGroup]], prices: ProviderPrices | None
) -> dict[int, UsageCost]:
    """Return the cost by charge; what comes beside another charge has none of its own."""
    if prices is None:
        return {}
    return {
        position: usage_cost([row for group in groups for row in group.rows], prices)
        for position, groups in claimed.items()
        if not plan.charges[position].beside
    }


def cost_of_all(
    costs: Mapping[int, UsageCost], unclaimed: Sequence[Usage], prices: ProviderPrices | None
) -> UsageCost | None:
    """Return what all usage costs, also what no charge claims."""
    if prices is None:
        return None
    return total_cost([*costs.values(), usage_cost(unclaimed, prices)])


def lacks_events(charge: Charge, readings: Readings) -> bool:
    price = charge.price
    needed = isinstance(price, EventPrice) and price.needs_events
    return needed and charge.event_kind not in readings.events


def _rate_line(
    rating: _Rating, position: int, charge: Charge, *, groups: Sequence[UsageGroup]
) -> Line | None:
    terms, readings = rating.terms, rating.readings
    situation = Situation(terms.period, terms.seats, readings.levels.get(charge.key, ZERO))
    draft = Draft(charge, tuple(groups), situation, readings, terms.currency, rating.balances)
    draft.told = rating.told
    for step in PIPELINE:
        step(draft)
    return line_of(position, draft, rating.costs.get(position))


def line_of(position: int, draft: Draft, cost: UsageCost | None = None) -> Line | None:
    """Return a rated draft as the line of this position.

    None without quantity and amount, unless a value is missing: that is told.
    """
    charge = draft.charge
    missing = any(reading.value is None for _, reading in draft.meters)
    if not draft.quantity and not draft.amount and not missing:
        return None
    return Line(
        line_key=f"{position:03d}-{charge.key}",
        charge=charge.key,
        model=charge.price.model,
        name=charge.name,
        quantity=draft.quantity,
        unit=draft.unit,
        amount=draft.amount,
        steps=tuple(draft.steps),
        details=details_of(draft),
        pools=tuple(draft.pools),
        blocked=draft.blocked,
        cost=cost,
        advance=_fee_period(draft),
        meters=draft.meters,
    )


def _fee_period(draft: Draft) -> FeePeriod | None:
    period = draft.situation.period
    return FeePeriod(period.start, period.end) if draft.charge.in_advance else None


def _plan_lines(terms: RatingTerms, used: Fraction) -> list[Line]:
    """Return the lines of what bounds all charges together: maximum, minimum, commitment."""
    plan = terms.plan
    share = terms.period.share
    return plan_lines([(plan, share)], used, position=len(plan.charges), currency=terms.currency)


def plan_lines(
    plans: Sequence[tuple[Plan, Fraction]], used: Fraction, *, position: int, currency: Currency
) -> list[Line]:
    """Return what plans ask of all charges together, each by its share of the period.

    A maximum bounds all or nothing: where a part of the period has none, there is none.
    """
    words = Words(currency, "periods")
    lines = []
    maximums = [plan.maximum * share for plan, share in plans if plan.maximum is not None]
    if len(maximums) == len(plans):
        steps = at_most(used, sum_exact(maximums), words)
        lines.append(_plan_line(position, "maximum", "Maximum of the plan", steps=steps))
        used += sum_exact(step.amount for step in steps)
    raised = ZERO
    if minimums := [plan.minimum * share for plan, share in plans if plan.minimum is not None]:
        steps = at_least(used, sum_exact(minimums), words)
        lines.append(_plan_line(position, "minimum", "Minimum of the plan", steps=steps))
        raised = sum_exact(step.amount for step in steps)
    rules = [(p.commitment, share) for p, share in plans if p.commitment and p.commitment.amount]
    if rules:
        committed = sum_exact([(rule.amount or ZERO) * share for rule, share in rules])
        last, _ = rules[-1]
        steps = commit(last, used + raised, committed=committed, words=words, trued_up=raised)
        lines.append(_plan_line(position, "commitment", "Commitment of the plan", steps=steps))
    return [line for line in lines if line.amount]


def _plan_line(position: int, model: str, name: str, *, steps: Sequence[Step]) -> Line:
    return Line(
        line_key=f"{position:03d}-plan-{model}",
        charge=f"plan-{model}",
        model=model,
        name=name,
        quantity=Fraction(1),
        unit="periods",
        amount=sum((step.amount for step in steps), ZERO),
        steps=tuple(steps),
        details=NO_DETAILS,
    )


def add_unrated(rows: Sequence[Usage]) -> tuple[Unrated, ...]:
    parts: dict[tuple[str, str, str], list[Fraction]] = defaultdict(list)
    for row in rows:
        parts[row.provider, row.model, row.kind].append(row.quantity)
    sums = ((key, sum_exact(parts[key])) for key in sorted(parts))
    return tuple(Unrated(*key, quantity) for key, quantity in sums if quantity)


def _input_hash(terms: RatingTerms, groups: Sequence[UsageGroup], readings: Readings) -> str:
    content = {
        "price_hash": terms.price_hash,
        "plan": terms.plan.key,
        "seats": terms.seats.content(),
        "period": vars(terms.period),
        **readings.content(),
    }
    return hash_of_input(content, groups)
