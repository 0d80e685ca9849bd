"""Sealed days counted again from the archive, beside the rollup; nothing is stored."""

from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from services.metering.archive.recount import Recounted
from services.metering.archive.verification import shown
from shared.accounts.repository import Account
from shared.differences import Difference, difference

ARCHIVE_SECONDS_MAX = 20.0
"""How long to wait for an archive that is behind; a sealed day is in it within seconds."""

_IDS = ("tenant_id", "agent", "model", "kind", "usage_day", "entry")


class CountsAgain(Protocol):
    """Counts a sealed day another way, and changes nothing."""

    async def count_again(self, account: Account, day: date) -> Recounted: ...


@dataclass(frozen=True)
class DayCounted:
    """How many events the archive has of a day, and where the rollup says something else."""

    events: int
    differences: list[Difference] = field(default_factory=list)


async def reconcile_day(counting: CountsAgain, account: Account, day: date) -> DayCounted:
    """Compare a sealed day's archive with its rollup, row by row of what differs."""
    recounted = await counting.count_again(account, day)
    found = [_difference(day, shown(row)) for row in recounted.differences]
    if more := recounted.differing_rows - len(found):
        found.append(difference("events_rollup_differ_more", {"booked_day": day}, {"rows": more}))
    return DayCounted(recounted.events, found)


def _difference(day: date, row: dict[str, object]) -> Difference:
    ids = {"booked_day": day} | {name: row[name] for name in _IDS if name in row}
    figures = {
        "archive": f"{row['recounted']} ({row['recounted_events']} events)",
        "rollup": f"{row['counted']} ({row['counted_events']} events)",
    }
    return difference("events_rollup_differ", ids, figures)
