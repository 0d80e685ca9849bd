"""HTTP models of what becomes of periods that turn out cheaper."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events.statement_rated import StatementLine
from shared.ids import Slug


class AdjustmentSettingWrite(BaseModel):
    """How a difference below zero is settled when usage was corrected after its period was billed.

    It holds from the next rating on.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"negative_adjustments": "credit_note"}]},
    )

    tenant: Slug | None = Field(default=None, description="null: all without one of their own")
    negative_adjustments: Literal["next_statement", "credit_note"] = Field(
        description="a line of the next statement, or a credit note of the period's own invoice"
    )
    settlement: Literal["balance", "refund", "out_of_band"] = Field(
        default="balance", description="where that part of a credit note goes which is paid already"
    )


class AdjustmentSettingRead(BaseModel):
    """The setting in force."""

    negative_adjustments: Literal["next_statement", "credit_note"]
    settlement: Literal["balance", "refund", "out_of_band"]


class CreditedAdjustment(BaseModel):
    """What was credited of a closed period: invoicing makes a credit note of what did not return.

    What cannot be credited opens the tenant's next invoice.
    """

    adjustment_id: str
    statement_id: str = Field(description="of the period")
    subscription_id: str
    period_start: date
    period_end: date = Field(description="exclusive")
    currency: str
    total_exact: str = Field(description="by what it is cheaper, below zero, before coupons")
    returned_exact: str = Field(description="what of that returned to prepaid credits, above zero")
    lines: list[StatementLine]


class CreditOrdered(BaseModel):
    """What an order to credit a period has led to."""

    state: Literal["credited", "waits_for_values"] = Field(
        description="waits_for_values: of meters that are asked for; order again"
    )
    adjustment: CreditedAdjustment | None


class CreditedAdjustments(BaseModel):
    statement_id: str
    adjustments: list[CreditedAdjustment] = Field(description="oldest first")
