"""The roster of agents on a real database: from the rollups that come to pricing."""

import csv
from datetime import date
from io import StringIO

import httpx

from shared.database import Database

from .agents_api import price_input, roster
from .billing_api import Headers
from .growth_api import DECEMBER, by_user, grown, store_usage, tokens

RESOLVED = "tickets_resolved"


async def test_the_roster_by_hand(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """support-0: 40,000 tokens after 30,000, for 0.08 after 0.06 dollars; brings in 120.

    With 10,000 that failed it is 0.1 for 4 tickets, 0.025 each, and a fifth of its tokens failed.
    """
    await price_input(client, headers)
    await grown(client, headers, store, vendor)
    more = [
        tokens(12, 8, 10_000, status="failed"),
        tokens(12, 5, 3).model_copy(update={"kind": RESOLVED}),
        tokens(12, 8, 1).model_copy(update={"kind": RESOLVED}),
        tokens(12, 9, 500, agent="own", model="homemade", provider="own"),
    ]
    users = [
        *(by_user(user, date(2023, 12, 5), 1) for user in ("ada", "bob", "")),
        by_user("ada", date(2023, 12, 6), 1, agent="writer"),
        by_user("ada", date(2023, 11, 6), 1, agent="bot"),
    ]
    await store_usage(store, vendor, *more, version=2, users=users)

    found, agents = await roster(client, headers, outcome=RESOLVED)

    one = agents["support-0"]
    assert ("50000", "30000", "0.1", "0.06", "120", "119.9") == tuple(
        one[name]
        for name in ("tokens", "tokens_before", "cost", "cost_before", "revenue", "margin")
    )
    assert ("20", "0", 2, 2) == (
        *(one["failed_percent"], one["aborted_percent"]),
        *(one["active_days"], one["users"]),
    )
    assert ("2023-11-10", "2023-12-08") == (one["first_day"], one["last_day"])
    outcome = one["outcome"]
    assert ("4", "0.025") == (outcome["outcomes"], outcome["cost_per_outcome"])
    assert float(outcome["lower"]) < 0.025 < float(outcome["upper"])
    own = agents["own"]
    assert ("0", None, [{"kind": "input_uncached", "quantity": "500"}]) == (
        *(own["cost"], own["margin"]),
        own["unpriced"],
    )
    assert {"people": 2, "agents_per_person": "1.5"} == found["span"]
    assert (None, []) == (one["runs"], one["versions"])


async def test_agents_that_are_gone_are_told_too(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Who used nothing now but did before; who did neither is not there."""
    await grown(client, headers, store, vendor)

    _, agents = await roster(client, headers, **{"from": "2024-01-01", "to": "2024-02-01"})
    _, nobody = await roster(client, headers, **{"from": "2024-06-01", "to": "2024-07-01"})

    assert {"support-0", "writer", "bot"} == agents.keys()
    assert ("0", "40000", "-100") == tuple(
        agents["support-0"][name] for name in ("tokens", "tokens_before", "tokens_growth_percent")
    )
    assert {} == nobody


async def test_the_roster_as_a_file_and_as_a_plot(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The same figures; fewer agents on request, and how many there are more."""
    await price_input(client, headers)
    await grown(client, headers, store, vendor)

    file = await client.get("/v1/agents", params=DECEMBER | {"format": "csv"}, headers=headers)
    plot = await client.get(
        "/v1/agents", params=DECEMBER | {"format": "vega-lite", "top": "1"}, headers=headers
    )
    few, _ = await roster(client, headers, top="1")

    rows = {row["agent"]: row for row in csv.DictReader(StringIO(file.text))}
    assert {"support-0", "bot", "writer"} == rows.keys()
    assert [("before", 0.06), ("now", 0.08)] == [
        (row["days"], row["cost"]) for row in plot.json()["data"]["values"]
    ]
    assert (1, 2) == (len(few["agents"]), few["more"])
