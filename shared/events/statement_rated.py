"""`statement.rated`: a rated statement from pricing to invoicing, amounts exact and unrounded.

Guarantees: a statement never changes; (vendor, mode, `statement_id`) is its identity, and the same
input gives the same `rating_hash`. Invoicing owns rounding, allocation and everything after.
"""

from datetime import date, datetime
from typing import ClassVar, Literal

from pydantic import Field

from shared.events.message import Frozen, Message, Quantity
from shared.topics import STATEMENT_RATED, Topic


class RatingStep(Frozen):
    """One step of how a line's amount came about, in words and as an exact amount."""

    step: str
    description: str
    amount_exact: str


class StatementDetail(Frozen):
    """The part of a line that one agent on one model caused on one day, by kind."""

    agent: str
    model: str
    kind: str
    usage_day: date
    quantity: Quantity
    amount_exact: str = Field(description="plain decimal, or numerator/denominator")
    quantity_exact: str | None = Field(
        default=None,
        exclude_if=lambda text: text is None,
        description="numerator/denominator of a quantity that `quantity` has only the nearest of",
    )


class PoolDraw(Frozen):
    """What a line took from an included pool: units, or money where the pool holds money."""

    pool: str
    name: str
    measure: Literal["quantity", "amount"]
    included_exact: str = Field(description="what the pool holds in the period")
    used_exact: str = Field(description="what this line took")
    remaining_exact: str = Field(description="what was left behind this line")


class ProviderCost(Frozen):
    """What usage takes at its providers, in US dollars. What has no price never counts as 0."""

    state: Literal["priced", "partly_priced", "unpriced"]
    amount_exact: str | None = Field(description="of what has a price; null while nothing has")
    margin_exact: str | None = Field(
        description="the amount billed less the cost; null unless all is priced, in US dollars"
    )


class MeterUsed(Frozen):
    """The value of a meter that does not add up, as one quantity of a line."""

    meter: str
    version: int = Field(ge=1)
    value_exact: str | None = Field(
        description="plain decimal, or numerator/denominator; null while there is none"
    )
    state: Literal["final", "provisional", "missing", "given"] = Field(
        description="final: of sealed days, as on every statement; given: for a trial of prices"
    )
    events: int = Field(ge=0, description="that the meter counted")
    content_hash: str | None = Field(
        description="SHA-256, hexadecimal, of the definition, the days and every measured event"
    )
    as_of: datetime | None = Field(description="events before it are in")


class AdjustedPeriod(Frozen):
    """A period that was billed before, and its statement."""

    statement_id: str
    subscription_id: str
    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")


class FeePeriod(Frozen):
    """The days that a fee in advance is for."""

    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")
    statement_id: str | None = Field(
        default=None, description="the line changes what this statement charged for these days"
    )


class SpendReached(Frozen):
    """Why a progressive statement was made, and what it is true for."""

    threshold_exact: str = Field(description="of the plan; plain decimal")
    spend_exact: str = Field(description="of the period's usage: plain decimal, or n/d")
    watermark: datetime = Field(description="usage that was counted before it is in")


class StatementLine(Frozen):
    """What one charge comes to in the period. `line_key` orders lines and breaks ties."""

    line_key: str
    charge: str
    model: str = Field(description="the charge's price model: per_unit, graduated, volume, …")
    description: str
    quantity: Quantity
    unit: str = Field(description="what the quantity counts: tokens, seats, periods, …")
    amount_exact: str = Field(description="plain decimal, or numerator/denominator")
    steps: list[RatingStep]
    details: list[StatementDetail]
    pools: list[PoolDraw] = Field(default=[], description="in the order in which they burnt")
    blocked_exact: str = Field(
        default="0", description="above the pools and not billed: units, or money"
    )
    cost: ProviderCost | None = Field(
        default=None, description="null for what has no usage of its own: fees, surcharges"
    )
    adjusts: AdjustedPeriod | None = Field(
        default=None,
        description="the line is what this earlier period comes to now, less what was billed of it",
    )
    advance: FeePeriod | None = Field(
        default=None,
        exclude_if=lambda period: period is None,
        description="the line is a fee that is charged before these days, or a change of one",
    )
    quantity_exact: str | None = Field(
        default=None,
        exclude_if=lambda text: text is None,
        description="numerator/denominator of a quantity that `quantity` has only the nearest of",
    )
    meters: list[MeterUsed] = Field(
        default_factory=list,
        exclude_if=lambda meters: not meters,
        description="values that are of the period and not of single days, agents or models",
    )
    credited: str | None = Field(
        default=None,
        exclude_if=lambda statement_id: statement_id is None,
        description="the progressive statement of the same period that the line takes off",
    )


