"""The harness as tests: ours passes, and every broken variant is caught."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from deploy.local.kafka import KAFKA
from deploy.local.stack import discard_stack
from tests.chaos.__main__ import NAIVE, NAIVE_LOAD, read_run
from tests.chaos.faults import Fault, plan
from tests.chaos.judge import compare, surplus
from tests.chaos.ledger import Item, Ledger, Sums
from tests.chaos.load import Load
from tests.chaos.run import Run, perform, perform_on
from tests.chaos.stack import API, ROOT, Programs, Servers, running_servers, running_services

EARLY = Programs(api=("tests.chaos.early_answer",))
PLAIN = Load(repeated=0, corrected=0, conflicting=0, invalid=0, abandoned=0)
"""Nothing is sent twice unless its request had no answer: what is lost stays lost."""
WORKERS = ("one", "two")
CELL = ("acme", "coder", "gpt-5", "input_uncached", "2026-01-31")


def _kills_of_the_ingest(_workers: tuple[str, ...]) -> list[Fault]:
    return [Fault(at, "kill", API) for at in (1.0, 1.5, 4.0)]


def _paused_broker_and_a_kill(_workers: tuple[str, ...]) -> list[Fault]:
    return [Fault(1.0, "pause", KAFKA, 2.5), Fault(2.5, "kill", API)]


RIVALS = {"killed": _kills_of_the_ingest, "broker paused, then killed": _paused_broker_and_a_kill}


@pytest.fixture(scope="module", name="servers")
async def _servers() -> AsyncIterator[Servers]:
    root = ROOT / "var" / "chaos-test"
    async with running_servers(root) as servers:
        yield servers
    discard_stack(root / "stack")


async def _lost_by(servers: Servers, programs: Programs) -> dict[str, int]:
    """Return how many events that got 202 were never counted, by what happened."""
    lost = {}
    async with running_services(servers, programs, workers=1, publisher=False) as services:
        for name, faults in RIVALS.items():
            outcome = await perform_on(services, Run(seconds=4.5, load=PLAIN, faults=faults))
            print(name, *outcome.lines()[:2], sep="\n")  # noqa: T201 - the figures of the run
            assert outcome.drained.complete
            assert (0, True) == (outcome.verdict.doubled, outcome.verdict.acknowledged > 0)
            lost[name] = outcome.verdict.lost
    return lost


async def test_what_was_answered_202_is_counted(servers: Servers) -> None:
    """Ingest killed under load, also over a paused broker: every event that got 202 is counted."""
    assert dict.fromkeys(RIVALS, 0) == await _lost_by(servers, Programs())


async def test_an_ingest_that_answers_early_is_caught(servers: Servers) -> None:
    """The broken variant answers before the broker has acknowledged, and loses events."""
    lost = await _lost_by(servers, EARLY)

    assert [] == [name for name in RIVALS if lost[name] == 0]


def _kills_of_workers(workers: tuple[str, ...]) -> list[Fault]:
    return [Fault(at, "kill", worker) for at, worker in zip((1.5, 2.5), workers, strict=True)]


async def test_a_worker_that_trusts_offsets_is_caught(servers: Servers) -> None:
    """The broken variant commits offsets to Kafka after the database, and counts twice."""
    run = Run(seconds=4, faults=_kills_of_workers, load=NAIVE_LOAD, identities=False)
    async with running_services(servers, NAIVE, workers=2, publisher=False) as services:
        outcome = await perform_on(services, run)

    assert outcome.drained.complete
    assert outcome.verdict.doubled > 0
    assert not outcome.passed


async def test_faults_under_load_change_no_count(servers: Servers) -> None:
    """Killed, paused, restarted, cut and delayed: each acknowledged event is counted once."""
    outcome = await perform(servers, Run(seed=1, seconds=12))

    assert [] == outcome.verdict.differences
    assert outcome.passed
    assert outcome.verdict.counted >= outcome.verdict.acknowledged > 0


def test_a_seed_says_what_happens() -> None:
    """The same seed is the same plan, another one another; every kind of fault comes."""
    kinds = {"kill", "pause", "kill api", "restart postgres", "kill broker"}
    kinds |= {"cut", "delay", "lose answers"}

    assert plan(7, 60, WORKERS) == plan(7, 60, WORKERS)
    assert plan(7, 60, WORKERS) != plan(8, 60, WORKERS)
    assert kinds == {fault.kind for fault in plan(7, 60, WORKERS)}
    assert all(7 <= f.seconds <= 11 for f in plan(7, 60, WORKERS) if f.kind == "pause")


def test_the_ledger_knows_the_last_version() -> None:
    """A void takes an event back, a replacement takes its place, whatever came first."""
    ledger = Ledger()
    for number, event_id in enumerate(("a", "b", "c"), start=1):
        ledger.register(event := Item(_event(event_id, number)))
        ledger.answered(event, {"status": "accepted"})
    void = {"event_id": "v", "tenant": "acme", "corrects": "a", "action": "void", "revision": 2}
    for version in (void, _event("r", 50, corrects="a"), _event("s", 70, corrects="b")):
        ledger.answered(Item(version, "version"), {"status": "accepted"})

    assert {CELL: Sums(2, Decimal(73))} == ledger.expected(ledger.acknowledged())


def test_the_judge_sees_one_event_too_many_or_too_few() -> None:
    """A sum that is off by one event is lost or doubled, a wrong quantity is a difference."""
    expected = {CELL: Sums(2, Decimal(10))}

    assert (0, 0) == surplus(expected, {CELL: Sums(2, Decimal(10))})
    assert (0, 1) == surplus(expected, {CELL: Sums(3, Decimal(15))})
    assert (2, 0) == surplus(expected, {})
    assert [] == compare(expected, {CELL: Sums(2, Decimal("10.000"))}, source="SQL")
    assert 1 == len(compare(expected, {CELL: Sums(2, Decimal(11))}, source="SQL"))


def test_the_variables_are_read() -> None:
    """Empty variables are the defaults; an unknown variant is refused."""
    assert Run() == read_run({"SEED": "", "VARIANT": ""})
    assert (3, 5.0, 4) == _shape(read_run({"SEED": "3", "DURATION": "5", "WORKERS": "4"}))
    assert NAIVE == read_run({"VARIANT": "naive"}).programs
    with pytest.raises(ValueError, match="VARIANT"):
        read_run({"VARIANT": "clever"})


def _shape(run: Run) -> tuple[int, float, int]:
    return run.seed, run.seconds, run.workers


def _event(event_id: str, tokens: int, **more: str) -> dict[str, object]:
    correcting = {"action": "replace", "revision": 1, **more} if more else {}
    return {
        "event_id": event_id,
        "tenant": "acme",
        "agent": "coder",
        "model": "gpt-5",
        "occurred_at": "2026-01-31T12:00:00Z",
        "tokens": {"input_uncached": tokens},
        **correcting,
    }
