"""Questions about usage: which rollup answers them, and the sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.rollups import (
    DIMENSIONS,
    PRICES,
    USERS,
    Rollup,
    Step,
    choose_rollup,
    combinations,
)
from services.metering.repository import usage
from services.metering.repository.offsets import read_watermark
from services.metering.repository.usage import Sums, Window
from services.metering.schemas import Statistics
from shared.accounts.repository import Account
from shared.errors import Fault, TallyrollError
from shared.topics import USAGE_RECORDED

ROWS_MAX = 10_000


@dataclass(frozen=True)
class UsageQuestion:
    """Usage of one or all tenants by dimensions; `by_user` asks the rollup of users."""

    window: Window
    group_by: tuple[str, ...]
    by_user: bool = False
    step: Step | None = None
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows_max: int = ROWS_MAX


@dataclass(frozen=True)
class UsageSums:
    """The rows of an answer by the API's names; everything accepted before `as_of` is in."""

    as_of: datetime
    names: tuple[str, ...]
    rows: Sequence[RowMapping]


async def read_usage(connection: AsyncConnection, question: UsageQuestion) -> UsageSums:
    """Return sums of usage, true for the watermark in them.

    Raises `unknown_dimension` with every name that there is not, `unknown_combination`,
    `too_many_rows`.
    """
    rollup = _rollup_for(question)
    # Quantities of different kinds do not add up.
    names = tuple(dict.fromkeys((*question.group_by, "kind")))
    as_of = await read_watermark(connection, USAGE_RECORDED)
    sums = Sums(rollup, names, question.step, question.filters)
    rows = await usage.sum_usage(connection, question.window, sums, limit=question.rows_max + 1)
    if len(rows) > question.rows_max:
        message = (
            f"The answer has more than {question.rows_max} rows: ask for fewer days, dimensions or "
            "names."
        )
        raise TallyrollError("too_many_rows", message)
    windows = (usage.WINDOW_START,) if question.step else ()
    return UsageSums(as_of, (*windows, *names), rows)


def _rollup_for(question: UsageQuestion) -> Rollup:
    known = USERS.columns if question.by_user else DIMENSIONS
    message = f"Usage can be grouped by {', '.join(known)}."
    faults = [
        Fault("unknown_dimension", f"group_by.{name[:128]}", message)
        for name in dict.fromkeys(question.group_by)
        if name not in known
    ]
    if faults:
        subject = faults[0].path.removeprefix("group_by.")
        raise TallyrollError("unknown_dimension", message, subject=subject, faults=faults)
    asked = {*question.group_by, *question.filters}
    rollup = USERS if question.by_user else choose_rollup(asked, question.step)
    if rollup is None or not rollup.has(asked, question.step):
        own = PRICES.columns.keys() ^ USERS.columns.keys()
        names = [*sorted(asked & own), *([question.step] if question.step == "hour" else [])]
        raise TallyrollError("unknown_combination", combinations(), subject=",".join(names))
    return rollup


async def read_statistics(connection: AsyncConnection, account: Account) -> Statistics:
    """Return what the account has counted, seen twice and rejected."""
    as_of = await read_watermark(connection, USAGE_RECORDED)
    counts = await usage.read_statistics(connection, account)
    return Statistics.model_validate({"mode": account.mode, "as_of": as_of, **counts})
