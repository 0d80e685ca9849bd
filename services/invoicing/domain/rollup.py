"""Which lines stand together on an invoice that would have more of them than Stripe takes.

A ladder of groupings is tried, the finest first: what was used (models and token types), models
alone, the kind of line in each adjusted period, the kind of line. Nothing but the lines decides, so
the same statement is always sent the same way. Every line keeps its own place on our statement.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from services.invoicing.domain.line_kinds import LineKind
from shared.money import allocate_minor_units

LINES_MAX = 250
"""Stripe takes this many lines on an invoice."""

ROLLED_LINES_MAX = 240
"""Lines are left as they are up to `LINES_MAX`; rolled up, they leave room for lines by hand."""

ROLLED_PREFIX = "~rolled/"

NAMES_SHOWN = 6
"""Names in the title of a line that stands for many."""

_KINDS: dict[LineKind, str] = {
    "usage": "Usage",
    "fee": "Fees",
    "adjustment": "Adjustments of earlier periods",
    "progressive": "Invoiced before in this period",
    "credit": "Prepaid credits",
    "coupon": "Coupons",
    "carried": "Carried over",
    "rounding": "Rounding",
}

Group = tuple[object, ...]


@dataclass(frozen=True)
class RollupLine:
    """What groups a line: `models` and `token_types` are those of its details, sorted.

    `days` are those of a fee in advance, None elsewhere.
    """

    line_key: str
    kind: LineKind
    charge: str
    models: tuple[str, ...] = ()
    token_types: tuple[str, ...] = ()
    adjusted_from: date | None = None
    days: tuple[date, date] | None = None


@dataclass(frozen=True)
class SentGroup:
    """A line to send: the positions (from 0) of the lines that it stands for, at least one.

    `title` is empty for a line that stands for itself.
    """

    sent_key: str
    members: tuple[int, ...]
    title: str = ""


def group_lines(lines: Sequence[RollupLine], lines_max: int = LINES_MAX) -> list[SentGroup]:
    """Return what is sent for lines: each by itself while at most `lines_max`, else rolled up.

    Every line is in exactly one group; groups are in the order of their first lines.
    """
    if len(lines) <= lines_max:
        return [SentGroup(line.line_key, (at,)) for at, line in enumerate(lines)]
    for group_of in (_by_use, _by_models, _by_period, _by_kind):
        grouped: dict[Group, list[int]] = {}
        for at, line in enumerate(lines):
            grouped.setdefault(group_of(line), []).append(at)
        if len(grouped) <= min(ROLLED_LINES_MAX, lines_max):
            break
    return [_sent(group, members, lines) for group, members in grouped.items()]


def allocate_groups(
    total: int, exact: Sequence[Fraction], groups: Sequence[Sequence[int]]
) -> list[int]:
    """Return each part's share of a total: by the sums of groups (positions), then within them.

    `exact` are the parts in minor units; each is in exactly one group.
    """
    sums = [sum((exact[at] for at in group), Fraction(0)) for group in groups]
    amounts = [0] * len(exact)
    for group, amount in zip(groups, allocate_minor_units(total, sums), strict=True):
        shares = allocate_minor_units(amount, [exact[at] for at in group])
        for at, share in zip(group, shares, strict=True):
            amounts[at] = share
    return amounts


def _sent(group: Group, members: list[int], lines: Sequence[RollupLine]) -> SentGroup:
    first = lines[members[0]]
    if len(members) == 1:
        return SentGroup(first.line_key, (members[0],))
    digest = hashlib.sha256(json.dumps(group, default=str).encode()).hexdigest()[:16]
    title = _title([lines[at] for at in members])
    return SentGroup(f"{ROLLED_PREFIX}{digest}", tuple(members), title)


def _by_use(line: RollupLine) -> Group:
    # What has no details was used by nobody: its charge tells what it is.
    use = line.token_types if line.models else (line.charge,)
    return (*_by_models(line), use)


def _by_models(line: RollupLine) -> Group:
    return (*_by_period(line), line.models, line.days)


def _by_period(line: RollupLine) -> Group:
    return (*_by_kind(line), line.adjusted_from)


def _by_kind(line: RollupLine) -> Group:
    # Credits are taxed in ways that differ, and are three lines at most.
    return (line.kind, line.line_key if line.kind == "credit" else "")


def _title(members: Sequence[RollupLine]) -> str:
    """Return what the lines have in common, in words, and how many they are."""
    parts = [_KINDS[members[0].kind]]
    shared: list[Callable[[RollupLine], tuple[str, ...]]] = [
        lambda line: line.models,
        lambda line: line.token_types if line.models else (line.charge,),
        lambda line: (f"from {line.adjusted_from}",) if line.adjusted_from else (),
    ]
    for names_of in shared:
        names = {names_of(line) for line in members}
        if len(names) == 1:
            parts += [_listed(one) for one in names if one]
    return f"{', '.join(parts)}: {len(members)} lines of the usage statement"


def _listed(names: tuple[str, ...]) -> str:
    shown = " + ".join(names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
