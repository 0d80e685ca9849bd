"""HTTP models of the signs that a cap pushed a team to safe work."""

from datetime import date

from pydantic import BaseModel, Field


class SidesRead(BaseModel):
    """One figure on each side of the cap; null where there was nothing to take it from."""

    before: str | None
    after: str | None
    change: str | None = Field(description="after less before")


class BiasRead(BaseModel):
    """Three signs, each before and after a cap. None of them knows why."""

    envelope: str
    capped_on: date
    window_start: date
    window_end: date = Field(description="exclusive")
    explored: SidesRead = Field(description="share of exploration in what was used")
    deferred: SidesRead = Field(
        description="the first three days of a period against the last three of the one before,"
        " less 1: above 0 where work waits for a new period"
    )
    gone: str | None = Field(
        description="share of people who worked before and not since: perhaps somewhere else"
    )
    gone_users: list[str]
    caution: str
