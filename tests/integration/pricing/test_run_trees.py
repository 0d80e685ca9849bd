"""From an agent to its runs and to what a run's whole tree cost, on a real database."""

import csv
from io import StringIO
from typing import Any

import httpx
import pytest

from shared.database import Database
from shared.events.runs_aggregated import RunPart
from tests.support.pricing_runs import came_of, part, used

from .agents_api import MILLION, price_input, roster, tell
from .billing_api import Headers
from .growth_api import DECEMBER


async def cost_of(
    client: httpx.AsyncClient, headers: Headers, run: str, **asked: str
) -> dict[str, Any]:
    answer = await client.get(
        f"/v1/runs/{run}/cost", params={"tenant": "globex"} | asked, headers=headers
    )
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def shape(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    names = ("run_id", "depth", "own_cost", "tree_cost", "status")
    return [tuple(run[name] for name in names) for run in found["runs"]]


FAMILY = (
    part("leaf", used(MILLION), came_of(value=3), parent_run_id="mid", agent="writer", minute=4),
    part("mid", used(2 * MILLION), parent_run_id="root", agent="writer", minute=3),
    part("mid", used(MILLION), parent_run_id="root", agent="editor", status="failed", minute=9),
    part("root", used(MILLION), minute=1),
    part("root", came_of("done", ""), agent_version="", minute=61),
    part("side", used(4 * MILLION), parent_run_id="root", minute=2, status="aborted"),
)
"""Children come before their parents; `mid` is of two agents; an outcome of `root` comes late."""


@pytest.mark.parametrize("run", ["root", "mid", "leaf"])
async def test_a_tree_by_hand(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, run: str
) -> None:
    """Two dollars a million tokens: root 2 + side 8 + mid (4 + 2) + leaf 2 = 18 in all."""
    await price_input(client, headers)
    await tell(store, vendor, FAMILY)

    found = await cost_of(client, headers, run)

    assert [
        ("root", 0, "2", "18", "completed"),
        ("side", 1, "8", "8", "aborted"),
        ("mid", 1, "6", "8", "failed"),
        ("leaf", 2, "2", "2", "completed"),
    ] == shape(found)
    root, _, mid, leaf = found["runs"]
    assert (run, "root", "18", True, False, False) == tuple(
        found[name]
        for name in ("run_id", "root_run_id", "cost", "complete", "circular", "truncated")
    )
    assert ("3600", 4, None, [{"agent": "support", "version": "1"}]) == tuple(
        root[name] for name in ("seconds", "tree_runs", "parent_run_id", "agents")
    )
    assert ["editor", "writer"] == [one["agent"] for one in mid["agents"]]
    assert [{"name": "resolved", "source": "measured", "outcomes": 1, "value": "3"}] == leaf[
        "outcomes"
    ]
    assert "unstated" == root["outcomes"][0]["source"]


async def test_roots_sum_to_what_agents_cost(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The roster adds up own costs: 18 dollars, as the tree; the tree of `mid` is in it once."""
    await price_input(client, headers)
    await tell(store, vendor, FAMILY)

    _, agents = await roster(client, headers)

    assert {"support": "10", "writer": "6", "editor": "2"} == {
        name: one["runs"]["cost"] for name, one in agents.items()
    }


async def test_orphans_circles_and_tenants(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A parent that was never seen, a circle, and a run of the same name at another tenant."""
    await price_input(client, headers)
    await client.put("/v1/tenants/initech", json={"name": "Initech"}, headers=headers)
    circle = [part(one, used(MILLION), parent_run_id=up) for one, up in ("ab", "bc", "ca")]
    await tell(store, vendor, [*circle, part("orphan", used(MILLION), parent_run_id="gone")])
    foreign = [part("orphan", used(9 * MILLION)), part("gone", used(MILLION))]
    await tell(store, vendor, foreign, tenant="initech")

    orphan = await cost_of(client, headers, "orphan")
    gone = await cost_of(client, headers, "gone")
    turning = await cost_of(client, headers, "b")
    other = await cost_of(client, headers, "orphan", tenant="initech")

    assert [("gone", 0, None, "2", None), ("orphan", 1, "2", "2", "completed")] == shape(orphan)
    assert [(False, False), (True, True)] == [
        (run["seen"], run["unlinked"]) for run in orphan["runs"]
    ]
    assert orphan["runs"] == gone["runs"]
    assert (True, "a", "6", 3) == (
        *(turning["circular"], turning["root_run_id"], turning["cost"]),
        len(turning["runs"]),
    )
    assert [("orphan", 0, "18", "18", "completed")] == shape(other)


async def test_a_thousand_runs_below_one_another(
    client: httpx.AsyncClient,
    headers: Headers,
    store: Database,
    vendor: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told child first, from whichever run: all of them; beyond the bound the tree says so."""
    await price_input(client, headers)
    chain = [part("r0", used(MILLION))]
    chain += [part(f"r{n}", used(MILLION), parent_run_id=f"r{n - 1}") for n in range(1, 1_000)]
    await tell(store, vendor, chain[::-1])

    found = await cost_of(client, headers, "r500")
    monkeypatch.setattr("services.pricing.handlers.run_trees.RUNS_MAX", 10)
    bounded = await cost_of(client, headers, "r500")

    assert ("r0", "2000", 1_000, False) == (
        *(found["root_run_id"], found["cost"]),
        *(len(found["runs"]), found["truncated"]),
    )
    assert 999 == found["runs"][-1]["depth"]
    assert bounded["truncated"]
    assert len(bounded["runs"]) <= 11


async def test_what_has_no_price_is_never_free(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Its cost is not told, and the tree's is that of the rest."""
    await price_input(client, headers)
    own = used(5, "pages", provider="own", model="homemade")
    await tell(store, vendor, [part("a", used(MILLION)), part("b", own, parent_run_id="a")])

    first, second = (await cost_of(client, headers, "a"))["runs"]

    assert ("2", True, "2", False) == tuple(
        first[name] for name in ("own_cost", "own_complete", "tree_cost", "tree_complete")
    )
    assert (None, None, [{"kind": "pages", "quantity": "5"}]) == tuple(
        second[name] for name in ("own_cost", "tree_cost", "unpriced")
    )


async def runs_of(
    client: httpx.AsyncClient, headers: Headers, agent: str = "support", **asked: str
) -> dict[str, Any]:
    url = f"/v1/agents/{agent}/runs"
    answer = await client.get(url, params=DECEMBER | asked, headers=headers)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_from_an_agent_to_its_runs(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The latest or the dearest first, by the agent's own cost; the status is the run's."""
    await price_input(client, headers)
    await tell(store, vendor, [*FAMILY, part("old", used(MILLION), days=-20)])

    latest = await runs_of(client, headers)
    dearest = await runs_of(client, headers, order="dearest", limit="1")
    editor = await runs_of(client, headers, "editor")
    nobody = await runs_of(client, headers, "nobody")
    elsewhere = await runs_of(client, headers, tenant="initech")

    assert [("root", "2", "completed", ["1"], 1), ("side", "8", "aborted", ["1"], 0)] == [
        tuple(one[name] for name in ("run_id", "cost", "status", "versions", "outcomes"))
        for one in latest["runs"]
    ]
    assert (["side"], True) == ([one["run_id"] for one in dearest["runs"]], dearest["more"])
    assert [("mid", "2", "failed", "root")] == [
        tuple(one[name] for name in ("run_id", "cost", "status", "parent_run_id"))
        for one in editor["runs"]
    ]
    assert [] == nobody["runs"] == elsewhere["runs"]


async def test_runs_as_files(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The same figures; a name that a spreadsheet would take for a formula is text."""
    await price_input(client, headers)
    parts: list[RunPart] = [part("+1", used(MILLION)), part("b", parent_run_id="+1")]
    await tell(store, vendor, parts)

    tree = await client.get(
        "/v1/runs/b/cost", params={"tenant": "globex", "format": "csv"}, headers=headers
    )
    runs = await client.get(
        "/v1/agents/support/runs", params=DECEMBER, headers=headers | {"Accept": "text/csv"}
    )
    agents = await client.get("/v1/agents", params=DECEMBER | {"format": "csv"}, headers=headers)

    first, second = csv.DictReader(StringIO(tree.text))
    assert ("'+1", "2", "support@1", "0") == tuple(
        first[name] for name in ("run_id", "tree_cost", "agents", "depth")
    )
    assert ("b", "'+1") == (second["run_id"], second["parent_run_id"])
    assert {"'+1", "b"} == {row["run_id"] for row in csv.DictReader(StringIO(runs.text))}
    (row,) = csv.DictReader(StringIO(agents.text))
    assert ("2", "2", "100", "0", "") == tuple(
        row[name]
        for name in ("runs", "runs_cost", "runs_success_percent", "runs_cost_p50", "owner")
    )


@pytest.mark.parametrize(
    ("path", "asked", "code"),
    [
        ("runs/nobody/cost", {"tenant": "globex"}, "unknown_run"),
        ("runs/root/cost", {"tenant": "initech"}, "unknown_run"),
        ("runs/root/cost", {}, "tenant_required"),
        ("runs/root/cost", {"tenant": "globex\x00"}, "invalid_request"),
        ("runs/root/cost", {"tenant": "globex", "format": "vega-lite"}, "invalid_request"),
        ("runs/ro%00ot/cost", {"tenant": "globex"}, "invalid_request"),
        ("runs/%ff/cost", {"tenant": "globex"}, "invalid_request"),
        (f"runs/{'x' * 129}/cost", {"tenant": "globex"}, "invalid_request"),
        ("agents/sup%00port/runs", DECEMBER, "invalid_request"),
        ("agents/support/runs", {}, "invalid_request"),
        ("agents/support/runs", DECEMBER | {"order": "cheapest"}, "invalid_request"),
        ("agents/support/runs", DECEMBER | {"limit": "501"}, "invalid_request"),
        ("agents/support/runs", DECEMBER | {"limit": "1_0"}, "invalid_request"),
        ("agents/support/runs", DECEMBER | {"from": "2024-02-01"}, "invalid_window"),
        ("agents/support/runs", DECEMBER | {"tenant": "'; drop"}, "invalid_request"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    client: httpx.AsyncClient,
    headers: Headers,
    path: str,
    asked: dict[str, str],
    code: str,
) -> None:
    """With a stable code; nothing is a failure of ours."""
    answer = await client.get(f"/v1/{path}", params=asked, headers=headers)

    assert code == answer.json()["code"]
    assert answer.status_code in {400, 404}


async def test_a_tenant_never_sees_what_providers_take(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Costs, cards and the roster are the vendor's; and another vendor has none of its runs."""
    await tell(store, vendor, FAMILY)
    body = {"tenant_id": "globex", "scopes": ["billing:read", "accounts:write"], "name": "t"}
    named = {**headers, "Idempotency-Key": "key"}
    made = await client.post("/v1/api-keys", json=body, headers=named)
    assert made.is_success, made.text
    own = {"Authorization": f"Bearer {made.json()['api_key']}"}
    own_run = {"tenant": "globex"}

    answers = [
        await client.get("/v1/agents", params=DECEMBER, headers=own),
        await client.get("/v1/agents/support", headers=own),
        await client.put("/v1/agents/support", json={}, headers=own),
        await client.get("/v1/agents/support/runs", params=DECEMBER, headers=own),
        await client.get("/v1/runs/root/cost", params=own_run, headers=own),
    ]

    assert [(403, "vendor_key_required")] * 5 == [
        (answer.status_code, answer.json()["code"]) for answer in answers
    ]
