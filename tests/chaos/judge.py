"""The verdict: drained to the end, what the database and the API say against the ledger."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from services.metering.ingest.log import KafkaLogEnds
from services.metering.invariants.checking import verify
from services.metering.invariants.rule import Scope
from services.metering.worker.identity import unpack
from shared.accounts.repository import Account
from shared.clock import Clock, utc_day
from shared.database import Database
from tests.chaos.ledger import MARKER_KIND, Cell, Identity, Ledger, Sums

DRAIN_SECONDS_MAX = 90.0
POLL_SECONDS = 0.1
DIFFERENCES_SHOWN = 4
DIMENSIONS = ("tenant", "agent", "model", "kind", "usage_day")


@dataclass(frozen=True)
class Drained:
    """Liveness, apart from safety: records that waited when the faults stopped, and how long."""

    complete: bool
    behind: int
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """What came out; `differences` are sentences, none when all is right."""

    acknowledged: int
    counted: int
    lost: int
    doubled: int
    unknown: int
    rejected: int
    differences: list[str] = field(default_factory=list)


async def drain(database: Database, kafka_bootstrap: str) -> Drained:
    """Wait until every partition is counted to its end, or give up."""
    loop = asyncio.get_running_loop()
    ends = KafkaLogEnds(kafka_bootstrap)
    await ends.start()
    try:
        started, behind = loop.time(), -1
        while True:
            left = _behind(await ends.end_offsets(), await _offsets(database))
            behind = left if behind < 0 else behind
            seconds = loop.time() - started
            if left == 0 or seconds > DRAIN_SECONDS_MAX:
                return Drained(left == 0, behind, seconds)
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await ends.stop()


async def broken_rules(database: Database, kafka_bootstrap: str, account: Account) -> list[str]:
    """Return what breaks the invariants that `tallyrollctl verify` checks."""
    ends = KafkaLogEnds(kafka_bootstrap)
    await ends.start()
    try:
        checked = await verify(database, ends, Scope(account.vendor_id, account.mode))
    finally:
        await ends.stop()
    return [f"{one.name}: {found}" for one in checked for found in one.finding.offending]


async def await_counting(database: Database) -> None:
    """Wait until something of every partition is counted."""
    before = await _offsets(database)
    async with asyncio.timeout(DRAIN_SECONDS_MAX):
        while True:
            now = await _offsets(database)
            if now and all(offset > before.get(p, 0) for p, offset in now.items()):
                return
            await asyncio.sleep(POLL_SECONDS)


def _behind(ends: Mapping[int, int], counted: Mapping[int, int]) -> int:
    return sum(max(end - counted.get(partition, 0), 0) for partition, end in ends.items())


async def _offsets(database: Database) -> dict[int, int]:
    query = text("select partition, next_offset from metering.consumer_offset")
    async with database.transaction() as connection:
        return {row[0]: row[1] for row in await connection.execute(query)}


@dataclass(frozen=True)
class Judge:
    """Compares one account's database and API with the ledger.

    `identities`: whether the worker keeps them; a rival without them is judged by sums alone.
    """

    database: Database
    account: Account
    url: str
    api_key: str
    clock: Clock
    identities: bool = True

    async def judge(self, ledger: Ledger) -> Verdict:
        """Return the verdict on a drained system."""
        acknowledged = ledger.acknowledged()
        known = await self._known() if self.identities else Counter(acknowledged)
        rejected = await self._rejected()
        arrived = {identity for identity in ledger.unknown() if identity in known}
        expected = ledger.expected(acknowledged | arrived)
        found = await self._sums()
        differences = [*ledger.surprises]
        missing = acknowledged - known.keys() - rejected
        differences += _say("acknowledged, neither counted nor rejected", missing)
        differences += _say("with two identities", {i for i, n in known.items() if n > 1})
        differences += _say("never sent, yet counted", known.keys() - ledger.stories.keys())
        differences += _say("conflicts that were not rejected", ledger.conflicts - rejected)
        differences += _say("rejected without a conflict", rejected - ledger.conflicts)
        differences += compare(expected, found, source="SQL")
        differences += compare(expected, await self._sums_of_the_api(), source="GET /v1/usage")
        counted = await self._counted()
        lost, doubled = surplus(expected, found)
        due = len(acknowledged) + len(arrived)
        return Verdict(
            acknowledged=len(acknowledged),
            counted=counted,
            lost=max(lost, due - counted, len(missing)),
            doubled=max(doubled, counted - due),
            unknown=len(ledger.unknown()),
            rejected=len(rejected),
            differences=differences,
        )

    async def _query(self, statement: str, **values: str) -> list[Any]:
        keys = {"vendor": self.account.vendor_id, "mode": self.account.mode, **values}
        async with self.database.transaction() as connection:
            return list((await connection.execute(text(statement), keys)).all())

    async def _known(self) -> Counter[Identity]:
        """Return how many identities each event has: one, whatever the worker thinks."""
        numbers = await self._query(
            "select number, tenant_id from metering.tenant_number "
            "where vendor_id = :vendor and mode = :mode"
        )
        tenants = {row.number: row.tenant_id for row in numbers}
        known: Counter[Identity] = Counter()
        for row in await self._query("select tenant_number, event_id from metering.plain_identity"):
            known[tenants.get(row.tenant_number, ""), row.event_id] += 1
        for row in await self._query("select entries from metering.identity_segment"):
            entries = unpack(row.entries).select("tenant_number", "id_high", "id_low")
            for number, high, low in entries.iter_rows():
                known[tenants.get(number, ""), str(UUID(int=high << 64 | low))] += 1
        return Counter({i: n for i, n in known.items() if i[0]})

    async def _rejected(self) -> set[Identity]:
        rows = await self._query(
            "select tenant_id, event_id from metering.rejected "
            "where vendor_id = :vendor and mode = :mode"
        )
        return {(row.tenant_id, row.event_id) for row in rows}

    async def _counted(self) -> int:
        rows = await self._query(
            "select coalesce(sum(events), 0) from metering.rollup where entry = 'usage' "
            "and kind = :kind and vendor_id = :vendor and mode = :mode",
            kind=MARKER_KIND,
        )
        return int(rows[0][0])

    async def _sums(self) -> dict[Cell, Sums]:
        rows = await self._query(
            "select tenant_id, agent, model, kind, usage_day::text, sum(events), sum(quantity) "
            "from metering.rollup where vendor_id = :vendor and mode = :mode group by 1,2,3,4,5"
        )
        return {tuple(row[:5]): Sums(int(row[5]), Decimal(row[6])) for row in rows}

    async def _sums_of_the_api(self) -> dict[Cell, Sums]:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        first = utc_day(self.clock.now()) - timedelta(days=10)
        query = {"group_by": ",".join(DIMENSIONS), "from": first.isoformat()}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False) as client:
            answer = await client.get("/v1/usage", params=query)
        answer.raise_for_status()
        sums: dict[Cell, Sums] = {}
        for row in answer.json()["rows"]:
            tenant, agent, model, kind, day = (row[name] for name in DIMENSIONS)
            sums[tenant, agent, model, kind, day] = Sums(row["events"], Decimal(row["quantity"]))
        return sums


def surplus(expected: Mapping[Cell, Sums], found: Mapping[Cell, Sums]) -> tuple[int, int]:
    """Return how many events are missing and how many are too many, by cells of the marker."""
    lost = doubled = 0
    for cell in expected.keys() | found.keys():
        if cell[3] == MARKER_KIND:
            more = found.get(cell, Sums()).events - expected.get(cell, Sums()).events
            lost += max(-more, 0)
            doubled += max(more, 0)
    return lost, doubled


def compare(expected: Mapping[Cell, Sums], found: Mapping[Cell, Sums], *, source: str) -> list[str]:
    """Return a sentence for each cell that differs, in events or in quantity."""
    wrong = sorted(
        cell
        for cell in expected.keys() | found.keys()
        if expected.get(cell, Sums()) != found.get(cell, Sums())
    )
    sentences = [
        f"{source}: {'/'.join(cell)} is {found.get(cell, Sums())}, "
        f"expected {expected.get(cell, Sums())}"
        for cell in wrong[:DIFFERENCES_SHOWN]
    ]
    if len(wrong) > DIFFERENCES_SHOWN:
        sentences.append(f"{source}: {len(wrong) - DIFFERENCES_SHOWN} more sums differ")
    return sentences


def _say(what: str, identities: Iterable[Identity]) -> list[str]:
    found = sorted(identities)
    if not found:
        return []
    return [f"{len(found)} events {what}, the first {found[:3]}"]
