"""Runs leave as cumulative parts, by everything that a cost depends on, each by its version."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.metering import publishing_runs
from services.metering.domain.event import Outcome
from services.metering.publishing_runs import publish_runs
from services.metering.worker.counting import bucket_of
from shared.events.runs_aggregated import RUN_ROWS_PER_MESSAGE, RunPart, RunsAggregated
from shared.topics import RUNS_AGGREGATED

from .conftest import NOON, Ledger, make_event

HOUR = timedelta(hours=1)
MANY = 700
Messages = Iterable[tuple[int, Any]]


def _kept(messages: Messages) -> dict[tuple[str, str], tuple[int, RunPart]]:
    """Return what a reader keeps of parts that are in one message: the highest version of each."""
    kept: dict[tuple[str, str], tuple[int, RunPart]] = {}
    for _, message in messages:
        for part in message.parts:
            key = (message.tenant_id, part.key)
            if message.version > kept.get(key, (0, part))[0]:
                kept[key] = (message.version, part)
    return kept


def _used(part: RunPart) -> dict[tuple[str, str], tuple[Decimal, int]]:
    return {(u.model, u.kind): (u.quantity, u.events) for u in part.usage}


async def test_a_run_is_told_by_what_its_cost_depends_on(ledger: Ledger) -> None:
    """Two models are two rows each kind; parent, version and times are the part's."""
    of_run = {"run_id": "r", "parent_run_id": "p", "tags": {"agent_version": "2.4", "a": "b"}}
    await ledger.count(
        make_event("1", **of_run),
        make_event("2", **of_run, model="other", service_tier="priority", occurred_at=NOON + HOUR),
        make_event("3", **of_run),
        make_event("4"),
    )

    ((partition, message),) = await ledger.publish_runs()

    (part,) = message.parts
    assert bucket_of(ledger.vendor_id, "acme", RUNS_AGGREGATED) == partition
    assert ("r", "p", "coder", "2.4", "completed", 3) == (
        *(part.run_id, part.parent_run_id, part.agent, part.agent_version, part.status),
        part.events,
    )
    assert (NOON, NOON + HOUR) == (part.first_at, part.last_at)
    own = make_event("1").model
    assert {
        (own, "input_uncached"): (Decimal(10), 2),
        (own, "output_text"): (Decimal(4), 2),
        ("other", "input_uncached"): (Decimal(5), 1),
        ("other", "output_text"): (Decimal(2), 1),
    } == _used(part)
    assert {"priority"} == {u.service_tier for u in part.usage if u.model == "other"}
    assert {NOON.date()} == {u.usage_day for u in part.usage}


async def test_what_is_told_is_cumulative(ledger: Ledger) -> None:
    """A later message holds the whole sum under a higher version; unchanged runs are in none."""
    await ledger.count(make_event("1", run_id="r"), make_event("2", run_id="other"))
    first = await ledger.publish_runs()
    await ledger.count(make_event("3", run_id="r"))
    second = await ledger.publish_runs()

    assert {"r", "other"} == {part.run_id for _, part in _kept(first).values()}
    ((version, part),) = _kept(second).values()
    assert (2, Decimal(10)) == (part.events, part.usage[0].quantity)
    assert all(version > older for older, _ in _kept(first).values())
    assert [] == await ledger.publish_runs()


async def test_a_correction_takes_back(ledger: Ledger) -> None:
    """What nothing is left of is told with 0 events: a reader who has it must learn of it."""
    await ledger.count(make_event("1", run_id="wrong"))
    messages = await ledger.publish_runs()
    await ledger.count(make_event("1", run_id="right", revision=1))
    messages += await ledger.publish_runs()

    kept = {part.run_id: part for _, part in _kept(messages).values()}
    assert (0, {(Decimal(0), 0)}) == (
        kept["wrong"].events,
        {(u.quantity, u.events) for u in kept["wrong"].usage},
    )
    assert 1 == kept["right"].events


