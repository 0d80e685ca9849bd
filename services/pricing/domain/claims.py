"""Which charge claims a row of usage, and which charges would claim the same."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from services.pricing.domain.charge import Charge, UsageFilter, any_matches
from services.pricing.domain.charges.context_tier import ContextTiers
from services.pricing.domain.charges.matrix import CELL_DIMENSIONS, Matrix
from services.pricing.domain.charges.price import RowPrice
from services.pricing.domain.context_bands import BOUNDS
from services.pricing.domain.meters import METER_PREFIX
from services.pricing.domain.patterns import ANY, covers, patterns_meet
from services.pricing.domain.usage import DIMENSIONS, Usage

KNOWN_MAX = 50_000
"""Combinations of dimensions whose charge is remembered."""

EVERYTHING = frozenset({ANY})
NONE: frozenset[str] = frozenset()

Positions = tuple[int | None, tuple[int, ...]]
"""Position of the charge that claims a row (None: no charge does), and of those beside it."""


class Claims:
    """The charges of a plan by what they claim; no two could claim the same row.

    A row of a meter counts again what other rows hold. So it is claimed by name only: by a pattern
    that begins with `meter:`, never by one that stands for every kind.
    """

    def __init__(self, charges: Sequence[Charge]) -> None:
        self._charges = tuple(charges)
        self._meters = [meters_named(charge) for charge in self._charges]
        self._known: dict[tuple[object, ...], Positions] = {}

    def positions_of(self, usage: Usage) -> Positions:
        """Return which charge claims a row, and which come beside it."""
        key = (*usage.dimensions, usage.cost is None)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            known = self._known[key] = self._search(usage)
        return known

    def passes_over(self, usage: Usage) -> bool:
        """Tell whether a row is a meter's that no charge names: leaving it out loses nothing."""
        kind = usage.kind
        return kind.startswith(METER_PREFIX) and not any(
            any_matches(named, kind) for named in self._meters
        )

    def _search(self, usage: Usage) -> Positions:
        is_meter = usage.kind.startswith(METER_PREFIX)
        values = dict(zip(DIMENSIONS, usage.dimensions, strict=True))
        claiming, beside = None, []
        for position, charge in enumerate(self._charges):
            if charge.usage is None or not charge.usage.accepts(values):
                continue
            if is_meter and not any_matches(self._meters[position], usage.kind):
                continue
            if charge.beside:
                beside.append(position)
            elif claiming is None and _has_price(charge, usage):
                claiming = position
        return claiming, tuple(beside)


def _has_price(charge: Charge, usage: Usage) -> bool:
    conversion = charge.conditions.conversion
    if conversion is not None and conversion.rate_of(usage.model, usage.kind) is None:
        return False
    return not isinstance(charge.price, RowPrice) or charge.price.accepts(usage)


Scope = tuple[UsageFilter, ...]
"""What a charge can claim: whatever one of the filters accepts."""


def overlapping(one: Charge, other: Charge) -> bool:
    """Tell whether some usage could be claimed by both charges."""
    if one.beside or other.beside:
        return False
    scope, others = scope_of(one), scope_of(other)
    return any(intersects(left, right) for left in scope for right in others)


def scope_of(charge: Charge) -> Scope:
    """Return the filters that say exactly what a charge claims: those of its cells, if any."""
    usage = charge.usage
    if usage is None:
        return ()
    narrower: list[dict[str, frozenset[str]]] = [{}]
    if isinstance(charge.price, Matrix):
        narrower = [
            {n: frozenset(p) for n, p in zip(CELL_DIMENSIONS, cell.patterns, strict=True)}
            for cell in charge.price.cells
        ]
    elif isinstance(charge.price, ContextTiers):
        kinds = frozenset(kind for tier in charge.price.tiers for kind in tier.unit_amounts)
        narrower = [{"kind": kinds, "context_band": frozenset(BOUNDS)}]
    elif (conversion := charge.conditions.conversion) is not None:
        narrower = [
            {"kind": frozenset(rate.kinds), "model": frozenset(rate.models)}
            for rate in conversion.rates
        ]
    return tuple(
        found for also in narrower for found in [_narrowed(usage, also)] if found is not None
    )


