"""What makes a worker end by itself: too much that is broken, or no progress. And fair shares."""

import subprocess
import sys
from typing import Any

import polars as pl
import pytest

from services.metering.repository.leases import choose, fair_share
from services.metering.running import EXIT_FAILED, EXIT_REJECTING, EXIT_STALLED
from services.metering.worker.process import exit_code
from services.metering.worker.reading import Reading, Rejection
from services.metering.worker.rejection_limit import RejectionLimit, RejectionLimitError
from services.metering.worker.standing import Standing
from services.metering.worker.watchdog import StalledError, stalled

RUN_MAX = 10


def _reading(*judged: str, partition: int = 0, offset: int = 0) -> Reading:
    """Return a reading of one record: each entry is `ok` or the code of a rejection."""
    good = [i for i, code in enumerate(judged) if code == "ok"]
    columns: dict[str, Any] = {"partition": partition, "offset": offset, "index": good}
    schema = dict.fromkeys(columns, pl.Int64)
    events = pl.DataFrame([(partition, offset, i) for i in good], schema=schema, orient="row")
    rejections = [
        Rejection(partition, offset, i, code, "because")
        for i, code in enumerate(judged)
        if code != "ok"
    ]
    return Reading(events, rejections)


def _limit(**changes: Any) -> RejectionLimit:
    return RejectionLimit(**({"ratio_max": 0.5, "run_max": RUN_MAX} | changes))


@pytest.mark.parametrize(
    ("judged", "halted"),
    [
        (["invalid_event"] * RUN_MAX, False),
        (["invalid_event"] * (RUN_MAX + 1), True),
        (["invalid_event"] * RUN_MAX + ["ok"] + ["invalid_event"] * RUN_MAX, False),
        (["conflicting_event"] * 100, False),
        (["unknown_tenant"] * 100, False),
    ],
)
def test_a_run_of_broken_events_halts(judged: list[str], *, halted: bool) -> None:
    """More than so many broken events in a row halt; what a tenant can cause never does."""
    assert halted == bool(_limit().exceeded(_reading(*judged)))


def test_a_run_goes_on_over_flushes_and_per_partition() -> None:
    """Two flushes make one run; two partitions are two runs; a partition given up begins anew."""
    limit = _limit()
    first = limit.exceeded(_reading(*["invalid_event"] * 6, partition=0))
    other = limit.exceeded(_reading(*["invalid_event"] * 6, partition=1))
    limit.forget(1)
    anew = limit.exceeded(_reading(*["invalid_event"] * 6, partition=1, offset=1))
    second = limit.exceeded(_reading(*["invalid_event"] * 6, partition=0, offset=1))

    assert ({}, {}, {}) == (first, other, anew)
    assert {0: (1, 0)} == {p: (r.offset, r.index) for p, r in second.items()}


def test_a_ratio_of_broken_events_halts() -> None:
    """Above the ratio of a window of events the worker halts, however they are mixed."""
    half = ["invalid_event", "ok"] * 500
    more = ["invalid_event", "ok", "invalid_event"] * 334

    assert not _limit().exceeded(_reading(*half))
    assert _limit().exceeded(_reading(*more))


def test_what_was_accepted_does_not_count() -> None:
    """Broken events below the accepted offset are rejected without a halt; later ones halt."""
    limit = _limit(accepted_below={0: 5})
    below = limit.exceeded(_reading(*["invalid_event"] * 100, offset=4))
    above = limit.exceeded(_reading(*["invalid_event"] * 100, offset=5))

    assert ({}, [0]) == (below, list(above))


def test_a_limit_on_all_rejections_would_be_seen() -> None:
    """A limit that counts every rejection lets one tenant's conflicts stop everybody."""
    conflicts = _reading(*["conflicting_event"] * 100)
    as_broken = [
        Rejection(r.partition, r.offset, r.index, "invalid_event", "") for r in conflicts.rejections
    ]

    assert _limit().exceeded(Reading(conflicts.events, as_broken))


def _positions(**progressed_at: float) -> dict[int, Standing]:
    return {int(p[1:]): Standing(5, 9, 5, at) for p, at in progressed_at.items()}


def test_a_stuck_partition_does_not_hide_behind_others() -> None:
    """One partition with records and no progress ends the worker, whatever the others do."""
    positions = _positions(p0=99.0, p1=40.0)

    with pytest.raises(StalledError, match="partition 1: 4 records wait"):
        stalled(positions, {0: 4, 1: 4}, now=100.0, seconds_max=60)


def test_a_quiet_partition_is_not_stuck() -> None:
    """Without records no time runs; with them it runs from the moment that they were seen."""
    positions = _positions(p0=0.0)
    stalled(positions, {0: 0}, now=100.0, seconds_max=60)
    stalled(positions, {0: 4}, now=159.0, seconds_max=60)

    with pytest.raises(StalledError):
        stalled(positions, {0: 4}, now=160.0, seconds_max=60)


def test_a_watch_over_all_partitions_at_once_would_be_seen() -> None:
    """One clock for all partitions, the newest progress, misses the stuck one."""
    newest = max(position.progressed_at for position in _positions(p0=99.0, p1=40.0).values())

    stalled({1: Standing(5, 9, 5, newest)}, {1: 4}, now=100.0, seconds_max=60)


def test_exit_codes_tell_why() -> None:
    """A supervisor sees why a worker ended, also when the reason stands in a group."""
    group = BaseExceptionGroup("tasks", [RejectionLimitError(), OSError()])

    assert [EXIT_STALLED, EXIT_REJECTING, EXIT_FAILED] == [
        exit_code(StalledError()),
        exit_code(group),
        exit_code(KeyboardInterrupt()),
    ]


@pytest.mark.parametrize(("partitions", "workers"), [(4, 1), (4, 3), (4, 4), (4, 7), (64, 5)])
def test_shares_are_fair_and_add_up(partitions: int, workers: int) -> None:
    """Shares differ by one at most and together are all partitions."""
    shares = [fair_share(partitions, rank, workers) for rank in range(workers)]

    assert partitions == sum(shares)
    assert max(shares) - min(shares) <= 1


def test_a_worker_keeps_its_own_and_takes_only_what_is_free() -> None:
    """Own partitions stay, free ones are added up to the share, those of others are left alone."""
    owners = {0: "b", 1: "", 2: "a", 3: ""}

    assert {1, 2} == choose(owners, "a", 2)
    assert {2} == choose(owners, "a", 1)
    assert {1, 2, 3} == choose(owners, "a", 4)


@pytest.mark.parametrize(
    ("module", "loads"),
    [("services.metering.worker.process", False), ("services.metering.app", True)],
)
def test_the_worker_loads_no_web_framework(module: str, *, loads: bool) -> None:
    """A quarter of its memory would go to libraries that only other processes use."""
    heavy = "{'fastapi', 'faststream', 'duckdb'}"
    program = f"import sys, {module}; sys.exit(bool({heavy} & sys.modules.keys()))"
    ended = subprocess.run([sys.executable, "-c", program], check=False)

    assert loads == bool(ended.returncode)
