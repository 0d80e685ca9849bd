"""Price books as JSON: what a vendor writes, and how it becomes values of the domain."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from services.pricing.domain import plan as domain
from services.pricing.domain.commitment import Commitment as DomainCommitment
from services.pricing.domain.pools import Measure, Proration, Scope
from services.pricing.domain.pools import Pool as DomainPool
from services.pricing.domain.progressive import Thresholds
from services.pricing.domain.seats import ANY_CLASS
from services.pricing.schemas.charges import by_event, by_quantity, by_row, fees
from services.pricing.schemas.content import Content
from services.pricing.schemas.fields import (
    Amount,
    Day,
    Name,
    Quantity,
    is_empty,
    is_none,
    is_zero,
)
from shared.ids import Slug
from shared.money import exact

CHARGES_MAX = 200
PLANS_MAX = 100
PLAN_CHARGES_MAX = 100
BOOK_POOLS_MAX = 100
SEAT_CLASSES_MAX = 100
THRESHOLDS_MAX = 50

Charge = (
    fees.FlatCharge
    | fees.PerSeatCharge
    | by_quantity.PerUnitCharge
    | by_quantity.GraduatedCharge
    | by_quantity.VolumeCharge
    | by_quantity.PackageCharge
    | by_quantity.GraduatedPackageCharge
    | by_quantity.VolumePackageCharge
    | by_quantity.GraduatedPercentageCharge
    | by_quantity.DynamicCharge
    | by_quantity.SurchargeCharge
    | by_event.PercentageCharge
    | by_event.ActionCreditsCharge
    | by_row.MatrixCharge
    | by_row.ContextTierCharge
    | by_row.CostPlusCharge
    | by_row.WeightedSumCharge
    | by_row.ProratedGraduatedCharge
)

CHARGE_MODELS: dict[str, type[Charge]] = {
    "flat": fees.FlatCharge,
    "per_seat": fees.PerSeatCharge,
    "per_unit": by_quantity.PerUnitCharge,
    "graduated": by_quantity.GraduatedCharge,
    "volume": by_quantity.VolumeCharge,
    "package": by_quantity.PackageCharge,
    "graduated_package": by_quantity.GraduatedPackageCharge,
    "volume_package": by_quantity.VolumePackageCharge,
    "graduated_percentage": by_quantity.GraduatedPercentageCharge,
    "dynamic": by_quantity.DynamicCharge,
    "surcharge": by_quantity.SurchargeCharge,
    "percentage": by_event.PercentageCharge,
    "action_credits": by_event.ActionCreditsCharge,
    "matrix": by_row.MatrixCharge,
    "context_tier": by_row.ContextTierCharge,
    "cost_plus": by_row.CostPlusCharge,
    "weighted_sum": by_row.WeightedSumCharge,
    "prorated_graduated": by_row.ProratedGraduatedCharge,
}

FEES = (fees.FlatCharge, fees.PerSeatCharge)
"""The models that do not depend on usage, and so can be charged in advance."""


def _read_per_seat(value: Any) -> Any:
    return {ANY_CLASS: value} if isinstance(value, str) else value


SeatClass = Annotated[str, StringConstraints(pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")]
PerSeat = Annotated[
    dict[SeatClass, Quantity],
    Field(max_length=SEAT_CLASSES_MAX),
    BeforeValidator(_read_per_seat, json_schema_input_type=str | dict[str, str]),
]
"""Units for each seat by class; a number alone is for seats that are not told apart."""


class Pool(Content):
    """What is included in a whole period; charges name it, and share it.

    `included_per_seat` is for each seat, or for each seat of the classes that it names. `ends_on`
    is the last day, inclusive, whose usage may draw on the pool.
    """

    key: Slug
    name: Name
    measure: Measure = "quantity"
    included: Quantity = Field(default="0", exclude_if=is_zero)
    included_per_seat: PerSeat = Field(default_factory=dict, exclude_if=is_empty)
    scope: Scope = "shared"
    ends_on: Day | None = Field(default=None, exclude_if=is_none)
    proration: Proration = "by_days"

    def to_domain(self) -> DomainPool:
        units = {name: exact(text) for name, text in self.included_per_seat.items()}
        return DomainPool(
            self.key,
            self.name,
            self.measure,
            included=exact(self.included),
            included_per_seat=units,
            scope=self.scope,
            ends_on=self.ends_on,
            proration=self.proration,
        )


class PlanCommitment(Content):
    """An amount for a whole period and all charges of the plan together."""

    amount: Amount
    overage_factor: Amount = "1"
    true_up: Annotated[bool, Field(strict=True)] = True

    def to_domain(self) -> DomainCommitment:
        factor = exact(self.overage_factor)
        return DomainCommitment(exact(self.amount), overage_factor=factor, true_up=self.true_up)


class Plan(Content):
    """Charges that are sold together; a statement shows them in this order.

    When the spend of the open period's usage reaches one of `progressive_thresholds` (and, beyond
    the last, another `progressive_recurring`), it is invoiced at once, and credited at the end.
    """

    key: Slug
    name: Name
    charges: list[Slug] = Field(min_length=1, max_length=PLAN_CHARGES_MAX)
    minimum_amount: Amount | None = Field(default=None, exclude_if=is_none)
    maximum_amount: Amount | None = Field(default=None, exclude_if=is_none)
    commitment: PlanCommitment | None = Field(default=None, exclude_if=is_none)
    progressive_thresholds: list[Amount] = Field(
        default_factory=list, max_length=THRESHOLDS_MAX, exclude_if=is_empty
    )
    progressive_recurring: Amount | None = Field(default=None, exclude_if=is_none)

    def thresholds(self) -> Thresholds | None:
        """Return the thresholds as a value of the domain; None without any."""
        if not self.progressive_thresholds:
            return None
        recurring = self.progressive_recurring
        return Thresholds(
            tuple(map(exact, self.progressive_thresholds)),
            recurring=None if recurring is None else exact(recurring),
        )


class PriceBookContent(Content):
    """One version of a price book. Every number is a decimal string.

    `strict` books are not published while usage of the last month would stay unrated.
    """

    currency: str = Field(description="ISO 4217 code", examples=["USD"])
    strict: Annotated[bool, Field(strict=True)] = Field(default=False, exclude_if=is_empty)
    pools: list[Pool] = Field(default_factory=list, max_length=BOOK_POOLS_MAX, exclude_if=is_empty)
    charges: list[Annotated[Charge, Field(discriminator="model")]] = Field(max_length=CHARGES_MAX)
    plans: list[Plan] = Field(min_length=1, max_length=PLANS_MAX)

    def plan(self, key: str) -> domain.Plan | None:
        """Return a plan with its charges as values of the domain; None when there is none such."""
        by_key = {charge.key: charge for charge in self.charges}
        pools = {pool.key: pool.to_domain() for pool in self.pools}
        for plan in self.plans:
            if plan.key == key:
                minimum, maximum = (
                    None if amount is None else exact(amount)
                    for amount in (plan.minimum_amount, plan.maximum_amount)
                )
                return domain.Plan(
                    plan.key,
                    plan.name,
                    tuple(by_key[name].to_domain(pools) for name in plan.charges),
                    minimum=minimum,
                    commitment=plan.commitment.to_domain() if plan.commitment else None,
                    thresholds=plan.thresholds(),
                    maximum=maximum,
                )
        return None
