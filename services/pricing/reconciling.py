"""What was rated beside what was used, per statement, model, kind and day: pure comparison.

Compared is the last rating of each closed period with the usage that it knew of. So usage that came
later is no difference before it is rated, and an adjustment is in the rating that it led to.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

from services.pricing.domain.meters import METER_PREFIX
from services.pricing.repository.reconciling import DayQuantity, LastRating
from shared.differences import Difference, difference

ZERO = Decimal(0)

ByDay = dict[date | None, Decimal]
Quantities = dict[tuple[str, str], ByDay]
"""(model, kind) → day → quantity; the day None holds what is unrated."""

Bundle = tuple[LastRating, ...]
"""The ratings of one tenant that share the usage of the same days."""


def bundles_of(ratings: Sequence[LastRating]) -> tuple[list[Bundle], list[LastRating]]:
    """Return ratings that can be compared together, and those that cannot.

    Several subscriptions of a tenant share its usage: over the same days, their sum is compared.
    Where their days overlap in part, or their ratings know of different days, no figure of the copy
    stands against theirs.
    """
    bundles: list[Bundle] = []
    apart: list[LastRating] = []
    for _, some in groupby(ratings, key=lambda one: one.tenant_id):
        by_days: dict[tuple[date, date, date], list[LastRating]] = defaultdict(list)
        for one in some:
            by_days[one.period_start, one.period_end, one.booked_before].append(one)
        spans = list(by_days)
        for span, own in by_days.items():
            if any(span != other and _overlap(span, other) for other in spans):
                apart += own
            else:
                bundles.append(tuple(own))
    return bundles, apart


def _overlap(one: tuple[date, date, date], other: tuple[date, date, date]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def differences_of_bundles(
    bundles: Iterable[Bundle], *, rated: Iterable[DayQuantity], used: Iterable[DayQuantity]
) -> list[Difference]:
    """Return where the sums differ; `used` has the usage of each bundle under its first rating."""
    ratings, usage = _by_statement(rated), _by_statement(used)
    found: list[Difference] = []
    for bundle in bundles:
        names = [one.statement_id for one in bundle]
        of_bundle = _added([ratings.get(name, {}) for name in names])
        found += _compare(bundle, of_bundle, usage.get(names[0], {}))
    return found


def _by_statement(rows: Iterable[DayQuantity]) -> Mapping[str, Quantities]:
    found: dict[str, Quantities] = defaultdict(lambda: defaultdict(lambda: defaultdict(Decimal)))
    for row in rows:
        found[row.statement_id][row.model, row.kind][row.usage_day] += row.quantity
    return found


def _added(parts: Sequence[Quantities]) -> Quantities:
    sums: Quantities = defaultdict(lambda: defaultdict(Decimal))
    for part in parts:
        for key, days in part.items():
            for day, quantity in days.items():
                sums[key][day] += quantity
    return sums


def _compare(bundle: Bundle, rated: Quantities, used: Quantities) -> Iterator[Difference]:
    for key in sorted(rated.keys() | used.keys()):
        model, kind = key
        if kind.startswith(METER_PREFIX) and not (key in rated and key in used):
            continue  # a meter that no charge names, or a single value that metering computed
        ours, theirs = used.get(key, {}), rated.get(key, {})
        days: Sequence[date | None] = sorted(day for day in ours.keys() | theirs.keys() if day)
        if theirs.get(None):
            days = (None,)  # what is unrated is told without days: only sums stand beside it
        for day in days:
            copy, rating = (_of_day(sums, day) for sums in (ours, theirs))
            if copy != rating:
                yield _difference(bundle, (model, kind, day), copy=copy, rating=rating)


def _of_day(sums: ByDay, day: date | None) -> Decimal:
    return sum(sums.values(), ZERO) if day is None else sums.get(day, ZERO)


def _difference(
    bundle: Bundle, of: tuple[str, str, date | None], *, copy: Decimal, rating: Decimal
) -> Difference:
    model, kind, day = of
    first = bundle[0]
    ids = {
        "tenant_id": first.tenant_id,
        "statement_id": ",".join(one.statement_id for one in bundle),
        "model": model,
        "kind": kind,
        "usage_day": day or f"{first.period_start}..{first.period_end}",
    }
    return difference("copy_statement_differ", ids, {"copy": copy, "rated and unrated": rating})
