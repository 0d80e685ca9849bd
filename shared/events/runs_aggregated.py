"""`runs.aggregated`: what runs used and what came of them, from metering to pricing.

Guarantees: what is told of a part of a run is cumulative, so the message with the highest `version`
is the whole truth of every row in it, and receiving one twice or late is harmless. Rows never
vanish: what corrections took back whole comes with 0 events. A topic apart from
`usage.aggregated`: runs are many, and nothing is billed by them, so they never hold up what is.
"""

from datetime import date, datetime
from typing import ClassVar, Literal

from pydantic import Field

from shared.events.message import Frozen, Message, Quantity
from shared.topics import RUNS_AGGREGATED, Topic

RUN_ROWS_PER_MESSAGE = 500
"""Parts, rows of usage and rows of outcomes in one message, of each at most."""
KEY_PATTERN = r"^[0-9a-f]{32}$"


class RunUsage(Frozen):
    """What a part of a run used of one kind, by everything that a cost depends on.

    `kind` is a token type or a unit; values of meters are not told by run. `key` is the same for
    the same circumstances, kind and day, and for what repeats something or does not.
    """

    key: str = Field(pattern=KEY_PATTERN)
    provider: str
    model: str
    kind: str
    context_band: str
    service_tier: str
    batch: bool
    speed: str
    region: str
    purpose: str
    is_retry: bool = Field(description="its events say so by the tag `retry_of`")
    usage_day: date
    quantity: Quantity
    events: int = Field(description="negative where corrections take back more than they add")


class RunOutcome(Frozen):
    """Outcomes of one name, from one source, that a part of a run told.

    `source` is as events name it: `measured`, `self_reported` or `modelled`, with or without who
    says so behind a colon (`measured:crm`); anything else, or nothing, says none of the three.
    """

    name: str = Field(description="empty: what a trusted producer wrote cannot be read")
    source: str
    value: Quantity = Field(description="sum of the outcomes' values")
    events: int = Field(description="how many outcomes")


class RunPart(Frozen):
    """A run, or the part of it that one agent's version did below one parent and that ended alike.

    Most runs have one part; one with calls that failed has another of that status. `key` is the
    same for the same run, parent, agent, version and status. A part with more rows than a message
    holds is in several, each with other rows.
    """

    key: str = Field(pattern=KEY_PATTERN)
    run_id: str = Field(min_length=1)
    parent_run_id: str = Field(description="empty: of no run, as far as its events say")
    agent: str
    agent_version: str = Field(description="the tag `agent_version` of its events, or empty")
    status: Literal["completed", "aborted", "failed"]
    first_at: datetime
    last_at: datetime = Field(description="when its last event happened, inclusive")
    events: int
    usage: list[RunUsage] = Field(max_length=RUN_ROWS_PER_MESSAGE)
    outcomes: list[RunOutcome] = Field(max_length=RUN_ROWS_PER_MESSAGE)


class RunsAggregated(Message):
    """What changed of one tenant's runs. `watermark`: events counted before it are in."""

    topic: ClassVar[Topic] = RUNS_AGGREGATED

    tenant_id: str
    version: int = Field(ge=1)
    watermark: datetime
    parts: list[RunPart] = Field(max_length=RUN_ROWS_PER_MESSAGE)

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id)
