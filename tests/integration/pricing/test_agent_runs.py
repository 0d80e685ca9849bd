"""Agents by their runs, on a real database: every figure by hand."""

import random
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import httpx

from services.pricing.handlers.agents import RosterQuestion, read_roster
from services.pricing.handlers.growth.windows import Span
from services.pricing.housekeeping import Housekeeper
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.database import Database
from shared.events.runs_aggregated import RunPart
from tests.support.pricing_runs import RUN_DAY, came_of, part, used

from .agents_api import MILLION, price_input, roster, tell
from .billing_api import Headers


def by_hand() -> list[RunPart]:
    """Return four runs of support in December and one in November.

    | run | status | cost | outcomes |
    |---|---|---|---|
    | a | completed | 2 and, of a call that failed before, 1 | 1 resolved (crm), 1 rated (itself) |
    | b | completed | 4 | 2 resolved (crm), worth 30 |
    | c | failed: its latest event | 1, and 2 of writer below it | 1 resolved, told by what failed |
    | d | aborted | 2 | |
    | e, in November | completed | 6 | 1 resolved |
    """
    rated = came_of("rated", "self_reported", value=5)
    lost = came_of("resolved", "measured:crm")
    return [
        part("a", used(MILLION), came_of(), rated, minute=2, events=3),
        part("a", used(MILLION // 2), minute=1, status="failed"),
        part("b", used(2 * MILLION), came_of(events=2, value=30), minute=3),
        part("c", used(0, events=0), minute=4),
        part("c", used(MILLION // 2), lost, minute=5, status="failed"),
        part("c", used(MILLION), minute=4, agent="writer"),
        part("d", used(MILLION), minute=6, status="aborted"),
        part("e", used(3 * MILLION), came_of(), days=-20),
    ]


async def test_the_figures_of_runs_by_hand(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """support: 10 dollars over four runs, for three that were resolved: 10 / 3 each.

    Half of its runs completed, a quarter each failed or was aborted: 3 of 10 dollars are waste.
    """
    await price_input(client, headers)
    await tell(store, vendor, by_hand())

    found, agents = await roster(client, headers)

    one, before = agents["support"]["runs"], agents["support"]["runs_before"]
    assert (4, "10", True, 0) == tuple(
        one[name] for name in ("runs", "cost", "cost_complete", "runs_unpriced")
    )
    assert ["50", "25", "25"] == [one[name]["percent"] for name in ("success", "aborted", "failed")]
    assert ("15.003", "84.996") == (one["success"]["lower"][:6], one["success"]["upper"][:6])
    assert ("2", "4", "2.5", None) == tuple(
        one[name] for name in ("cost_p50", "cost_p95", "cost_mean", "mean_lower")
    )
    assert ("30", "2", "1250000", "75") == tuple(
        one[name] for name in ("waste_percent", "calls_per_run", "tokens_per_run", "valued_percent")
    )
    assert [
        ("resolved", "measured", 4, 3, "32", "3.333333333", None),
        ("rated", "self_reported", 1, 1, "5", "10", None),
    ] == [
        (
            *(outcome[name] for name in ("name", "source", "outcomes", "successful", "value")),
            *(outcome[name] for name in ("cost_per_outcome", "lower")),
        )
        for outcome in one["outcomes"]
    ]
    assert (1, "6", "6") == (before["runs"], before["cost"], before["cost_mean"])
    assert (1, "2") == (agents["writer"]["runs"]["runs"], agents["writer"]["runs"]["cost"])
    assert "100" == agents["writer"]["runs"]["failed"]["percent"]
    assert "Wilson" in found["intervals"]
    assert any("survivorship" in one for one in found["biases"])
    assert "2023-09-03" == found["runs_from"]


async def test_values_of_two_sources_are_never_added(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The text up to the colon decides; what is none of the three is unstated, and apart."""
    await price_input(client, headers)
    sources = ("measured", "measured:crm", "modelled:v2", "self_reported", "crm", "", "MEASURED")
    await tell(
        store,
        vendor,
        [part("a", used(MILLION), *(came_of("x", one, value=2) for one in sources))],
    )

    _, agents = await roster(client, headers)

    assert {
        "measured": (2, "4", "1"),
        "modelled": (1, "2", "2"),
        "self_reported": (1, "2", "2"),
        "unstated": (3, "6", "0.666666667"),
    } == {
        one["source"]: (one["outcomes"], one["value"], one["cost_per_outcome"])
        for one in agents["support"]["runs"]["outcomes"]
    }


async def test_what_has_no_price_is_said_and_never_free(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A run with usage without a price is in no percentile; cost is that of the rest, and says so.

    The unit that counts outcomes is sold, not bought: it needs no price.
    """
    await price_input(client, headers)
    own = {"provider": "own", "model": "homemade"}
    await tell(
        store,
        vendor,
        [
            part("a", used(MILLION), used(3, "tickets_resolved", provider="-", model="-")),
            part("b", used(MILLION), used("7.5", "output_text", **own), came_of()),
            part("c", used(40, **own), agent="own"),
        ],
    )

    _, named = await roster(client, headers, outcome="tickets_resolved")
    _, agents = await roster(client, headers)

    one, alone = named["support"]["runs"], named["own"]["runs"]
    assert ("4", False, 1, "2", "2") == tuple(
        one[name] for name in ("cost", "cost_complete", "runs_unpriced", "cost_p50", "cost_mean")
    )
    assert [{"kind": "output_text", "quantity": "7.5"}] == one["unpriced"]
    assert ("4", None) == (one["outcomes"][0]["cost_per_outcome"], one["outcomes"][0]["lower"])
    assert [None] * 4 == [
        alone[name] for name in ("cost", "cost_p50", "cost_mean", "waste_percent")
    ]
    assert 2 == agents["support"]["runs"]["runs_unpriced"]


async def test_versions_side_by_side(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """2.0 needs twice the calls of 1.0 for an outcome, and is flagged with them as the driver.

    An outcome that is told later, without the version, counts for that of its run.
    """
    await price_input(client, headers)
    await tell(store, vendor, versions())

    _, agents = await roster(client, headers)

    first, second = agents["support"]["versions"]
    assert ("1.0", 12, "12", []) == (
        *(first["version"], first["runs"]["runs"], first["runs"]["cost"]),
        first["anomalies"],
    )
    assert "1" == first["runs"]["outcomes"][0]["cost_per_outcome"]
    assert ("2.0", 12, "24") == (
        *(second["version"], second["runs"]["runs"], second["runs"]["cost"]),
    )
    (found,) = second["anomalies"]
    assert ("1.0", "resolved", "measured", "2", "calls_per_run", "2") == (
        *(found[name] for name in ("against", "outcome", "source", "cost")),
        *(found["driver"][name] for name in ("name", "ratio")),
    )
    assert Decimal(found["lower"]) < 1 < Decimal(found["upper"]) < 2
    assert (24, "36") == tuple(agents["support"]["runs"][name] for name in ("runs", "cost"))


def versions() -> list[RunPart]:
    """Return twelve runs of each of two versions; the outcomes of the second come without it."""
    parts = []
    for n in range(12):
        tokens = MILLION // 2 + (1 if n % 2 else -1) * 50_000
        parts.append(part(f"one-{n}", used(tokens), came_of(), minute=n, agent_version="1.0"))
        parts += [
            part(f"two-{n}", used(MILLION), minute=n, days=1, agent_version="2.0"),
            part(f"two-{n}", came_of(), minute=n, days=2, agent_version=""),
        ]
    return parts


async def answer_of(store: Database, vendor: str) -> Any:
    """Return the exact answer about December, of all agents."""
    span = Span(RUN_DAY.date().replace(day=1), RUN_DAY.date() + timedelta(days=27))
    async with store.transaction("REPEATABLE READ") as connection:
        return await read_roster(connection, Account(vendor, "test"), RosterQuestion(span))


def made_up(number: int) -> tuple[list[RunPart], list[Fraction]]:
    """Return parts of runs of three agents in versions, in disorder, and what each cost."""
    chance = random.Random(number)  # noqa: S311 - made up, and the same each time
    parts, costs = [], []
    for n in range(120):
        tokens, seconds = chance.randrange(10**7), chance.randrange(1, 999)
        parts.append(
            part(
                f"run-{n % 40}",
                used(tokens),
                *([came_of()] if n % 3 else []),
                agent=f"agent-{n % 3}",
                agent_version=str(n % 4),
                minute=n,
                status=("completed", "failed", "aborted")[n // 40],
                events=seconds,
            )
        )
        costs.append(Fraction(tokens * 2, MILLION))
    chance.shuffle(parts)
    return parts, costs


async def test_own_costs_of_agents_sum_to_all_that_runs_cost(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Nothing is lost and nothing counts twice: over agents, and over the versions of each."""
    await price_input(client, headers)
    parts, costs = made_up(7)
    await tell(store, vendor, parts)

    rows = (await answer_of(store, vendor)).rows

    agents = [row.runs.now.sums for row in rows]
    assert sum(costs) == sum(one.cost for one in agents)
    assert [one.cost for one in agents] == [
        sum(version.now.sums.cost for version in row.runs.versions) for row in rows
    ]
    assert 120 == sum(version.now.sums.runs for row in rows for version in row.runs.versions)


async def test_the_order_of_messages_changes_no_figure(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """One part a message, forwards and then backwards with older versions: the same answer."""
    await price_input(client, headers)
    parts, _ = made_up(8)

    async def told(order: Sequence[RunPart], version: int) -> Any:
        for one in order:
            await tell(store, vendor, [one], version=version)
        return [row.runs for row in (await answer_of(store, vendor)).rows]

    once = await told(parts, 2)
    older = [one.model_copy(update={"events": 99, "status": "failed"}) for one in parts]

    assert once == await told(older[::-1], 1)


async def test_runs_that_are_gone_leave_no_trace(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Corrected to nothing, or too old to be kept: no run, no agent of it, and no failure."""
    await price_input(client, headers)
    gone = part("a", used(0, events=0), came_of(events=0, value=0), events=0)
    await tell(store, vendor, [gone, part("b", used(MILLION), agent="old")])

    _, first = await roster(client, headers)
    later = FrozenClock(RUN_DAY + timedelta(days=90, seconds=1))
    await Housekeeper(store, later, timedelta(days=90)).delete_old_runs()
    _, second = await roster(client, headers)

    assert {"old"} == first.keys()
    assert {} == second
