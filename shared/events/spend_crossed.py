"""`spend.crossed`: spend, credit or a budget crossed a bound that the vendor has set.

Guarantees: written in the transaction that crosses it, so it is told of once; `crossing_id` stays
the same when the message is sent again.
"""

from datetime import date
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.events.message import Message
from shared.topics import SPEND_CROSSED, Topic


def _is_none(value: object) -> bool:
    return value is None


class SpendCrossed(Message):
    """A bound that was crossed.

    `wallet_low`: prepaid credit fell below it, and was not bought. `spend_threshold`: what the
    usage of an open period comes to has reached a threshold of its plan (then with a statement), or
    an amount of its spend alerts.
    """

    topic: ClassVar[Topic] = SPEND_CROSSED

    tenant_id: str
    crossing_id: str
    kind: Literal["wallet_low", "spend_threshold"]
    currency: str
    bound_exact: str = Field(description="plain decimal, or numerator/denominator")
    now_exact: str = Field(description="what there is behind it: the balance, the spend")
    booked_on: date = Field(description="UTC day on which it was crossed")
    statement_id: str | None = Field(description="the statement that crossed it, or tells of it")
    subscription_id: str | None = Field(
        default=None, exclude_if=_is_none, description="of a spend_threshold, as the period"
    )
    period_start: date | None = Field(
        default=None, exclude_if=_is_none, description="of the open period, inclusive"
    )
    period_end: date | None = Field(default=None, exclude_if=_is_none, description="exclusive")

    @model_validator(mode="after")
    def _has_a_period(self) -> Self:
        of_period = (self.subscription_id, self.period_start, self.period_end)
        if self.kind == "spend_threshold" and None in of_period:
            raise ValueError("spend is that of a subscription's period")
        return self

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id)


class EnvelopeCrossed(Message):
    """A share of an envelope's ledger that was crossed, or a forecast beyond it; once a period.

    Amounts are US dollars at provider cost.
    """

    topic: ClassVar[Topic] = SPEND_CROSSED

    crossing_id: str
    envelope: str
    scope: dict[str, str] = Field(description="what it names of tenant, team, agent, user, run")
    ledger: Literal["run", "explore"]
    share: str = Field(description="of the ledger, '1' is all of it; or `forecast`")
    limit_exact: str = Field(description="plain decimal, or numerator/denominator")
    used_exact: str = Field(description="metered, held and committed")
    forecast_exact: str | None = Field(description="of the whole period; null: not enough history")
    step: str = Field(description="of the ladder that holds now")
    period_start: date
    period_end: date = Field(description="exclusive")

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.scope.get("tenant", ""))
