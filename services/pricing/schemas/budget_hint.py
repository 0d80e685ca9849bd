"""HTTP models of budget hints: what programs keep in memory and decide by."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

HintState = Literal["open", "near", "over", "closed"]


def _is_none(value: object) -> bool:
    return value is None


class BudgetHint(BaseModel):
    """Where one ledger of an envelope stands."""

    id: str
    scope: dict[str, str] = Field(description="all have to match: tenant, team, agent, user, run")
    ledger: Literal["run", "explore"]
    state: HintState = Field(description="over: new runs on the cheaper model; closed: none")
    suggested: dict[str, str] = Field(description="model -> the cheaper one to take")
    reason: str
    as_of: datetime
    expires_at: datetime


class BudgetHints(BaseModel):
    """All hints that a key may know; what is not in it is allowed."""

    tenant: str | None = Field(
        default=None, exclude_if=_is_none, description="that the key is bound to"
    )
    hints: list[BudgetHint]
