"""Rollup by run: written with the flush, read with the tree below, kept for 90 days."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.metering.domain.event import Outcome
from services.metering.handlers import runs as handlers
from services.metering.housekeeping import RUNS_KEPT, Housekeeper
from services.metering.repository.runs import RunCondition
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from tests.integration.metering.conftest import NOON, Ledger, make_event

HOUR = timedelta(hours=1)


def _resolved(value: str) -> Outcome:
    return Outcome(name="ticket_resolved", value=value, source="agent")


async def _runs(ledger: Ledger, **changes: Any) -> dict[str, Any]:
    condition = RunCondition(Account(ledger.vendor_id, "live"), "acme", **changes)
    async with ledger.database.transaction("REPEATABLE READ") as connection:
        answer = await handlers.list_runs(connection, condition, cursor=None, limit=10)
    return {run.run_id: run for run in answer.runs}


async def test_a_run_has_its_own_sums_and_those_of_its_tree(ledger: Ledger) -> None:
    """A run's tree holds itself and all runs below it, each event once."""
    await ledger.count(
        make_event("1", run_id="root", outcome=_resolved("1.5")),
        make_event("2", run_id="child", parent_run_id="root", occurred_at=NOON + HOUR),
        make_event("3", run_id="leaf", parent_run_id="child", status="failed"),
        make_event("4", run_id="other", outcome=_resolved("2")),
        make_event("5"),
    )
    await ledger.count(
        make_event("6", run_id="leaf", parent_run_id="child", occurred_at=NOON + HOUR)
    )

    runs = await _runs(ledger)

    assert {"root", "child", "leaf", "other"} == set(runs)
    assert {"input_uncached": "5", "output_text": "2"} == runs["root"].usage
    assert (3, 4, "20") == (
        runs["root"].tree.runs,
        runs["root"].tree.events,
        runs["root"].tree.usage["input_uncached"],
    )
    (outcome,) = runs["root"].outcomes
    assert ("ticket_resolved", "agent", 1, "1.5") == (
        *(outcome.name, outcome.source, outcome.count),
        outcome.value,
    )
    assert ("completed", NOON, NOON + HOUR) == (
        runs["leaf"].status,
        runs["leaf"].first_at,
        runs["leaf"].last_at,
    )
    assert {"child"} == set(await _runs(ledger, filters={"parent_run_id": ["root"]}))
    assert {"leaf"} == set(await _runs(ledger, filters={"parent_run_id": ["child"]}))


async def test_an_outcome_alone_counts_nothing_else(ledger: Ledger) -> None:
    """As the SDK tells it, of no model and 0 of a unit: the run has its result, and no more."""
    await ledger.count(
        make_event("1", run_id="root"),
        make_event(
            "2",
            tokens={},
            model="-",
            provider="-",
            units={"outcomes": "0"},
            run_id="root",
            status="failed",
            occurred_at=NOON + HOUR,
            outcome=_resolved("1.5"),
        ),
    )

    root = (await _runs(ledger))["root"]
    (outcome,) = root.outcomes
    assert ("failed", 1, "1.5") == (root.status, outcome.count, outcome.value)
    assert {"input_uncached": "5", "output_text": "2", "outcomes": "0"} == root.usage


async def test_a_circle_of_runs_ends(ledger: Ledger) -> None:
    """Runs that name one another as parents are answered, each event once."""
    await ledger.count(
        make_event("1", run_id="a", parent_run_id="b"),
        make_event("2", run_id="b", parent_run_id="a"),
    )

    runs = await _runs(ledger)

    assert (2, 2) == (runs["a"].tree.runs, runs["b"].tree.events)


async def test_a_correction_takes_a_run_back(ledger: Ledger) -> None:
    """A higher revision replaces what its run has used; a run of which nothing is left is gone."""
    await ledger.count(make_event("1", run_id="wrong"))
    await ledger.count(make_event("1", run_id="right", revision=1, tokens={"input_uncached": 7}))

    runs = await _runs(ledger)

    assert {"right": {"input_uncached": "7"}} == {name: r.usage for name, r in runs.items()}


async def test_old_runs_are_deleted(ledger: Ledger) -> None:
    """A run goes 90 days after its last event, with its sums; a younger one stays."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    edge = now - RUNS_KEPT
    await ledger.count(
        make_event("1", run_id="old", occurred_at=edge - timedelta(microseconds=1)),
        make_event("2", run_id="young", occurred_at=edge),
    )

    deleted = await Housekeeper(ledger.database, FrozenClock(now)).delete_old_runs()

    assert deleted >= 1
    assert {"young"} == set(await _runs(ledger))
    for table in ("run_usage", "run_outcome"):
        assert [(0,)] == await ledger.query(
            f"select count(*) from metering.{table} s where not exists (select 1 from "  # noqa: S608
            "metering.run_rollup r where (r.partition, r.row_key) = (s.partition, s.row_key))"
        )


async def test_pages_hold_every_run_once(ledger: Ledger) -> None:
    """Following `next_cursor` lists every run once, also where their times are equal."""
    await ledger.count(*(make_event(str(i), run_id=f"run-{i}") for i in range(7)))
    condition = RunCondition(Account(ledger.vendor_id, "live"), "acme")
    seen: list[str] = []
    cursor = None

    async with ledger.database.transaction("REPEATABLE READ") as connection:
        while True:
            page = await handlers.list_runs(connection, condition, cursor=cursor, limit=3)
            seen += [run.run_id for run in page.runs]
            if (cursor := page.next_cursor) is None:
                break

    assert sorted(f"run-{i}" for i in range(7)) == sorted(seen)
