"""`GET /v1/events`: whole, in one order, and for nobody else's eyes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.metering.app import create_app
from services.metering.archive.archiver import Archiver, archive_records
from services.metering.archive.log_reader import read_records_at
from services.metering.archive.storage import ArchiveStorage
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Sender, place
from services.metering.repository import archive as repository
from services.metering.settings import MeteringSettings
from shared.accounts import repository as accounts
from shared.accounts.keys import Scope, format_key, mint_key
from shared.accounts.repository import Account
from shared.accounts.schemas import ApiKeyWrite
from shared.broker import create_producer
from shared.database import Database
from shared.topics import USAGE_RECORDED
from tests.support.database import TestDatabase
from tests.support.stack import StackAddress

from .conftest import make_event

SECRET = "a-secret-of-more-than-thirty-two-characters"
VENDOR = f"vendor-{uuid4().hex[:8]}"
WINDOW = {"from": "2026-01-01", "to": "2026-02-01"}
ENVELOPES = 32
PER_ENVELOPE = 3


@dataclass
class Site:
    """A running API over a log of `ENVELOPES` envelopes, of which some may be archived."""

    app: FastAPI
    database: Database
    storage: ArchiveStorage
    bootstrap: str
    offsets: dict[int, list[int]]
    keys: dict[str, str]

    async def page(self, key: str = "vendor", **query: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {self.keys[key]}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://metering", headers=headers
        ) as client:
            return await client.get("/v1/events", params={**WINDOW, **query})

    async def pages(self, key: str = "vendor", **query: Any) -> list[dict[str, Any]]:
        """Return the events of all pages."""
        events: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await self.page(key, **query, **cursor)
            assert 200 == answer.status_code, answer.text
            body = answer.json()
            events += body["events"]
            if body["next_cursor"] is None:
                return events
            cursor = {"cursor": body["next_cursor"]}

    async def archive(self, partition: int, end: int) -> None:
        """Archive a partition up to an offset."""
        async with self.database.transaction() as connection:
            begin = (await repository.read_archive_offsets(connection))[partition]
        records = await read_records_at(self.bootstrap, {partition: range(begin, end)})
        records.sort(key=lambda r: r.offset)
        for at in range(0, len(records), 4):
            chunk = records[at : at + 4]
            await archive_records(self.database, self.storage, chunk, expected=chunk[0].offset)


@pytest.fixture(name="site")
async def _site(
    stack: StackAddress, metering: Database, database: TestDatabase, writer: Any, tmp_path: Path
) -> AsyncIterator[Site]:
    await writer(VENDOR, live_from=date(2026, 1, 1), tenants=["acme", "globex"])
    opened = Database(database.urls["accounts"])
    keys = {}
    for name, tenant in {"vendor": None, "acme": "acme", "globex": "globex"}.items():
        key = mint_key("live")
        written = ApiKeyWrite(name=name, scopes={Scope.USAGE_READ}, tenant_id=tenant)
        async with opened.transaction() as connection:
            await accounts.create_api_key(
                connection, Account(VENDOR, "live"), key, written=written, pepper=SECRET.encode()
            )
        keys[name] = format_key(key)
    await opened.close()
    offsets = await _append(stack.kafka_bootstrap)
    await _set_offsets(metering, offsets)
    settings = MeteringSettings(
        kafka_bootstrap=stack.kafka_bootstrap,
        secret_key=SecretStr(SECRET),
        metering_database_url=SecretStr(database.urls["metering"]),
        archive_url=str(tmp_path / "archive"),
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        storage = ArchiveStorage.open(settings.archive_url)
        yield Site(app, metering, storage, stack.kafka_bootstrap, offsets, keys)


async def _append(bootstrap: str) -> dict[int, list[int]]:
    producer = create_producer(bootstrap)
    await producer.start()
    offsets: dict[int, list[int]] = {p: [] for p in range(4)}
    for number in range(ENVELOPES):
        tenant = "acme" if number % 2 else "globex"
        events = [
            make_event(f"e-{number}-{i}", tenant_id=tenant, user=f"user-{i}")
            for i in range(PER_ENVELOPE)
        ]
        rows = [place(e, Sender(VENDOR, "live"), partitions=4).row for e in events]
        sent = await producer.send_and_wait(
            USAGE_RECORDED.name, encode_envelope(rows), partition=number % 4
        )
        offsets[sent.partition].append(sent.offset)
    await producer.stop()
    return offsets


async def _set_offsets(database: Database, offsets: dict[int, list[int]]) -> None:
    """Have everything counted, and nothing archived since the first of our records."""
    async with database.transaction() as connection:
        await connection.exec_driver_sql("delete from metering.archive_file")
        await repository.provision_archive(connection, sorted(offsets))
        for partition, own in offsets.items():
            await connection.exec_driver_sql(
                "update metering.archive_offset set next_offset = $1 where partition = $2",
                (own[0], partition),
            )
            await connection.exec_driver_sql(
                "update metering.consumer_offset set next_offset = $1 where partition = $2",
                (own[-1] + 1, partition),
            )


def _ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["event_id"] for event in events]


EVERYTHING = sorted(f"e-{n}-{i}" for n in range(ENVELOPES) for i in range(PER_ENVELOPE))


async def test_pages_are_whole_over_archive_and_log(site: Site) -> None:
    """Archived or not, every event is on one page, in the order of its position."""
    listed = [await site.pages(limit=20)]
    await site.archive(0, site.offsets[0][7])
    await site.archive(2, site.offsets[2][-1] + 1)
    listed.append(await site.pages(limit=25))
    for partition in (0, 1, 3):
        await site.archive(partition, site.offsets[partition][-1] + 1)
    listed.append(await site.pages(limit=1000))

    for events in listed:
        assert EVERYTHING == sorted(_ids(events))
        positions = [(e["partition"], e["offset"], e["index"]) for e in events]
        assert sorted(positions) == positions
    assert listed[0] == listed[1] == listed[2]


async def test_what_is_archived_between_pages_is_not_missed(site: Site) -> None:
    """An event that moves from the log to the archive while somebody pages is listed once."""
    first = (await site.page(limit=10)).json()
    for partition, own in site.offsets.items():
        await site.archive(partition, own[-1] + 1)
    second = (await site.page(limit=1000, cursor=first["next_cursor"])).json()

    assert EVERYTHING == sorted(_ids(first["events"] + second["events"]))
    assert second["next_cursor"] is None


async def test_a_cursor_that_counts_rows_would_lose_events(site: Site) -> None:
    """The broken variant: pages by archive first, then log, doubles what is archived between."""
    before = _ids(await site.pages(limit=1000))
    archived: list[str] = []
    naive_first = archived + before[:10]
    await site.archive(0, site.offsets[0][-1] + 1)
    archived = [e for e in before if int(e.split("-")[1]) % 4 == 3]
    naive_second = (archived + before)[10:]

    assert EVERYTHING != sorted(naive_first + naive_second)


@pytest.mark.parametrize("archived", [False, True])
async def test_a_tenants_key_sees_its_own_events_only(site: Site, archived: bool) -> None:
    """Neither from the log nor from the archive does a tenant's key get another's events."""
    if archived:
        for partition, own in site.offsets.items():
            await site.archive(partition, own[-1] + 1)
    seen = {name: await site.pages(name) for name in ("acme", "globex")}
    refused = await site.page("acme", tenant="globex")

    assert (403, "wrong_tenant") == (refused.status_code, refused.json()["code"])
    for name, events in seen.items():
        assert ({name}, len(EVERYTHING) // 2) == ({e["tenant"] for e in events}, len(events))
    stolen = (await site.page(limit=1)).json()["next_cursor"]
    assert {"acme"} == {e["tenant"] for e in await site.pages("acme", tenant="acme")}
    assert {"acme"} == {
        e["tenant"] for e in (await site.page("acme", cursor=stolen)).json()["events"]
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"user": "user-1"}, ENVELOPES),
        ({"user": "nobody"}, 0),
        ({"tenant": "acme", "agent": "coder"}, ENVELOPES * PER_ENVELOPE // 2),
        ({"model": "gpt-4"}, 0),
        ({"provider": "openai"}, ENVELOPES * PER_ENVELOPE),
        ({"run_id": "run"}, 0),
        ({"kind": "output_text"}, ENVELOPES * PER_ENVELOPE),
        ({"kind": "pages"}, 0),
        ({"from": "2026-01-31", "to": "2026-02-01"}, ENVELOPES * PER_ENVELOPE),
        ({"from": "2026-01-30", "to": "2026-01-31"}, 0),
    ],
)
async def test_filters(site: Site, query: dict[str, str], expected: int) -> None:
    """Filters hold in the archive and in the log."""
    await site.archive(1, site.offsets[1][-1] + 1)

    assert expected == len(await site.pages(**query))


@pytest.mark.parametrize("cursor", ["x", "AAAA", "k5MAAACBwJA", "ü", "lJMAAACA"])
async def test_a_cursor_of_ones_own_making_is_refused(site: Site, cursor: str) -> None:
    """What is no cursor of ours is a 400 with a code."""
    answer = await site.page(cursor=cursor)

    assert (400, "invalid_cursor") == (answer.status_code, answer.json()["code"])


async def test_an_event_is_shown_whole(site: Site) -> None:
    """Counts, dimensions and position are those of the event."""
    event = (await site.page(limit=1, user="user-1")).json()["events"][0]

    shown = {"tenant", "tokens", "agent", "occurred_at", "partition", "offset", "index"}
    assert {
        "tenant": "globex",
        "tokens": {"input_uncached": 5, "output_text": 2},
        "agent": "coder",
        "occurred_at": "2026-01-31T12:00:00Z",
        "partition": 0,
        "offset": site.offsets[0][0],
        "index": 1,
    } == {name: event[name] for name in shown}


async def test_the_archiver_and_the_drill_down_agree(site: Site) -> None:
    """While the archiver is at work every listing is whole."""
    archiver = Archiver(site.bootstrap, site.database, site.storage, seconds=0.2)
    running = asyncio.create_task(archiver.run())
    listings = [await site.pages(limit=50) for _ in range(3)]
    running.cancel()
    await asyncio.wait([running])

    assert [EVERYTHING] * 3 == [sorted(_ids(events)) for events in listings]
