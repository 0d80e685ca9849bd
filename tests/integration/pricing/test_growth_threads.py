"""Questions about growth leave the event loop to others: rows and sums are made in threads."""

import threading
from collections.abc import Callable
from datetime import date
from types import ModuleType
from typing import Any

import httpx
import pytest

from services.pricing import api_growth
from services.pricing.handlers.growth import contribution, enablement, growth, parts
from services.pricing.repository.growth import logs, revenue, usage
from shared.database import Database

from .billing_api import Headers
from .growth_api import DECEMBER, by_user, grown, store_usage

COST, REVENUE = {"of": "cost", "by": "model"}, {"of": "revenue", "by": "model"}
PROGRAM = {"program": "training"}
Heavy = tuple[str, dict[str, str], ModuleType, str]
"""A question, and the function that works on its answer."""

HEAVY: list[Heavy] = [
    ("growth", {}, growth, "growth_of_tokens"),
    ("growth", {}, usage, "_unit_tokens"),
    ("growth", {}, api_growth, "growth_read"),
    ("growth", {"of": "revenue", "unit": "agent"}, growth, "growth_of_revenue"),
    ("contribution", REVENUE, revenue, "_usage_revenue"),
    ("contribution", REVENUE, revenue, "_fee"),
    ("contribution", REVENUE, contribution, "contributions"),
    ("contribution", REVENUE, api_growth, "contributions_read"),
    ("contribution", COST, usage, "_named_usage"),
    ("contribution", COST, parts, "_key"),
    ("enablement", PROGRAM, logs, "_daily"),
    ("enablement", PROGRAM, enablement, "sample_of"),
    ("enablement", PROGRAM, api_growth, "enablement_read"),
]


@pytest.fixture(name="_trained")
async def _trained_fixture(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Two tenants that grew, and a user of whom a training tells."""
    await grown(client, headers, store, vendor)
    await store_usage(store, vendor, users=[by_user("ada", date(2023, 12, 5), 5)], version=2)
    trained = {"tenant": "globex", "user": "ada", "trained_on": "2023-12-06"}
    await client.post("/v1/trainings", json={"trainings": [trained]}, headers=headers)


@pytest.mark.usefixtures("_trained")
@pytest.mark.parametrize("heavy", HEAVY, ids=str)
async def test_what_takes_long_is_done_beside_the_loop(
    client: httpx.AsyncClient, headers: Headers, monkeypatch: pytest.MonkeyPatch, heavy: Heavy
) -> None:
    """With 1,000 tenants each of these took up to 1.5 s, in which nobody else was answered."""
    path, asked, module, name = heavy
    plain: Callable[..., Any] = getattr(module, name)
    threads = set()

    def watched(*values: Any, **named: Any) -> Any:
        threads.add(threading.current_thread())
        return plain(*values, **named)

    monkeypatch.setattr(module, name, watched)
    days = {} if path == "enablement" else DECEMBER

    answer = await client.get(f"/v1/{path}", params=days | asked, headers=headers)

    assert 200 == answer.status_code, answer.text
    assert threads
    assert threading.main_thread() not in threads