class UnratedUsage(Frozen):
    """Usage that no charge claims: never dropped, shown, and an alert."""

    provider: str
    model: str
    kind: str
    quantity: Quantity


class StatementPart(Frozen):
    """Days of a period that were rated by terms of their own, up to the next part."""

    starts_on: date
    price_book: str
    price_version: int = Field(ge=1)
    price_hash: str
    plan: str
    charged: Literal["all", "usage", "nothing"] = Field(
        description="usage: paused, nothing by days; nothing: a trial"
    )


class UnpricedUsage(Frozen):
    """Usage whose cost at the provider nobody knows: it is billed, and has no margin."""

    provider: str
    model: str
    kind: str
    reason: str
    quantity: Quantity


class CreditDraw(Frozen):
    """What a grant of prepaid credit pays of a line."""

    grant_id: str
    line_key: str
    amount_exact: str
    tax: Literal["at_use", "at_purchase"] = Field(
        description="at_use lowers the taxable amount; at_purchase is a payment"
    )


class CreditReturn(Frozen):
    """Credit that goes back to its grants, since an adjusted period costs less than was billed."""

    statement_id: str = Field(description="of the adjusted period, which had drawn it")
    amount_exact: str


class StatementRated(Message):
    """The statement of one subscription's period, `[period_start, period_end)` in UTC days.

    `opening`: the fees in advance of the subscription's first period that is not free.
    `progressive`: the usage of a period that is still open, when its spend reached a threshold.
    `topup`: an order of prepaid credit, on the day `period_start`; it has no subscription, price
    book and plan (`-`), and counts the tenant's orders.
    """

    topic: ClassVar[Topic] = STATEMENT_RATED

    tenant_id: str
    statement_id: str
    subscription_id: str
    kind: Literal["period", "opening", "progressive", "topup"]
    sequence: int = Field(
        ge=1,
        description="1 for the subscription's first period, counting up; progressive statements, "
        "and a tenant's orders of credit, have numbers of their own",
    )
    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")
    currency: str
    price_book: str
    price_version: int = Field(ge=1)
    price_hash: str
    plan: str
    input_hash: str
    rating_hash: str
    total_exact: str
    lines: list[StatementLine]
    unrated: list[UnratedUsage]
    parts: list[StatementPart] = Field(
        default_factory=list,
        exclude_if=lambda parts: not parts,
        description="of a period with several terms; price and plan above are the last part's",
    )

    cost: ProviderCost | None = Field(
        default=None, description="of all usage, also of what no charge claims"
    )
    unpriced: list[UnpricedUsage] = Field(default=[])
    list_prices: str | None = Field(
        default=None, description="release of the list prices that the costs were found in"
    )

    credits: list[CreditDraw] = Field(
        default=[], description="what credits pay of `total_exact`; no part of the rating"
    )

    returns: list[CreditReturn] = Field(
        default=[], description="what goes back to credits, and so does not lower the amount due"
    )

    reached: SpendReached | None = Field(
        default=None,
        exclude_if=lambda reached: reached is None,
        description="of a progressive statement",
    )

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id)


class AdjustmentCredited(Message):
    """A closed period is cheaper by what is known now, and the difference is credited.

    It is on no statement. Invoicing credits what did not return to prepaid credits: on the period's
    own invoice as far as that can be, the rest opens the tenant's next one.
    """

    topic: ClassVar[Topic] = STATEMENT_RATED

    tenant_id: str
    adjustment_id: str
    statement_id: str = Field(description="of the period")
    subscription_id: str
    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")
    currency: str
    revision: int = Field(ge=1, description="of the rating, which is the period's last one now")
    rating_hash: str
    total_exact: str = Field(description="below zero: the sum of the lines")
    returned_exact: str = Field(description="what of that returned to prepaid credits, not below 0")
    settlement: Literal["balance", "refund", "out_of_band"] = Field(
        description="where that part goes which is paid already"
    )
    lines: list[StatementLine] = Field(
        description="differences by the line keys of the period's statement, exact"
    )

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id)
