"""The bench on a small scale: its parts run, and a wrong total voids a run."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bench.events import Shape
from tests.bench.load import Load
from tests.bench.log import distinct_ids, preload
from tests.bench.results import Figure, Run, load_run, store
from tests.bench.rig import fresh_rig, read_log
from tests.bench.table import markdown
from tests.bench.worker import check_totals, drain
from tests.support.stack import StackAddress

EVENTS = 2_000


async def test_the_worker_part_checks_its_totals(stack: StackAddress, tmp_path: Path) -> None:
    """A log with envelopes sent twice is counted exactly, and one token more would be noticed."""
    log = await preload(stack.kafka_bootstrap, EVENTS, Shape(600, responses=True))
    async with fresh_rig(stack, tmp_path) as rig:
        drained = await drain(rig, log)
        wrong = replace(log, quantities=log.quantities | {"output_text": 1})
        with pytest.raises(RuntimeError, match="void: quantities"):
            await check_totals(rig, wrong)

    assert 600 == log.keys
    assert min(drained.seconds, drained.cpu_seconds, drained.peak_bytes) > 0


async def test_the_load_generator_sends_every_event_once(
    stack: StackAddress, tmp_path: Path
) -> None:
    """Every event of the load is acknowledged, and the log holds each of their ids."""
    async with fresh_rig(stack, tmp_path) as rig, rig.api() as (_, port):
        begin = await rig.ends()
        sent = await (await rig.load(Load("127.0.0.1", port, rig.key, 500, 10, 4))).go()
        records = await read_log(stack.kafka_bootstrap, begin, await rig.ends())

    assert (500, 0) == (sent.accepted, sent.refused)
    assert 500 <= distinct_ids(records)  # other tests may write to the same log


def test_the_page_says_what_is_missed(tmp_path: Path) -> None:
    """A stored run becomes the page; a figure below its goal is written as missed."""
    figures = [
        Figure("ingest", "batch 500 x 16", "events/s", [1.0, 250_000.0, 260_000.0], plain=1_000.0),
        Figure("ingest", "batch 1 x 32", "events/s", [3_999.0]),
        Figure("worker", "5,000 keys", "events/s", [200_000.0], plain=10_000.0),
    ]
    path = store(
        Run(datetime(2026, 1, 31, tzinfo=UTC), "bench", {"cores": "2"}, 3, 1.0, figures), tmp_path
    )
    page = markdown(load_run(path))

    assert (
        "| ingest, batch 500, acknowledged | 120,000 | 250,000 | 250,000 events/s | met, aim met |"
        in page
    )
    assert (
        "| ingest, batch 1, 32 connections | 4,000 | 10,000 | 3,999 events/s | **missed** |" in page
    )
    assert "**missed**: 20 x plain" in page
    assert "not measured" in page


def test_a_page_of_several_runs_has_the_last_figures_of_each_part() -> None:
    """Runs of one machine are one page, which names them all; others are refused."""

    def run(day: int, part: str, value: float, cores: str = "2") -> Run:
        figures = [Figure(part, "200 rows, 12 charges", "statements/s", [value])]
        began = datetime(2026, 1, day, tzinfo=UTC)
        return Run(began, f"bench {day}", {"cores": cores}, 3, 1.0, figures)

    page = markdown(run(1, "rating", 10), run(2, "other", 20), run(3, "rating", 30))

    assert all(f"`bench {day}` (2026-01-0{day}" in page for day in (1, 2, 3))
    assert ("| 30 statements/s |" in page, "| 10 statements/s |" in page) == (True, False)
    assert "| other |" in page
    with pytest.raises(ValueError, match="one machine"):
        markdown(run(1, "rating", 10), run(2, "rating", 20, cores="4"))
