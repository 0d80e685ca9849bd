"""From single events to what an agent's runs cost and brought, on a whole deployment.

Figures are worked out by hand; a token of `big` costs 0.01 dollars, one of `small` 0.001.
* r-1 of planner 1: 200 tokens of big, 2.00, a ticket resolved, measured. Its first event said 100,
  and was corrected.
* c-1 of writer, below r-1: 500 tokens of small, and 100 that failed before: 0.60.
* r-2 of planner 2: 300 tokens of big, 3.00, failed.
"""

import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.deployment import Deployment, discard_deployment, running_deployment
from tests.support.pricing_service import eventually

ROOT = Path(__file__).parents[2]
VENDOR = "labs"
PRICES = {"big": "0.01", "small": "0.001"}
BEGAN = datetime.now(UTC) - timedelta(hours=1)


def _event(number: int, agent: str, model: str, tokens: int, run: str, **more: Any) -> Any:
    at = BEGAN + timedelta(minutes=number)
    return {
        "event_id": f"e-{number}",
        "tenant": "acme",
        "agent": agent,
        "model": model,
        "provider": "lab",
        "occurred_at": at.isoformat(),
        "tokens": {"output_text": tokens},
        "run_id": run,
        **more,
    }


RESOLVED = {"name": "ticket_resolved", "value": "20", "source": "measured:crm"}
FIRST = [
    _event(0, "planner", "big", 100, "r-1", tags={"agent_version": "1"}, outcome=RESOLVED),
    _event(1, "writer", "small", 100, "c-1", parent_run_id="r-1", status="failed"),
    _event(2, "writer", "small", 500, "c-1", parent_run_id="r-1"),
]
LATER = [
    FIRST[0] | {"tokens": {"output_text": 200}, "revision": 1},
    _event(3, "planner", "big", 300, "r-2", tags={"agent_version": "2"}, status="failed"),
]
WRITER = {"writer": ("0.6", "0.6")}


class Labs:
    """A vendor's calls to a deployment."""

    def __init__(self, deployment: Deployment, client: httpx.AsyncClient) -> None:
        self.deployment, self.client = deployment, client

    async def call(self, method: str, service: str, path: str, body: Any = None) -> Any:
        url = self.deployment.url(service) + path
        headers = {"Idempotency-Key": path}
        answer = await self.client.request(method, url, json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()

    async def open(self) -> None:
        """Have a customer, and prices of the lab."""
        await self.call("PUT", "pricing", "/v1/tenants/acme", {"name": "Acme"})
        prices = [
            {
                "source": "contract",
                "provider": "lab",
                "model": model,
                "kind": "output_text",
                "unit_amount": amount,
                "per": "1",
                "effective_from": "2023-01-01",
            }
            for model, amount in PRICES.items()
        ]
        await self.call("POST", "pricing", "/v1/provider-prices", {"prices": prices})

    async def use(self, events: list[Any]) -> None:
        """Send events, all of them twice."""
        answer = await self.call("POST", "metering", "/v1/events", {"events": [*events, *events]})
        assert {"accepted"} == {result["status"] for result in answer["results"]}, answer

    async def agents(self) -> dict[str, Any]:
        days = (BEGAN.date(), BEGAN.date() + timedelta(days=2))
        path = f"/v1/agents?from={days[0]}&to={days[1]}"
        return {one["agent"]: one for one in (await self.call("GET", "pricing", path))["agents"]}

    async def costs(self) -> dict[str, tuple[str | None, str]]:
        """Return each agent's cost by its runs and by its days, which come apart."""
        return {
            name: (one["runs"] and one["runs"]["cost"], one["cost"])
            for name, one in (await self.agents()).items()
        }

    async def tree(self) -> Any:
        return await self.call("GET", "pricing", "/v1/runs/c-1/cost?tenant=acme")


@pytest.fixture(name="labs")
async def _labs() -> AsyncIterator[Labs]:
    root = ROOT / "var" / "e2e-runs"
    discard_deployment(root)
    async with running_deployment(root, vendor=VENDOR) as deployment:
        key = await deployment.control("bootstrap", "--vendor", VENDOR, "--name", "Labs")
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(headers=headers) as client:
            yield Labs(deployment, client)


async def test_runs_reach_the_roster(labs: Labs) -> None:
    """Once, though all is sent twice, one event is corrected, and the publisher is killed."""
    await labs.open()
    await labs.use(FIRST)
    await eventually(labs.costs, lambda costs: costs == {"planner": ("1", "1"), **WRITER})
    pid = labs.deployment.supervisor.pid("metering-publisher")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await labs.use(LATER)
    await eventually(labs.costs, lambda costs: costs == {"planner": ("5", "5"), **WRITER})
    agents, tree = await labs.agents(), await labs.tree()

    planner = agents["planner"]["runs"]
    (outcome,) = planner["outcomes"]
    assert (2, "50", "50") == (
        *(planner["runs"], planner["success"]["percent"]),
        planner["failed"]["percent"],
    )
    assert ("ticket_resolved", "measured", 1, "20", "5") == (
        *(outcome["name"], outcome["source"], outcome["successful"], outcome["value"]),
        outcome["cost_per_outcome"],
    )
    assert {"1": "2", "2": "3"} == {
        one["version"]: one["runs"]["cost"] for one in agents["planner"]["versions"]
    }
    assert ("r-1", "2.6", True) == (tree["root_run_id"], tree["cost"], tree["complete"])
    assert {"r-1": ("2", "2.6", "completed"), "c-1": ("0.6", "0.6", "completed")} == {
        run["run_id"]: (run["own_cost"], run["tree_cost"], run["status"]) for run in tree["runs"]
    }
