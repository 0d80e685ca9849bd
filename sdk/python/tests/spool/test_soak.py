"""kill -9 at random moments, on a server that fails, delays and drops answers.

SOAK_KILLS sets how often (20); SOAK_SEED repeats a run.
"""

import os
import random
import threading
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest

from tallyroll.testing import RecordingServer, accept_all
from tallyroll.transport import Response

from .conftest import Run

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("SOAK_KILLS", "20"))
SEED = int(os.environ.get("SOAK_SEED", random.randrange(10**6)))  # noqa: S311  no secret

EMIT = """
import random
from tallyroll.spool import disk
kills, seed, broken = int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
if broken == "ack_before_answer":
    from tallyroll.spool.buffer import SpoolBuffer
    begin = SpoolBuffer._begin
    def early(self, log, found, *, is_own):
        batch = begin(self, log, found, is_own=is_own)
        if batch is not None and log is not None:
            log.folder.acknowledge(found.after(len(found.payloads)))
        return batch
    SpoolBuffer._begin = early
if broken == "memory_only":
    from tallyroll.spool.intake import Intake
    Intake._write = lambda self, frame: False
chance = random.Random(seed)
meter_with().close()  # imports what the children use

def emit(life):
    meter = meter_with(segment_bytes=8_000)
    ledger = os.open(f"{folder}/{life}.ledger", os.O_CREAT | os.O_WRONLY, 0o600)
    for number in range(10**9):
        tokens = {"output_text": number}
        meter.record(agent="a", model="m", event_id=f"{life}-{number}", tokens=tokens)
        os.pwrite(ledger, b"%d" % (number + 1), 0)
        if number % 20 == 0:
            time.sleep(0.001)

for life in range(kills):
    child = os.fork()
    if child == 0:
        emit(life)
    time.sleep(chance.uniform(0.005, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

meter = meter_with()
deadline = time.monotonic() + (3 if broken else 120 + 3 * kills)
while segments() and time.monotonic() < deadline:
    meter.flush(0.1)
    time.sleep(0.01)
stats = meter.stats()
left = [] if broken else segments()
print(stats, len(left), "segments are left")
sys.exit(bool(left or stats.lost or stats.damaged > kills))
"""


class BadServer:
    """Commits, delays, drops and fails at random; keeps what came under each id."""

    def __init__(self, server: RecordingServer, seed: int) -> None:
        self.contents: dict[str, set[bytes]] = defaultdict(set)
        self.requests = self.failures = 0
        self._server, self._chance = server, random.Random(seed)  # noqa: S311
        self._lock, self._never = threading.Lock(), threading.Event()

    def serve(self, body: bytes, _headers: object) -> Response | None:
        with self._lock:
            self.requests += 1
            fate, delay = self._chance.random(), self._chance.uniform(0, 0.03)
        self._never.wait(delay)
        if fate < 0.15:
            self.failures += 1
            return Response(503 if fate < 0.1 else 429, {"retry-after": "0"}, b"")
        if fate < 0.25:
            self.failures += 1
            return None
        self._server.commit(body)
        with self._lock:
            for event in msgspec.json.decode(body, type=dict[str, list[msgspec.Raw]])["events"]:
                identity = msgspec.json.decode(event)["event_id"]
                self.contents[identity].add(bytes(event))
        if fate < 0.4:
            self.failures += 1
            return None
        return accept_all(body)


def _soak(
    server: RecordingServer, run: Run, tmp_path: Path, kills: int, broken: str = ""
) -> tuple[BadServer, int]:
    """Return the server, and how many events were recorded; AssertionError if one is missing."""
    bad = BadServer(server, SEED)
    server.serve = bad.serve  # type: ignore[method-assign, assignment]
    result = run(EMIT, str(kills), str(SEED), broken)
    assert broken or 0 == result.returncode, result.stdout + result.stderr

    recorded = 0
    for ledger in tmp_path.glob("*.ledger"):
        count = int(ledger.read_bytes() or b"0")
        recorded += count
        mine = {f"{ledger.stem}-{number}" for number in range(count)}
        arrived = {identity for identity in bad.contents if identity.startswith(f"{ledger.stem}-")}
        missing = len(mine - arrived)
        assert not missing, f"{missing} of {count} events of life {ledger.stem} are missing"
        # The kill may come between the return of `record()` and the note in the ledger.
        assert arrived - mine <= {f"{ledger.stem}-{count}"}
    return bad, recorded


def test_no_recorded_event_is_lost_and_none_counts_twice(
    server: RecordingServer, run: Run, tmp_path: Path
) -> None:
    """The server has every event whose `record()` returned, one content under each id."""
    bad, recorded = _soak(server, run, tmp_path, KILLS)

    assert recorded > KILLS * 10
    assert recorded <= len(bad.contents) <= recorded + KILLS
    assert {1} == {len(contents) for contents in bad.contents.values()}
    deliveries = sum(server.commits.values())
    print(  # noqa: T201  shown by `pytest -s`
        f"seed {SEED}: {KILLS} kills, {recorded} recorded, {len(bad.contents)} at the server, "
        f"{deliveries} deliveries, {bad.requests} requests of which {bad.failures} failed"
    )


@pytest.mark.parametrize("broken", ["ack_before_answer", "memory_only"])
def test_a_broken_spool_is_caught(
    server: RecordingServer, run: Run, tmp_path: Path, broken: str
) -> None:
    """The soak fails for a spool that acknowledges before the answer, and for none at all."""
    with pytest.raises(AssertionError, match="missing"):
        _soak(server, run, tmp_path, 10, broken)
