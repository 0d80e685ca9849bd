"""Which rollup answers a question about usage."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Step = Literal["hour", "day", "month"]
"""The length of one window of an answer."""

_SHARED = ("agent", "model", "purpose", "kind", "usage_day", "booked_day", "entry")


@dataclass(frozen=True)
class Rollup:
    """Sums that are kept: the table and, by the API's names, its columns."""

    table: Literal["rollup", "user_rollup"]
    columns: dict[str, str]
    steps: tuple[Step, ...]

    def has(self, names: Collection[str], step: Step | None) -> bool:
        return set(names) <= self.columns.keys() and (step is None or step in self.steps)


def _columns(*names: str) -> dict[str, str]:
    return {"tenant": "tenant_id", **{name: name for name in (*_SHARED, *names)}}


PRICES = Rollup(
    "rollup",
    _columns(
        *("provider", "context_band", "service_tier", "batch", "speed", "region", "status", "hour")
    ),
    ("hour", "day", "month"),
)
USERS = Rollup("user_rollup", _columns("team", "user"), ("day", "month"))
DIMENSIONS = tuple(dict.fromkeys((*PRICES.columns, *USERS.columns)))


def choose_rollup(names: Collection[str], step: Step | None) -> Rollup | None:
    """Return the rollup that has all the names in windows of that length; None if none has."""
    return next((rollup for rollup in (PRICES, USERS) if rollup.has(names, step)), None)


def combinations() -> str:
    """Return the sentence that says what goes together."""
    own = [name for name in PRICES.columns if name not in USERS.columns]
    return (
        f"No rollup has all of these together: user and team go with {', '.join(USERS.columns)} "
        f"and windows of a day or a month, not with {', '.join(own)} or windows of an hour."
    )
