"""What a line is made of: the parts that one agent on one model caused on one day, by kind.

Details are many, and most are only written down. So they are kept by columns, and written once: for
the hash of a rating and for the statement.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from services.pricing.domain.column import Column
from services.pricing.domain.usage import Daily

Name = tuple[str, str, str]
"""(agent, model, kind)."""


class Detail(NamedTuple):
    """The part of a line that one agent on one model caused on one day, by kind."""

    agent: str
    model: str
    kind: str
    usage_day: date
    quantity: Fraction
    amount: Fraction


class DetailGroup(NamedTuple):
    """The details of one agent, model and kind, by day.

    `texts` are the amounts as `format_exact` writes them.
    """

    agent: str
    model: str
    kind: str
    daily: Daily
    amounts: Column
    texts: Sequence[str]


@dataclass(frozen=True, eq=False)
class Details:
    """The details of a line in the order of (agent, model, kind, day).

    Equal are those that are written alike: the same amount may be a ratio in other terms.
    """

    groups: tuple[DetailGroup, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Details) and self._written() == other._written()

    def __hash__(self) -> int:
        return hash(self._written())

    def _written(self) -> tuple[object, ...]:
        return tuple(
            (*group[:3], *map(tuple, (group.daily.day_texts, group.daily.texts, group.texts)))
            for group in self.groups
        )

    @classmethod
    def of(cls, details: Iterable[Detail]) -> "Details":
        """Return details that are in their order already."""
        groups = []
        for (agent, model, kind), some in groupby(details, key=itemgetter(slice(3))):
            own = list(some)
            daily = Daily.of([one.usage_day for one in own], [one.quantity for one in own])
            amounts = Column.of(one.amount for one in own)
            groups.append(DetailGroup(agent, model, kind, daily, amounts, amounts.texts()))
        return cls(tuple(groups))

    def __len__(self) -> int:
        return sum(len(group.texts) for group in self.groups)

    def __iter__(self) -> Iterator[Detail]:
        for group in self.groups:
            daily = group.daily
            columns = zip(daily.days, daily.quantities.numbers, group.amounts.numbers, strict=True)
            for day, quantity, amount in columns:
                yield Detail(*group[:3], day, quantity, amount)


NO_DETAILS = Details()
