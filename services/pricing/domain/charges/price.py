"""The four ways in which a price meets usage. Every charge model is one of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar, Literal

from services.pricing.domain.column import Column
from services.pricing.domain.periods import Period
from services.pricing.domain.seats import Seats
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.usage import Usage, UsageGroup
from services.pricing.domain.words import Words

ZERO = Fraction(0)

Timing = Literal["in_arrears", "in_advance"]
"""Whether a fee is due with the statement of its period, or before the period begins."""


@dataclass(frozen=True)
class Situation:
    """What a price may depend on beside usage; `level` is a level as the period begins.

    The flat fees of so many tiers were charged in earlier parts of the same period.
    """

    period: Period
    seats: Seats = field(default_factory=Seats)
    level: Fraction = ZERO
    tiers_charged: int = 0


@dataclass(frozen=True)
class PricedRows:
    """Steps, and what each row caused of their sum, by group (in the order of the groups)."""

    steps: list[Step]
    amounts: list[Column]


@dataclass(frozen=True)
class PartOfQuantity:
    """What is priced in a part of a period: `quantity` after `before`, of `total` in the period.

    The flat fees of so many tiers were charged in earlier parts.
    """

    before: Fraction
    quantity: Fraction
    total: Fraction
    tiers_charged: int = 0

    @property
    def after(self) -> Fraction:
        return self.before + self.quantity


class FeePrice(ABC):
    """Depends on the period and the seats only."""

    model: ClassVar[str]
    unit: ClassVar[str]
    timing: Timing = "in_arrears"

    @abstractmethod
    def counted(self, situation: Situation) -> Fraction:
        """Return what the line shows as its quantity."""

    @abstractmethod
    def price(self, situation: Situation, words: Words) -> list[Step]:
        """Return the steps of the fee."""


class QuantityPrice(ABC):
    """Depends on the sum of the quantities only; a negative sum mirrors the positive one."""

    model: ClassVar[str]
    beside: ClassVar[bool] = False
    """Whether it comes on top of the charge that claims the usage, and so claims none itself."""
    linear: ClassVar[bool] = False
    """Whether a unit costs the same, however many there are."""

    @abstractmethod
    def price(self, quantity: Fraction, words: Words) -> list[Step]:
        """Return the steps of the price; none at quantity 0."""

    def amount(self, quantity: Fraction, words: Words) -> Fraction:
        """Return what the quantity costs."""
        return sum((step.amount for step in self.price(quantity, words)), ZERO)

    def flats(self, quantity: Fraction) -> list[Fraction]:  # noqa: ARG002 - most prices have none
        """Return the flat fee of each tier that a quantity enters, from the first on."""
        return []

    def tiers_entered(self, part: PartOfQuantity) -> int:
        """Return the number of tiers whose flat fees are paid when a part is.

        Where a quantity falls back over the border of a tier, its flat fee is given back, and is
        due again when the tier is entered again.
        """
        before, after = len(self.flats(part.before)), len(self.flats(part.after))
        charged = part.tiers_charged
        return min(charged, after) if after < before else max(charged, after)

    def price_part(self, part: PartOfQuantity, words: Words) -> list[Step]:
        """Return what a part adds: f(before + quantity) - f(before), no tier's flat fee twice."""
        if self.linear or not (part.before or part.tiers_charged):
            return self.price(part.quantity, words)
        if not part.quantity:
            return []
        amounts = self.amount(part.after, words), self.amount(part.before, words)
        text = f"{words.count(part.quantity)} after {words.count(part.before)}"
        text += f", {words.money(amounts[0])} less {words.money(amounts[1])}"
        steps = [Step(PRICE, text, amounts[0] - amounts[1])]
        entered = len(self.flats(part.before))
        if again := sum(self.flats(part.after)[entered : part.tiers_charged], ZERO):
            steps.append(Step(PRICE, "flat fees that were charged before", -again))
        return steps


class RowPrice(ABC):
    """Depends on what each row is, and adds up what the rows cost."""

    model: ClassVar[str]
    needs_cost: ClassVar[bool] = False
    """Whether the price depends on what the provider takes."""
    needs_level: ClassVar[bool] = False
    """Whether rows are changes of a level, which is there before the period begins."""

    def accepts(self, row: Usage) -> bool:  # noqa: ARG002 - most prices take what is claimed
        """Tell whether the row has a price here; one that has none stays unrated."""
        return True

    @abstractmethod
    def price_rows(
        self, groups: Sequence[UsageGroup], situation: Situation, words: Words
    ) -> PricedRows:
        """Return the steps, and the amount of each row."""

    def tiers_entered(self, groups: Sequence[UsageGroup], situation: Situation) -> int:  # noqa: ARG002
        """Return the number of the last tier whose flat fee is paid by now; 0 without tiers."""
        return situation.tiers_charged


class EventPrice(ABC):
    """Depends on single events: their values, in the order in which they happened."""

    model: ClassVar[str]

    @property
    def needs_events(self) -> bool:
        """Tell whether the sum of the values alone would not do."""
        return True

    @abstractmethod
    def price_events(self, values: Sequence[Fraction], words: Words) -> list[Step]:
        """Return the steps of the price."""

    def price_part(
        self, before: Sequence[Fraction], values: Sequence[Fraction], words: Words
    ) -> list[Step]:
        """Return what the events of a part add to those before: free allowances count once."""
        if not before:
            return self.price_events(values, words)
        steps = self.price_events((*before, *values), words)
        earlier = sum((step.amount for step in self.price_events(before, words)), ZERO)
        return [*steps, Step(PRICE, "less what came before in this period", -earlier)]


Price = FeePrice | QuantityPrice | RowPrice | EventPrice
