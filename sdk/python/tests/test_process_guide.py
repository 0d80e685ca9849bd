"""docs/guides/processes.md is run, not believed; gunicorn and Celery are imitated."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tallyroll.testing import RecordingServer

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "guides" / "processes.md"
BLOCK = re.compile(r"^```python\n# (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CELERY = """
class Signal:
    def __init__(self):
        self.receivers = []
    def connect(self, receiver):
        self.receivers.append(receiver)
        return receiver
    def send(self, **named):
        for receiver in self.receivers:
            receiver(signal=self, **named)
worker_process_shutdown = Signal()
"""
"""Of celery.signals what the page uses."""
RECORD = """
def record(agent):
    for _ in range(50):
        metering.meter.record(agent=agent, model="m")
"""
GUNICORN = f"""
# As gunicorn's arbiter: it loads the application (preload_app) or has each worker do it, forks,
# and ends the workers by SIGTERM, which their handlers answer by sys.exit(0).
import os, signal, sys
{RECORD}
preload = sys.argv[1] == "preload"
if preload:
    import metering
    record("arbiter")
workers = []
for number in range(3):
    reading, writing = os.pipe()
    worker = os.fork()
    if worker == 0:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        import metering
        record(f"worker-{{number}}")
        os.write(writing, b"x")
        while True:
            signal.pause()
    os.read(reading, 1)
    workers.append(worker)
for worker in workers:
    os.kill(worker, signal.SIGTERM)
assert [0, 0, 0] == [os.waitpid(worker, 0)[1] for worker in workers]
os._exit(0)  # so that it delivers nothing in their place
"""
PREFORK = f"""
# As Celery's prefork pool: the parent loads the tasks and forks; a child sends the signal when it
# is told to stop, and leaves by os._exit().
import os
import tasks, metering
from celery.signals import worker_process_shutdown
{RECORD}
for number in range(3):
    if os.fork() == 0:
        record(f"child-{{number}}")
        worker_process_shutdown.send(pid=os.getpid(), exitcode=0)
        os._exit(0)
assert [0, 0, 0] == [os.wait()[1] for _ in range(3)]
os._exit(0)
"""
LAMBDA = """
# As Lambda: invocations one after the other; then the sandbox is frozen for ever.
import os, signal
import function
for number in range(3):
    assert {"statusCode": 200} == function.handler({"tenant": f"t-{number}"}, None)
os.kill(os.getpid(), signal.SIGKILL)
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(name="run")
def _run(server: RecordingServer, tmp_path: Path) -> Run:
    """Run a program, or a file of the page, beside the files of the page."""
    for name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "celery").mkdir()
    (tmp_path / "celery" / "signals.py").write_text(CELERY, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if "TALLYROLL" not in name}
    environment |= {
        "TALLYROLL_ENDPOINT": server.endpoint,
        "TALLYROLL_API_KEY": "tr_test_key",
        "TALLYROLL_SPOOL_DIR": str(tmp_path / "spool"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "sdk" / "python" / "src")]),
    }

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            check=False,
            timeout=120,
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
        )

    return run


def _agents(server: RecordingServer) -> dict[str, int]:
    """Return how many events of each agent, or of each tenant where there is one, arrived."""
    events = {
        event["event_id"]: event.get("tenant", event["agent"])
        for body in server.bodies
        for event in msgspec.json.decode(body)["events"]
    }
    names = list(events.values())
    assert {1} == set(server.commits.values())
    return {name: names.count(name) for name in sorted(set(names))}


@pytest.mark.parametrize("mode", ["preload", "lazy"])
def test_workers_deliver_when_they_are_ended(server: RecordingServer, run: Run, mode: str) -> None:
    """With the application loaded before the fork or after it."""
    result = run("-c", GUNICORN, mode)

    assert 0 == result.returncode, result.stderr
    workers = {f"worker-{number}": 50 for number in range(3)}
    assert workers == {n: count for n, count in _agents(server).items() if n != "arbiter"}


def test_children_of_celery_deliver_at_the_signal(server: RecordingServer, run: Run) -> None:
    """They leave by `os._exit()` right after it."""
    result = run("-c", PREFORK)

    assert 0 == result.returncode, result.stderr
    assert {f"child-{number}": 50 for number in range(3)} == _agents(server)


def test_the_job_delivers(server: RecordingServer, run: Run) -> None:
    """Each child of the pool what it recorded."""
    result = run("job.py")

    assert 0 == result.returncode, result.stderr
    assert {"acme": 100} == _agents(server)


def test_an_invocation_delivers_before_it_returns(server: RecordingServer, run: Run) -> None:
    """Nothing runs after the last one."""
    result = run("-c", LAMBDA)

    assert -9 == result.returncode, result.stderr
    assert {f"t-{number}": 1 for number in range(3)} == _agents(server)
