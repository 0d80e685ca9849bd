"""The usage API over sums that a ledger has counted: windows, filters, forms, refusals."""

import csv
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from fastapi import FastAPI

from services.metering.api import Dependencies, router
from shared.accounts.access import Caller
from shared.accounts.keys import Scope
from shared.api import create_api
from shared.clock import FrozenClock
from shared.database import Database
from tests.integration.metering.conftest import NOON, Ledger, make_event

SPAN = {"from": "2026-01-01", "to": "2026-03-01"}


@dataclass(frozen=True)
class _Access:
    """Knows one key of the ledger's vendor."""

    vendor_id: str

    async def authorise(self, _text: str, _scopes: object) -> Caller:
        return Caller("key", self.vendor_id, "live", None, frozenset(Scope))


def make_app(database: Database, vendor_id: str) -> FastAPI:
    """Return the API over a database, without a broker."""
    access: Any = _Access(vendor_id)
    nothing: Any = None
    app = create_api("metering", "test", lifespan=nothing, access=access)
    clock = FrozenClock(datetime(2026, 2, 10, tzinfo=UTC))
    app.state.dependencies = Dependencies(
        database, nothing, nothing, nothing, clock, 4, nothing, nothing, nothing
    )
    app.include_router(router)
    return app


@pytest.fixture(name="client")
async def _client(ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(ledger.database, ledger.vendor_id))
    async with httpx.AsyncClient(transport=transport, base_url="http://metering") as client:
        await ledger.count(
            make_event("1"),
            make_event("2", occurred_at=NOON + timedelta(hours=2), agent="writer", team="blue"),
            make_event("3", occurred_at=NOON + timedelta(days=2), user="dev-2"),
            make_event("4", units={"audio_seconds": "0.123456789"}, tokens={}, provider="azure"),
        )
        yield client


async def _rows(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/usage", params=SPAN | parameters)
    assert 200 == answer.status_code, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


async def test_windows(client: httpx.AsyncClient) -> None:
    """Rows tell the start of their hour, day or month, in UTC."""
    asked = {"group_by": "kind", "kind": "input_uncached"}

    found = {
        window: [
            (r["window_start"], r["quantity"]) for r in await _rows(client, window=window, **asked)
        ]
        for window in ("hour", "day", "month")
    }

    assert {
        "hour": [
            ("2026-01-31T12:00:00Z", "5"),
            ("2026-01-31T14:00:00Z", "5"),
            ("2026-02-02T12:00:00Z", "5"),
        ],
        "day": [("2026-01-31T00:00:00Z", "10"), ("2026-02-02T00:00:00Z", "5")],
        "month": [("2026-01-01T00:00:00Z", "10"), ("2026-02-01T00:00:00Z", "5")],
    } == found


async def test_filters_hold_any_of_their_values(client: httpx.AsyncClient) -> None:
    """Values of one filter are alternatives, different filters hold together."""
    both = await _rows(client, group_by="agent", agent=["coder", "writer"], kind="output_text")
    none = await _rows(client, group_by="agent", agent="writer", provider="azure")
    one = await _rows(client, group_by="user", user="dev-2", kind="input_uncached")

    assert [("coder", "4"), ("writer", "2")] == [(r["agent"], r["quantity"]) for r in both]
    assert [] == none
    assert [("dev-2", "5")] == [(r["user"], r["quantity"]) for r in one]


async def test_the_rollup_is_chosen_by_what_is_asked(client: httpx.AsyncClient) -> None:
    """User and team are answered by the users' rollup, providers by the hourly one."""
    by_team = await _rows(client, group_by="team,user", window="day", kind="input_uncached")
    by_provider = await _rows(client, group_by="provider,kind", team=[])

    assert {("", "dev-1"), ("blue", "dev-1"), ("", "dev-2")} == {
        (r["team"], r["user"]) for r in by_team
    }
    assert {"openai", "azure"} == {r["provider"] for r in by_provider}


async def test_csv_is_exact_and_carries_the_watermark(client: httpx.AsyncClient) -> None:
    """CSV has a header line, quantities in full, a file name and the watermark in a header."""
    answer = await client.get(
        "/v1/usage",
        params=SPAN | {"group_by": "provider", "window": "day", "provider": "azure"},
        headers={"accept": "text/csv"},
    )

    assert [
        ["window_start", "provider", "kind", "quantity", "events"],
        ["2026-01-31T00:00:00Z", "azure", "audio_seconds", "0.123456789", "1"],
    ] == list(csv.reader(StringIO(answer.text)))
    assert (
        'attachment; filename="usage-2026-01-01-2026-03-01.csv"'
        == (answer.headers["content-disposition"])
    )
    assert datetime.fromisoformat(answer.headers["tallyroll-as-of"]).tzinfo is not None


async def test_arrow_is_exact(client: httpx.AsyncClient) -> None:
    """An Arrow answer is one stream with quantities of 38 digits, 9 of them decimal places."""
    answer = await client.get(
        "/v1/usage", params=SPAN | {"group_by": "usage_day,batch,hour", "format": "arrow"}
    )
    table = pa.ipc.open_stream(answer.content).read_all()

    assert pa.decimal128(38, 9) == table.schema.field("quantity").type
    assert Decimal("21.123456789") == pc.sum(table["quantity"]).as_py()
    assert date(2026, 1, 31) == table["usage_day"].to_pylist()[0]
    assert answer.headers["tallyroll-as-of"].endswith("Z")


async def test_every_wrong_parameter_is_told_at_once(client: httpx.AsyncClient) -> None:
    """Unknown and unreadable parameters are refused together, each by its place."""
    answer = await client.get(
        "/v1/usage", params={"from": "soon", "colour": "red", "window": "week", "agnet": "x"}
    )

    assert (400, "invalid_request") == (answer.status_code, answer.json()["code"])
    assert {"query.from", "query.colour", "query.window", "query.agnet"} == {
        fault["path"] for fault in answer.json()["faults"]
    }


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"group_by": "user,provider"}, "unknown_combination"),
        ({"group_by": "user", "window": "hour"}, "unknown_combination"),
        ({"group_by": "agent", "team": "blue", "provider": "openai"}, "unknown_combination"),
        ({"group_by": "nonsense,other"}, "unknown_dimension"),
        ({"agent": "a\x00b"}, "invalid_request"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "invalid_window"),
    ],
)
async def test_refusals(client: httpx.AsyncClient, parameters: dict[str, str], code: str) -> None:
    """What no rollup can answer is refused with a code, and a sentence that says what goes."""
    answer = await client.get("/v1/usage", params=parameters)

    assert (400, code) == (answer.status_code, answer.json()["code"])
    if code == "unknown_combination":
        assert "user and team go with tenant" in answer.json()["message"]