async def test_parts_differ_by_status_and_version(ledger: Ledger) -> None:
    """A run that went on after a failed call has two parts; so has one of two versions."""
    await ledger.count(
        make_event("1", run_id="r", status="failed"),
        make_event("2", run_id="r", occurred_at=NOON + HOUR),
        make_event("3", run_id="r", occurred_at=NOON + HOUR, tags={"agent_version": "3"}),
        make_event("4", run_id="r", tags={"agent_version": "no name, as it has spaces"}),
    )

    parts = [part for _, part in _kept(await ledger.publish_runs()).values()]

    assert {("failed", "", 1), ("completed", "", 2), ("completed", "3", 1)} == {
        (part.status, part.agent_version, part.events) for part in parts
    }


async def test_what_repeats_is_told_apart(ledger: Ledger) -> None:
    """By the tag that names what is repeated; an empty one, or tags of other names, name none."""
    tags = ({"retry_of": "1"}, {"retry_of": ""}, {"other": '"retry_of"'}, {"agent_version": "2"})
    await ledger.count(
        *(make_event(str(n), run_id="r", tags=told) for n, told in enumerate(tags, start=2)),
        make_event("1", run_id="r", status="failed"),
    )

    parts = [part for _, part in _kept(await ledger.publish_runs()).values()]

    assert {(False, "failed"): 2, (False, "completed"): 6, (True, "completed"): 2} == {
        key: sum(
            usage.events
            for part in parts
            for usage in part.usage
            if (usage.is_retry, part.status) == key
        )
        for key in ((False, "failed"), (False, "completed"), (True, "completed"))
    }


async def test_outcomes_keep_who_says_so(ledger: Ledger) -> None:
    """Values from different sources are never added; what is 0 of a unit is no cost."""
    told = [("measured:crm", "2.5"), ("measured:crm", "1"), ("self_reported", "7"), ("", "1")]
    await ledger.count(
        *(
            make_event(
                str(number),
                run_id="r",
                outcome=Outcome(name="resolved", value=value, source=source),
            )
            for number, (source, value) in enumerate(told)
        )
    )

    ((_, part),) = _kept(await ledger.publish_runs()).values()

    assert {
        "measured:crm": (Decimal("3.5"), 2),
        "self_reported": (Decimal(7), 1),
        "": (Decimal(1), 1),
    } == {one.source: (one.value, one.events) for one in part.outcomes}


async def test_a_large_run_leaves_in_several_messages(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows than a message holds are in several, none missing, none twice; so are many runs."""
    monkeypatch.setattr(publishing_runs, "MARKS_PER_PASS", 5)
    large = [make_event(f"l-{n}", run_id="large", model=f"model-{n}") for n in range(MANY)]
    await ledger.count(*large, *(make_event(f"e-{n}", run_id=f"run-{n}") for n in range(30)))

    messages: list[tuple[int, Any]] = []
    while more := await ledger.publish_runs():
        messages += more

    rows = [
        (part.run_id, row.model, row.kind)
        for _, message in messages
        for part in message.parts
        for row in part.usage
    ]
    assert 2 * (MANY + 30) == len(rows) == len(set(rows))
    assert all(
        sum(1 + len(part.usage) + len(part.outcomes) for part in message.parts)
        <= RUN_ROWS_PER_MESSAGE + 1
        for _, message in messages
    )


async def test_a_mark_that_comes_meanwhile_stays(ledger: Ledger) -> None:
    """Events of a flush that commits during a publication are told by the next one."""
    await ledger.count(make_event("1", run_id="r"))
    bucket = bucket_of(ledger.vendor_id, "acme", RUNS_AGGREGATED)

    async with ledger.database.transaction("REPEATABLE READ") as connection:
        await publish_runs(connection, bucket)
        await ledger.count(make_event("2", run_id="r"))

    messages = await ledger.publish_runs()
    kept = [part for _, part in _kept(messages).values()]
    assert [2] == [part.events for part in kept]
    assert isinstance(messages[0][1], RunsAggregated)
