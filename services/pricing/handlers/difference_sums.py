"""Two ratings of many subscriptions, added up in all and by charge."""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from sqlalchemy import RowMapping

from services.pricing.domain.statement import RatedStatement
from services.pricing.schemas.comparison import (
    AmountDifference,
    ChargeDifference,
    SubscriptionDifference,
)
from shared.money import format_exact, format_shown

ZERO = Fraction(0)


class DifferenceSums:
    """What subscriptions come to by both sides, in all and by charge."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.total = [ZERO, ZERO]
        self.subscriptions: list[SubscriptionDifference] = []
        self._charges: dict[str, list[Fraction]] = defaultdict(lambda: [ZERO, ZERO])
        self._names: dict[str, str] = {}

    def add(
        self,
        row: RowMapping,
        plan: str,
        rated: list[RatedStatement | None],
        missing: Iterable[str],
    ) -> None:
        """Add a subscription, rated by both sides; `missing` are meters without a value."""
        before, after = rated
        amounts = None
        if before is not None and after is not None:
            amounts = difference_of(before.total, after.total)
            for place, statement in enumerate((before, after)):
                self.total[place] += statement.total
                for line in statement.lines:
                    self._charges[line.charge][place] += line.amount
                    self._names[line.charge] = line.name
        self.subscriptions.append(
            SubscriptionDifference(
                subscription_id=row["subscription_id"],
                tenant_id=row["tenant_id"],
                plan=plan,
                amounts=amounts,
                unrated_before=len(before.unrated) if before else 0,
                unrated_after=len(after.unrated) if after else 0,
                meters_missing=sorted(missing),
            )
        )

    def by_charge(self) -> list[ChargeDifference]:
        """Return the sums of each charge, in the order of their keys."""
        return [
            ChargeDifference(
                charge=key, name=self._names[key], **difference_of(*amounts).model_dump()
            )
            for key, amounts in sorted(self._charges.items())
        ]


def difference_of(before: Fraction, after: Fraction) -> AmountDifference:
    """Return two amounts and their difference, exact and in decimals."""
    return AmountDifference(
        before_exact=format_exact(before),
        before_shown=format_shown(before),
        after_exact=format_exact(after),
        after_shown=format_shown(after),
        difference_exact=format_exact(after - before),
        difference_shown=format_shown(after - before),
    )
