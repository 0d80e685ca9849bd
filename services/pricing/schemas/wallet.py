"""HTTP models of wallets, grants and the ledger."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from services.pricing.domain.wallet.grants import CreditScope, Grant, Rollover
from services.pricing.schemas.fields import Amount, Day, Positive
from services.pricing.schemas.provider_price import Named
from shared.ids import Slug
from shared.money import exact

PRIORITY_MAX = 1_000
SCOPE_MAX = 200
DAYS_MAX = 3_660
TIMES_MAX = 120

ONE_OR_MORE = Field(min_length=1, max_length=SCOPE_MAX)


class TopUpRule(BaseModel):
    """Below a balance of `below`, `amount` is bought, as often as it takes to reach it.

    `by` a grant: at once, without an invoice; by an order: invoiced, and granted once it is paid.
    """

    model_config = ConfigDict(extra="forbid")

    below: Amount
    amount: Positive
    by: Literal["grant", "order"] = "grant"


class WalletWrite(BaseModel):
    """How a wallet behaves: what happens without credit, and when credit is bought."""

    model_config = ConfigDict(extra="forbid")

    on_empty: Literal["overage", "hard_stop"] = "overage"
    automatic_top_up: TopUpRule | None = None
    low_balance: Amount | None = Field(
        default=None, description="`spend.crossed` tells when a statement leaves less than this"
    )


class ScopeWrite(BaseModel):
    """What credit may pay: every named list must hold the value; null accepts all."""

    model_config = ConfigDict(extra="forbid")

    charges: Annotated[list[Slug], ONE_OR_MORE] | None = None
    kinds: Annotated[list[Named], ONE_OR_MORE] | None = None
    models: Annotated[list[Named], ONE_OR_MORE] | None = None


class RolloverWrite(BaseModel):
    """What is left at expiry lives on: at most `limit`, for `days`, `times` times."""

    model_config = ConfigDict(extra="forbid")

    limit: Positive | None = None
    days: int = Field(ge=1, le=DAYS_MAX, strict=True)
    times: int = Field(default=1, ge=1, le=TIMES_MAX, strict=True)

    def to_domain(self) -> Rollover:
        return Rollover(exact(self.limit) if self.limit else None, self.days, self.times)


class _Dated(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount: Positive = Field(description="in the wallet's currency, exact")
    valid_from: Annotated[Day | None, Field(description="first day; null: today, UTC")] = None
    expires_on: Annotated[Day | None, Field(description="exclusive; null: never")] = None

    @field_validator("expires_on")
    @classmethod
    def _ends_after_it_starts(cls, day: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("valid_from")
        if day is not None and start is not None and day <= start:
            raise PydanticCustomError("ends_before_start", "Credit is valid for a day at least.")
        return day


class TopUpWrite(_Dated):
    """Credit that is bought at par, for anything."""


class GrantWrite(_Dated):
    """Credit with terms of its own. A lower priority burns first."""

    priority: int = Field(default=100, ge=0, le=PRIORITY_MAX, strict=True)
    cost_basis: Amount = Field(
        default="0", description="what a unit of it was paid with; 0: a present"
    )
    scope: ScopeWrite = ScopeWrite()
    tax: Literal["at_use", "at_purchase"] = Field(
        default="at_use", description="at_use: a discount before tax; at_purchase: a payment"
    )
    rollover: RolloverWrite | None = None

    @field_validator("rollover")
    @classmethod
    def _ends(cls, rollover: RolloverWrite | None, info: ValidationInfo) -> RolloverWrite | None:
        if rollover is not None and info.data.get("expires_on", rollover) is None:
            message = "What never expires does not roll over."
            raise PydanticCustomError("rollover_without_expiry", message)
        return rollover

    def to_domain(self, grant_id: str, *, today: date) -> Grant:
        """Return the grant of these terms; its position is given when it is stored."""
        return Grant(
            grant_id=grant_id,
            position=0,
            amount=exact(self.amount),
            priority=self.priority,
            valid_from=self.valid_from or today,
            expires_on=self.expires_on,
            cost_basis=exact(self.cost_basis),
            scope=CreditScope(
                **{
                    name: None if values is None else frozenset(values)
                    for name, values in self.scope.model_dump().items()
                }
            ),
            tax=self.tax,
            rollover=self.rollover.to_domain() if self.rollover else None,
        )


class GrantWritten(BaseModel):
    grant_id: str


class GrantRead(BaseModel):
    """A grant with what is left of it; `expires_on` may be later than granted after a return."""

    grant_id: str
    terms: dict[str, Any]
    balance_exact: str
    expires_on: date | None


class WalletRead(BaseModel):
    """`balance` is what grants that are valid today hold; all of it exact."""

    tenant_id: str
    currency: str
    on_empty: Literal["overage", "hard_stop"]
    automatic_top_up: TopUpRule | None
    low_balance: str | None
    may_spend: bool = Field(description="false: a hard stop without credit")
    balance_exact: str
    balance_shown: str
    grants: list[GrantRead]


class EntryRead(BaseModel):
    account: str
    grant_id: str
    line_key: str
    amount_exact: str


class TransactionRead(BaseModel):
    """A movement; its entries sum to zero."""

    position: int
    transaction_id: str
    kind: Literal["grant", "draw", "return", "expiry"]
    booked_on: date
    reference: str
    entries: list[EntryRead]
    created_at: datetime


class LedgerPage(BaseModel):
    """Oldest first; `next_after` is the `after` of the next page, null on the last one."""

    transactions: list[TransactionRead]
    next_after: int | None
