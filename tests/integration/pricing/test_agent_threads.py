"""Questions about agents leave the event loop to others: rows and sums are made in threads."""

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import httpx
import pytest

from services.pricing import api_agents
from services.pricing.handlers import agent_runs, agents, run_trees
from services.pricing.repository import agents as usage
from services.pricing.repository.runs import figures
from shared.database import Database
from tests.support.pricing_runs import came_of, part, used

from .agents_api import tell
from .billing_api import Headers
from .growth_api import DECEMBER, GLOBEX, store_usage

ROSTER, RUNS, TREE = "agents", "agents/support/runs", "runs/a/cost"
Heavy = tuple[str, ModuleType, str]
"""A question, and the function that works on its answer."""

HEAVY: list[Heavy] = [
    (ROSTER, usage, "_named_usage"),
    (ROSTER, agents, "_uses"),
    (ROSTER, figures, "_sums"),
    (ROSTER, agent_runs, "_by_agent"),
    (ROSTER, api_agents, "roster_read"),
    (RUNS, api_agents, "agent_runs_read"),
    (TREE, run_trees, "tree_of"),
    (TREE, api_agents, "run_tree_read"),
]


@pytest.mark.parametrize("heavy", HEAVY, ids=str)
async def test_what_takes_long_is_done_beside_the_loop(
    client: httpx.AsyncClient,
    headers: Headers,
    store: Database,
    vendor: str,
    heavy: Heavy,
) -> None:
    """Of thousands of agents, versions or runs each takes a while, and others are answered."""
    path, module, name = heavy
    plain: Callable[..., Any] = getattr(module, name)
    threads = set()

    def watched(*values: Any, **named: Any) -> Any:
        threads.add(threading.current_thread())
        return plain(*values, **named)

    await store_usage(store, vendor, *GLOBEX)
    await tell(store, vendor, [part("a", used(9), came_of())])
    asked = {"tenant": "globex"} if path == TREE else DECEMBER
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, name, watched)
        answer = await client.get(f"/v1/{path}", params=asked, headers=headers)

    assert 200 == answer.status_code, answer.text
    assert threads
    assert threading.main_thread() not in threads
