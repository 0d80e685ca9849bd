"""Rating a period in parts (a migration, an upgrade, a pause, a trial): as pure as rating one.

Charges of one key in one book are one charge, however many parts it runs through; it has one line,
whose steps name the days of their part. Anything else has a line of its own, for its days.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.price import (
    ZERO,
    EventPrice,
    FeePrice,
    QuantityPrice,
    RowPrice,
    Situation,
)
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.cost.usage_cost import UsageCost, usage_cost
from services.pricing.domain.draft import Draft
from services.pricing.domain.hashing import hash_of_input, hash_of_rating
from services.pricing.domain.pools import Balances
from services.pricing.domain.rating import (
    COST_CURRENCY,
    RatedAmounts,
    add_unrated,
    cost_of_all,
    lacks_events,
    line_of,
    plan_lines,
)
from services.pricing.domain.split.around import SPLIT_PIPELINE
from services.pricing.domain.split.holding import Stock
from services.pricing.domain.split.joint import Joint
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.statement import FeePeriod, Line, RatedStatement
from services.pricing.domain.step import OVERRIDE, TRIAL, note
from services.pricing.domain.usage import Usage, UsageGroup, canonical_usage
from services.pricing.domain.words import unit_of
from shared.money import sum_exact

Key = tuple[str, str, type, bool]
"""Price book, charge, the way in which its price meets usage, and whether it is free (a trial)."""

Claimed = Mapping[tuple[int, int], list[UsageGroup]]
"""(part, position in its plan) → the usage that the charge claims there."""

WAYS = (FeePrice, QuantityPrice, RowPrice, EventPrice)


@dataclass
class _Lines:
    """What the lines of one statement share: the balances of the pools of each book."""

    terms: SplitTerms
    told: bool = True
    balances: dict[str, Balances] = field(default_factory=lambda: defaultdict(dict))

    def stocks(self, price_book: str) -> tuple[Stock, ...]:
        """Return the parts that are rated by a book, with the pools that their charges name."""
        return tuple(
            (
                Situation(part.period, part.seats),
                {pool.key: pool for c in part.plan.charges for pool in c.conditions.pools},
            )
            for part in self.terms.parts
            if part.price_book == price_book
        )


def rate_parts(
    terms: SplitTerms, usage: Iterable[Usage], *, prices: ProviderPrices | None = None
) -> RatedStatement:
    """Rate the usage of one period in parts: exact amounts, nothing rounded, nothing dropped.

    Usage belongs to the part of its day; what is older belongs to the first part. `prices` do what
    they do in `rate_period`.
    """
    costly = any(part.plan.needs_cost for part in terms.parts)
    if prices is not None and costly and terms.currency.code == COST_CURRENCY:
        usage = [row._replace(cost=prices.cost(row)) for row in usage]
    metered = [row for part in terms.parts for row in part.readings.metered()]
    groups = canonical_usage([*usage, *metered])
    claimed, unclaimed = _claim(terms.parts, groups)
    shared = _Lines(terms)
    charges = _charges(terms)
    costs = _costs(terms, charges, claimed, prices)
    lines = _lines(shared, charges, claimed, costs)
    unrated = add_unrated(unclaimed)
    total = sum_exact([line.amount for line in lines])
    return RatedStatement(
        lines=tuple(lines),
        unrated=unrated,
        total=total,
        input_hash=_input_hash(terms, groups),
        rating_hash=hash_of_rating(lines, unrated, total),
        cost=cost_of_all(costs, unclaimed, prices),
    )


def part_amounts(terms: SplitTerms, groups: Sequence[UsageGroup]) -> RatedAmounts:
    """Return the amounts that `rate_parts` comes to, as `rate_amounts` does for one part."""
    claimed, unclaimed = _claim(terms.parts, groups)
    shared = _Lines(terms, told=False)
    return RatedAmounts.of(_lines(shared, _charges(terms), claimed, {}), unclaimed)


def _lines(
    shared: _Lines,
    charges: Mapping[Key, list[tuple[int, int]]],
    claimed: Claimed,
    costs: Mapping[int, UsageCost],
) -> list[Line]:
    """Return the lines of the charges, then those of the plans."""
    terms = shared.terms
    lines = [
        replace(line, cost=costs.get(position))
        for position, (key, places) in enumerate(charges.items())
        if (line := _rate_line(shared, position, key, places=places, claimed=claimed))
    ]
    plans = [(part.plan, part.period.share) for part in terms.parts]
    used = sum_exact([line.amount for line in lines])
    return lines + plan_lines(plans, used, position=len(charges), currency=terms.currency)


def _costs(
    terms: SplitTerms,
    charges: Mapping[Key, Sequence[tuple[int, int]]],
    claimed: Claimed,
    prices: ProviderPrices | None,
) -> dict[int, UsageCost]:
    """Return the cost by line; what comes beside another charge has none of its own."""
    if prices is None:
        return {}
    costs = {}
    for position, places in enumerate(charges.values()):
        own = [place for place in places if not _charge(terms, *place).beside]
        groups = [group for place in own for group in claimed.get(place, ())]
        if groups:
            rows = [row for group in groups for row in group.rows]
            costs[position] = usage_cost(rows, prices)
    return costs


def _charge(terms: SplitTerms, index: int, place: int) -> Charge:
    return terms.parts[index].plan.charges[place]


def _input_hash(terms: SplitTerms, groups: Sequence[UsageGroup]) -> str:
    return hash_of_input({"parts": [part.content() for part in terms.parts]}, groups)


def _charges(terms: SplitTerms) -> dict[Key, list[tuple[int, int]]]:
    """Return where each charge stands, as (part, position), in the order of the plans."""
    found: dict[Key, list[tuple[int, int]]] = {}
    for index, part in enumerate(terms.parts):
        for position, charge in enumerate(part.plan.charges):
            way = next(way for way in WAYS if isinstance(charge.price, way))
            key = (part.price_book, charge.key, way, part.charged == "nothing")
            found.setdefault(key, []).append((index, position))
    return found


def _claim(parts: Sequence[Part], groups: Sequence[UsageGroup]) -> tuple[Claimed, list[Usage]]:
    claimed: dict[tuple[int, int], list[UsageGroup]] = defaultdict(list)
    unclaimed: list[Usage] = []
    unread = {
        (index, position)
        for index, part in enumerate(parts)
        for position, charge in enumerate(part.plan.charges)
        if lacks_events(charge, part.readings)
    }
    for group in groups:
        first = group.rows[0]
        for index, some in _by_part(parts, group):
            claims = parts[index].plan.claims
            position, beside = claims.positions_of(first)
            if claims.passes_over(first):
                continue
            if position is None or (index, position) in unread:
                unclaimed += some.rows
            else:
                claimed[index, position].append(some)
            for also in beside:
                claimed[index, also].append(some)
    return claimed, unclaimed


def _by_part(parts: Sequence[Part], group: UsageGroup) -> Iterator[tuple[int, UsageGroup]]:
    """Return usage by the part of its day."""

    def index_of(row: Usage) -> int:
        return max(sum(part.period.start <= row.usage_day for part in parts) - 1, 0)

    for index, some in groupby(group.rows, key=index_of):
        yield index, UsageGroup.of(list(some))


def _rate_line(
    shared: _Lines, position: int, key: Key, *, places: list[tuple[int, int]], claimed: Claimed
) -> Line | None:
    parts = shared.terms.parts
    pieces = [
        (parts[index], parts[index].plan.charges[place], tuple(claimed.get((index, place), ())))
        for index, place in places
    ]
    if key[-1]:
        return _trial_line(position, pieces, shared)
    drafts = [_draft(shared, *piece) for piece in pieces]
    whole = _draft(shared, *pieces[-1])
    joint = Joint(drafts, whole, shared.stocks(key[0]))
    for step in SPLIT_PIPELINE:
        step(joint)
    _tell_overrides(joint, [part for part, _, _ in pieces])
    line = line_of(position, whole)
    if line is None or line.advance is None:
        return line
    first, last = pieces[0][0].period, pieces[-1][0].period
    return replace(line, advance=FeePeriod(first.start, last.end))


def _draft(shared: _Lines, part: Part, charge: Charge, groups: tuple[UsageGroup, ...]) -> Draft:
    level = part.readings.levels.get(charge.key, ZERO)
    situation = Situation(part.period, part.seats, level)
    balances = shared.balances[part.price_book]
    draft = Draft(charge, groups, situation, part.readings, shared.terms.currency, balances)
    draft.told = shared.told
    return draft


def _tell_overrides(joint: Joint, parts: Sequence[Part]) -> None:
    """Say first what was agreed with this tenant alone."""
    told = dict.fromkeys(
        text for part in parts for text in part.overridden.get(joint.whole.charge.key, ())
    )
    joint.whole.steps[:0] = [note(OVERRIDE, text) for text in told]


def _trial_line(
    position: int, pieces: Sequence[tuple[Part, Charge, tuple[UsageGroup, ...]]], shared: _Lines
) -> Line | None:
    """Return the line of what was used for nothing; fees have none."""
    groups = tuple(group for _, _, some in pieces for group in some)
    part, charge, _ = pieces[-1]
    if charge.usage is None:
        return None
    quantity = sum_exact([group.total for group in groups])
    unit = unit_of(charge.usage.kinds)
    situation = Situation(part.period, part.seats)
    currency = shared.terms.currency
    draft = Draft(charge, groups, situation, part.readings, currency, {}, quantity, unit)
    draft.told = shared.told
    count = draft.words.count(quantity)
    draft.add([note(TRIAL, f"{count} in the trial up to {part.period.last_day}, not charged")])
    return line_of(position, draft)
