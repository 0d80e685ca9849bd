"""A look at the envelopes of an account: what was spent, where it goes, what is to be told.

Only what may be another than at the look before is read: tenants whose usage changed, envelopes
that were set anew. A day that begins and a price that changes make everything new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.handlers.envelopes.history import read_parts
from services.pricing.handlers.envelopes.noting import by_name, noted_of
from services.pricing.handlers.envelopes.noting_runs import tallies_of_runs
from services.pricing.handlers.envelopes.spending import Tally, add_up, tally_of
from services.pricing.handlers.envelopes.standing import define, standing_of
from services.pricing.handlers.envelopes.telling import tell_crossed
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository.envelopes import definitions, reservations, spending
from services.pricing.repository.envelopes.facts import read_facts
from services.pricing.repository.envelopes.spending import Feed, Watermarks
from services.pricing.run_tables import run_feed
from shared.accounts.repository import Account

HISTORY = timedelta(days=62)
"""Read at each look: the eight weeks that a forecast looks back on, and the month before."""
TENANTS_AT_ONCE = 50
"""Tenants whose usage is in memory together."""
RUNS_AT_ONCE = 500
"""The same of envelopes of runs."""


@dataclass(frozen=True)
class Seen:
    """What a process noted of an account at its last look, which need not be read again.

    changes    by tenant, the messages of usage that had come
    runs       by tenant, the messages of runs
    envelopes  by name, when it was set
    tallies    by tenant, what it used; of envelopes without a tenant alone
    """

    day: date | None = None
    prices: ProviderPrices | None = None
    changes: Mapping[str, int] = field(default_factory=dict)
    runs: Mapping[str, int] = field(default_factory=dict)
    envelopes: Mapping[str, datetime] = field(default_factory=dict)
    tallies: Mapping[str, Tally] = field(default_factory=dict)


@dataclass(frozen=True)
class Looked:
    """How much was told, and what is seen once the transaction is committed."""

    told: int
    seen: Seen


async def look(
    connection: AsyncConnection, account: Account, seen: Seen, *, now: datetime
) -> Looked:
    """Note what was spent of envelopes, in one snapshot, and tell of it."""
    rows = await definitions.list_all(connection, account)
    feed = await spending.read_feed(connection, account)
    runs = await spending.read_feed(connection, account, run_feed)
    prices = await load_prices(connection, account)
    if seen.day != now.date() or seen.prices is not prices:
        seen = Seen(now.date(), prices)
    of_days = _due([row for row in rows if not row["run"]], seen, seen.changes, feed)
    of_runs = _due([row for row in rows if row["run"]], seen, seen.runs, runs)
    tallies = await _note(connection, account, of_days, seen, feed, now=now)
    await _note_runs(connection, account, of_runs, prices, now=now)
    noted = Watermarks(feed.watermark, runs.watermark)
    await spending.note_look(connection, account, noted, now=now)
    told = await _tell(connection, account, rows, [*of_days, *of_runs], now=now)
    envelopes = {row["name"]: row["changed_at"] for row in rows}
    return Looked(told, Seen(now.date(), prices, feed.changes, runs.changes, envelopes, tallies))


def _due(
    rows: Sequence[RowMapping], seen: Seen, known: Mapping[str, int], feed: Feed
) -> list[RowMapping]:
    """Return envelopes that were set anew, or whose tenant, or any for those of all, used more."""
    changed = {name for name, count in feed.changes.items() if known.get(name) != count}
    return [row for row in rows if _is_due(row, seen, changed)]


def _is_due(row: RowMapping, seen: Seen, changed: set[str]) -> bool:
    if seen.envelopes.get(row["name"]) != row["changed_at"]:
        return True
    return row["tenant"] in changed if row["tenant"] else bool(changed)


async def _note(
    connection: AsyncConnection,
    account: Account,
    due: Sequence[RowMapping],
    seen: Seen,
    feed: Feed,
    *,
    now: datetime,
) -> Mapping[str, Tally]:
    """Note what is due; return the tallies that later looks need."""
    by_tenant = {name: list(own) for name, own in groupby(sorted(due, key=_tenant), key=_tenant)}
    wide = by_tenant.pop("", [])
    same = [name for name in seen.tallies if seen.changes.get(name) == feed.changes.get(name)]
    tallies = {name: seen.tallies[name] for name in same}
    tenants = sorted({*by_tenant, *(feed.changes.keys() - tallies.keys() if wide else ())})
    for first in range(0, len(tenants), TENANTS_AT_ONCE):
        some = tenants[first : first + TENANTS_AT_ONCE]
        found = await _tallies(connection, account, some, now)
        own = [(row, found[name]) for name in some for row in by_tenant.get(name, [])]
        await _note_some(connection, account, own, now)
        if wide:
            tallies |= found
    if wide:
        whole = add_up(tallies.values())
        await _note_some(connection, account, [(row, whole) for row in wide], now)
    return tallies


def _tenant(row: RowMapping) -> str:
    return str(row["tenant"])


async def _tallies(
    connection: AsyncConnection, account: Account, tenants: Sequence[str], now: datetime
) -> dict[str, Tally]:
    since = now.date() - HISTORY
    parts = await read_parts(connection, account, tenants, since=since, now=now)
    parts.sort(key=lambda part: part.scope.tenant)
    by_tenant = groupby(parts, key=lambda part: part.scope.tenant)
    return {tenant: {} for tenant in tenants} | {name: tally_of(own) for name, own in by_tenant}


async def _note_runs(
    connection: AsyncConnection,
    account: Account,
    due: Sequence[RowMapping],
    prices: ProviderPrices,
    *,
    now: datetime,
) -> None:
    """Note what single runs used."""
    since = now.date() - HISTORY
    for first in range(0, len(due), RUNS_AT_ONCE):
        some = due[first : first + RUNS_AT_ONCE]
        found = await tallies_of_runs(connection, account, some, prices, since=since)
        await _note_some(connection, account, found, now)


async def _note_some(
    connection: AsyncConnection,
    account: Account,
    rows: Sequence[tuple[RowMapping, Tally]],
    now: datetime,
) -> None:
    """Note what was spent of envelopes, each with what its tenant, or all, used."""
    today = now.date()
    defined = define((row for row, _ in rows), now)
    starts = {name: one.span_before(today).start for name, one in defined.envelopes.items()}
    before = by_name(await read_facts(connection, account, starts, now))
    noted: list[dict[str, Any]] = []
    for row, tally in rows:
        name = row["name"]
        envelope, settings = defined.envelopes[name], defined.settings[name]
        noted += noted_of(envelope, settings, tally, before[name], today=today)
    await spending.note_spent(connection, account, noted)


async def _tell(
    connection: AsyncConnection,
    account: Account,
    rows: Sequence[RowMapping],
    due: Sequence[RowMapping],
    *,
    now: datetime,
) -> int:
    """Tell of envelopes that were noted, that something is held of, or that were raised."""
    names = {row["name"] for row in due}
    names |= await reservations.held_names(connection, account)
    names |= await definitions.moved_names(connection, account, now.date() - timedelta(days=31))
    standing = await standing_of(
        connection, account, [row for row in rows if row["name"] in names], now
    )
    return await tell_crossed(connection, account, standing)
