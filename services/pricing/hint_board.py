"""Answers that wait for news: a program learns of its budget when it changes, not when it asks.

A question is held until the hints differ from those that the asker has. However many ask, an
account's hints are read once in a second, and only while somebody waits.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from services.pricing.handlers.envelopes.hints import etag_of, read_hints
from services.pricing.schemas.budget_hint import BudgetHint, BudgetHints
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database

SECONDS_BETWEEN = 1.0
SHARE_OF_TIME = 20
"""Reading takes a twentieth of the time at most: who has thousands of envelopes waits longer."""
WAIT_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Told:
    """What an asker may know, and as of when it holds."""

    hints: BudgetHints
    as_of: datetime
    etag: str


@dataclass(frozen=True)
class _Round:
    """All hints of an account."""

    hints: list[BudgetHint]
    as_of: datetime

    def of(self, tenant: str | None) -> Told:
        hints = BudgetHints(tenant=tenant, hints=list(_visible(self.hints, tenant)))
        return Told(hints, self.as_of, etag_of(hints))


def _visible(hints: Iterable[BudgetHint], tenant: str | None) -> Iterable[BudgetHint]:
    """Return those of one tenant and those of everybody; all of them for a vendor."""
    return (hint for hint in hints if tenant is None or hint.scope.get("tenant", tenant) == tenant)


@dataclass
class HintBoard:
    """The hints of all accounts, for those who wait for them in this process."""

    database: Database
    clock: Clock
    seconds: float = SECONDS_BETWEEN
    _rounds: dict[Account, asyncio.Task[_Round]] = field(default_factory=dict)
    _took: dict[Account, float] = field(default_factory=dict)

    async def read(self, account: Account, tenant: str | None) -> Told:
        """Return what holds now."""
        async with self.database.transaction("REPEATABLE READ") as connection:
            hints, as_of = await read_hints(connection, account, tenant, now=self.clock.now())
        return Told(hints, as_of, etag_of(hints))

    async def changed(self, account: Account, tenant: str | None, etag: str, wait: float) -> Told:
        """Return what holds as soon as it differs from `etag`, or after so many seconds."""
        end = time.monotonic() + min(wait, WAIT_SECONDS_MAX)
        told = await self.read(account, tenant)
        while told.etag == etag and (left := end - time.monotonic()) > 0:
            done, _ = await asyncio.wait({self._round(account)}, timeout=left)
            for one in done:
                told = one.result().of(tenant)
        return told

    async def close(self) -> None:
        """End what is under way; who waits is told what an ended service tells."""
        for task in list(self._rounds.values()):
            task.cancel()

    def _round(self, account: Account) -> asyncio.Task[_Round]:
        """Return the account's next reading, which begins with the first who waits for it."""
        if account not in self._rounds:
            reading = asyncio.create_task(self._read_later(account))
            reading.add_done_callback(_look_at)
            self._rounds[account] = reading
        return self._rounds[account]

    async def _read_later(self, account: Account) -> _Round:
        try:
            await asyncio.sleep(max(self.seconds, SHARE_OF_TIME * self._took.pop(account, 0.0)))
            began = time.monotonic()
            told = await self.read(account, None)
            self._took[account] = time.monotonic() - began
            return _Round(told.hints.hints, told.as_of)
        finally:
            del self._rounds[account]


def _look_at(reading: asyncio.Task[_Round]) -> None:
    """Take note of a failure: whoever waited for it may have gone."""
    if not reading.cancelled():
        reading.exception()
