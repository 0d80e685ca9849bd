"""What stands around a price, as JSON: three sets of fields, by what a price depends on."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from services.pricing.domain import commitment as domain
from services.pricing.domain.conditions import Conditions
from services.pricing.domain.conversion import Conversion as DomainConversion
from services.pricing.domain.conversion import ConversionRate as DomainRate
from services.pricing.domain.pools import Pool as DomainPool
from services.pricing.schemas.content import Content
from services.pricing.schemas.fields import (
    Amount,
    Name,
    Percent,
    Positive,
    Quantity,
    Wildcard,
    few_patterns,
    is_empty,
    is_none,
    is_zero,
)
from shared.ids import Slug
from shared.money import exact

POOLS_MAX = 20
RATES_MAX = 500
PATTERNS_MAX = 100

Patterns = Annotated[
    list[Wildcard], Field(min_length=1, max_length=PATTERNS_MAX), AfterValidator(few_patterns)
]
ANYTHING = ["*"]

Pools = Mapping[str, DomainPool]
"""The pools of a book by key."""


class Commitment(Content):
    """An `amount`, or a `quantity` whose price is the amount, for a whole period."""

    amount: Amount | None = Field(default=None, exclude_if=is_none)
    quantity: Quantity | None = Field(default=None, exclude_if=is_none)
    overage_factor: Amount = "1"
    true_up: Annotated[bool, Field(strict=True)] = True

    def to_domain(self) -> domain.Commitment:
        return domain.Commitment(
            amount=_optional(self.amount),
            quantity=_optional(self.quantity),
            overage_factor=exact(self.overage_factor),
            true_up=self.true_up,
        )


class ConversionRate(Content):
    """`units` for each `per` of usage; the most specific rate wins, the model first."""

    units: Amount
    per: Positive = "1"
    kinds: Patterns = ANYTHING
    models: Patterns = ANYTHING

    def to_domain(self) -> DomainRate:
        kinds, models = tuple(self.kinds), tuple(self.models)
        return DomainRate(exact(self.units), exact(self.per), kinds, models)


class Conversion(Content):
    """Usage counted in a unit of the vendor's own, such as credits."""

    unit: Name
    rates: list[ConversionRate] = Field(min_length=1, max_length=RATES_MAX)

    def to_domain(self) -> DomainConversion:
        return DomainConversion(self.unit, tuple(rate.to_domain() for rate in self.rates))


class MoneyConditions(Content):
    """What acts on the amount of any charge; amounts are for a whole period."""

    discount_percent: Percent = Field(default="0", exclude_if=is_zero)
    discount_amount: Amount = Field(default="0", exclude_if=is_zero)
    maximum_amount: Amount | None = Field(default=None, exclude_if=is_none)
    minimum_amount: Amount | None = Field(default=None, exclude_if=is_none)

    def conditions(self, pools: Pools) -> Conditions:
        """Return the conditions as a value of the domain."""
        return Conditions(**self._parts(pools))

    def _parts(self, pools: Pools) -> dict[str, Any]:
        del pools
        return {
            "discount_percent": exact(self.discount_percent),
            "discount_amount": exact(self.discount_amount),
            "maximum": _optional(self.maximum_amount),
            "minimum": _optional(self.minimum_amount),
        }


class UsageConditions(MoneyConditions):
    """What acts on charges for usage, too: pools in the order in which they burn."""

    pools: list[Slug] = Field(default_factory=list, max_length=POOLS_MAX, exclude_if=is_empty)
    overage: Literal["allow", "block"] | None = Field(default=None, exclude_if=is_none)
    on_demand_limit: Amount | None = Field(default=None, exclude_if=is_none)
    commitment: Commitment | None = Field(default=None, exclude_if=is_none)

    def _parts(self, pools: Pools) -> dict[str, Any]:
        return {
            **super()._parts(pools),
            "pools": tuple(pools[key] for key in self.pools),
            "overage": self.overage or "allow",
            "on_demand_limit": _optional(self.on_demand_limit),
            "commitment": self.commitment and self.commitment.to_domain(),
        }


class QuantityConditions(UsageConditions):
    """What acts on a quantity before it is priced."""

    conversion: Conversion | None = Field(default=None, exclude_if=is_none)
    free_units: Quantity = Field(default="0", exclude_if=is_zero)

    def _parts(self, pools: Pools) -> dict[str, Any]:
        return {
            **super()._parts(pools),
            "conversion": self.conversion and self.conversion.to_domain(),
            "free_units": exact(self.free_units),
        }


def _optional(text: str | None) -> Any:
    return None if text is None else exact(text)
