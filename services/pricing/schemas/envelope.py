"""HTTP models of envelopes: what a vendor sets. Amounts are US dollars at provider cost."""

from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.pricing.domain.envelopes.envelope import Envelope, Ledger, Scope
from services.pricing.domain.envelopes.ladder import Ladder
from services.pricing.domain.envelopes.loops import LoopRule
from services.pricing.schemas.efficiency import Share
from services.pricing.schemas.fields import Amount, Count, Identifier, Name, Positive
from shared.money import exact, format_exact

NOTICES_MAX = 10
SUGGESTIONS_MAX = 100
PART_MAX = 10
WINDOW_SECONDS_MAX = 3_600


def _read_part(value: object) -> str:
    try:
        part = exact(value) if isinstance(value, str) else None
    except ValueError:
        part = None
    if part is None or not 0 < part <= PART_MAX:
        message = "A step begins at a decimal string above '0', at most '10': '1' is all of it."
        raise PydanticCustomError("not_a_part", message)
    return format_exact(part)


Part = Annotated[str, BeforeValidator(_read_part, json_schema_input_type=str)]
"""From which part of a ledger on a step holds; above 1 it is in the overdraft."""


class ScopeWrite(BaseModel):
    """Whose work an envelope pays for; what is empty accepts everything."""

    model_config = ConfigDict(extra="forbid")

    tenant: Identifier = ""
    team: Identifier = ""
    agent: Identifier = ""
    user: Identifier = ""
    run: Identifier = ""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not any(self.model_dump().values()):
            message = "A scope names at least one of tenant, team, agent, user and run."
            raise PydanticCustomError("scope_of_nobody", message)
        return self

    def to_domain(self) -> Scope:
        return Scope(**self.model_dump())


class LadderWrite(BaseModel):
    """From which part of a ledger on each step holds; `block` null: when the overdraft is used."""

    model_config = ConfigDict(extra="forbid")

    notify: list[Part] = Field(default=["0.5", "0.75", "0.9", "1"], max_length=NOTICES_MAX)
    advise: Part = "0.9"
    route: Part = "1"
    slow: Part = "1.05"
    ask: Part = "1.1"
    block: Part | None = None

    @model_validator(mode="after")
    def _rises(self) -> Self:
        try:
            self.to_domain()
        except ValueError as error:
            message = "Steps of a ladder do not begin before milder ones; notices rise."
            raise PydanticCustomError("ladder_falls", message) from error
        return self

    def to_domain(self) -> Ladder:
        return Ladder(
            notify=tuple(exact(part) for part in self.notify),
            advise=exact(self.advise),
            route=exact(self.route),
            slow=exact(self.slow),
            ask=exact(self.ask),
            block=None if self.block is None else exact(self.block),
        )


class LoopWrite(BaseModel):
    """When a run is taken for a loop and stopped, whatever its envelope has left."""

    model_config = ConfigDict(extra="forbid")

    window_seconds: Annotated[int, Field(strict=True, ge=1, le=WINDOW_SECONDS_MAX)] = 300
    spend_max: Positive = Field(default="50", description="US dollars in the window, inclusive")
    requests_max: Annotated[Count, Field(ge=1)] = 600

    def to_domain(self) -> LoopRule:
        window = timedelta(seconds=self.window_seconds)
        return LoopRule(window, exact(self.spend_max), self.requests_max)


class EnvelopeWrite(BaseModel):
    """An amount for each period, its part for exploration, and what happens as it is used."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "scope": {"tenant": "acme", "team": "platform"},
                    "period": "month",
                    "amount": "2000",
                    "explore_share": "0.2",
                    "overdraft": "0.15",
                    "suggestions": {"gpt-5": "gpt-5-mini"},
                }
            ]
        },
    )

    scope: ScopeWrite
    period: Literal["day", "week", "month"] = "month"
    amount: Positive = Field(description="US dollars a period")
    explore_share: Share = Field(default="0.2", description="only exploration may use it")
    overdraft: Share = Field(default="0.1", description="repaid by the next period")
    ladder: LadderWrite = LadderWrite()
    loop: LoopWrite = LoopWrite()
    suggestions: dict[Name, Name] = Field(
        default={}, max_length=SUGGESTIONS_MAX, description="model -> the cheaper one for new runs"
    )
    unpriced_per_million: Amount = Field(
        default="0", description="what a million units count whose cost nobody knows"
    )

    def to_domain(self, name: str) -> Envelope:
        return Envelope(
            name=name,
            scope=self.scope.to_domain(),
            length=self.period,
            amount=exact(self.amount),
            explore_share=exact(self.explore_share),
            overdraft=exact(self.overdraft),
            ladder=self.ladder.to_domain(),
        )


class EnvelopeRead(EnvelopeWrite):
    """An envelope as it stands."""

    name: str
    created_at: datetime
    changed_at: datetime


class EnvelopeList(BaseModel):
    """All envelopes, by name."""

    envelopes: list[EnvelopeRead]


Reason = Annotated[Name, Field(description="why, for whoever asks later")]


class RaiseWrite(BaseModel):
    """More for one ledger of the open period, until an end."""

    model_config = ConfigDict(extra="forbid")

    ledger: Ledger
    amount: Positive
    reason: Reason
    until: AwareDatetime


class TransferWrite(BaseModel):
    """What one ledger of the open period gives the other: the only way between them."""

    model_config = ConfigDict(extra="forbid")

    source: Ledger
    amount: Positive
    reason: Reason
    until: AwareDatetime


class ApprovalWrite(BaseModel):
    """A run that may begin although its envelope asks."""

    model_config = ConfigDict(extra="forbid")

    run: Annotated[Identifier, Field(min_length=1)]
    reason: Reason
    until: AwareDatetime


class ForecastRead(BaseModel):
    """What the period comes to: in one of ten cases less than p10, in nine less than p90."""

    p10: str
    p50: str
    p90: str
    exhausted_on: date | None


class LedgerRead(BaseModel):
    """One ledger of the open period."""

    ledger: Ledger
    limit: str = Field(description="its share, raises, less what the overdraft before is repaid by")
    used: str = Field(description="metered, held, and committed before it is metered")
    metered: str
    left: str = Field(description="below 0 in the overdraft")
    ceiling: str = Field(description="what may be used at most")
    share: str
    step: str
    overdrawn_before: str
    burn_short: str | None = Field(description="of the last day; 1 is just enough; null: no pace")
    burn_long: str | None = Field(description="of the last seven days")
    forecast: ForecastRead | None = Field(description="null below 20 days of history")


class EnvelopeState(BaseModel):
    """Where an envelope stands. `stale`: its figures are older than 60 seconds."""

    name: str
    period_start: date
    period_end: date
    as_of: datetime | None
    stale: bool
    ledgers: list[LedgerRead]
    unpriced: dict[str, str] = Field(
        description="provider/model/kind -> quantity, not in `metered`"
    )


def dump(written: BaseModel) -> dict[str, Any]:
    """Return what is stored of a body."""
    return written.model_dump(mode="json")


def shown(value: Fraction | None) -> str | None:
    """Return an exact number as text, None as null."""
    return None if value is None else format_exact(value)