def could_claim_kind(charge: Charge, kind: str) -> bool:
    """Tell whether a charge prices usage that has a kind, and nothing else."""
    values = dict.fromkeys(DIMENSIONS, "") | {"kind": kind}
    return any(scope.accepts(values) for scope in scope_of(charge))


def meters_named(charge: Charge) -> frozenset[str]:
    """Return the patterns by which a charge, or a cell, rate or tier of it, names meters."""
    kinds = (kind for part in scope_of(charge) for kind in part.kinds)
    return frozenset(kind for kind in kinds if kind.startswith(METER_PREFIX))


def _narrowed(usage: UsageFilter, also: Mapping[str, frozenset[str]]) -> UsageFilter | None:
    """Return the filter for what both accept, or None if that is nothing.

    Of two patterns that meet and of which neither covers the other, one stands: a pattern for
    exactly what both match need not exist. The filter never accepts too little.
    """
    dimensions = dict(usage.dimensions)
    for name, patterns in also.items():
        accepted = dimensions.get(name)
        dimensions[name] = patterns if accepted is None else _common(accepted, patterns)
        if not dimensions[name]:
            return None
    return UsageFilter(dimensions, usage.exempt)


def _common(ones: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    pairs = [(one, other) for one in ones for other in others if patterns_meet(one, other)]
    return frozenset(one if covers(other, one) else other for one, other in pairs)


def intersects(one: UsageFilter, other: UsageFilter) -> bool:
    """Tell whether some row could be claimed by both: they meet in every dimension."""
    refused = _refused_by_one(one, other)
    return all(
        _meet_in(name, values, other.dimensions.get(name, EVERYTHING), refused.get(name, NONE))
        for name, values in one.dimensions.items()
    ) and all(
        _meet(EVERYTHING, values, refused.get(name, NONE))
        for name, values in other.dimensions.items()
        if name not in one.dimensions
    )


def _refused_by_one(one: UsageFilter, other: UsageFilter) -> Mapping[str, frozenset[str]]:
    if not other.exempt:
        return one.exempt
    names = one.exempt.keys() | other.exempt.keys()
    return {name: one.exempt.get(name, NONE) | other.exempt.get(name, NONE) for name in names}


def _meet_in(
    name: str, ones: frozenset[str], others: frozenset[str], refused: frozenset[str]
) -> bool:
    """Tell the same as `_meet`; of kinds, meters meet meters, and all others all others."""
    if name != "kind":
        return _meet(ones, others, refused)
    return any(_meet(*(_kinds(of, meters) for of in (ones, others)), refused) for meters in _BOTH)


_BOTH = (False, True)


@lru_cache(maxsize=KNOWN_MAX)
def _kinds(patterns: frozenset[str], meters: bool) -> frozenset[str]:
    """Return the patterns that stand for meters, or those that do not."""
    return frozenset(p for p in patterns if p.startswith(METER_PREFIX) is meters)


@lru_cache(maxsize=KNOWN_MAX)
def _meet(ones: frozenset[str], others: frozenset[str], refused: frozenset[str]) -> bool:
    """Tell whether a value of a dimension is accepted by both filters and refused by none."""
    if not refused and ones & others:
        return True
    return any(
        patterns_meet(left, right)
        and not any(covers(pattern, left) or covers(pattern, right) for pattern in refused)
        for left, right in _pairs(ones, others)
    )


def _pairs(ones: frozenset[str], others: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Return the pairs that could meet: the same text, or one of the two with a `*`."""
    yield from zip(ones & others, ones & others, strict=True)
    for left in ones:
        patterns = others if "*" in left else _patterns(others)
        yield from ((left, right) for right in patterns)


def _patterns(values: frozenset[str]) -> list[str]:
    return [value for value in values if "*" in value]
