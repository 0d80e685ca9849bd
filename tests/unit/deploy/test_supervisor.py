"""The supervisor, with tiny programs as processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deploy.local.children import Program
from deploy.local.errors import StackError
from deploy.local.guardian import is_running
from deploy.local.root_lock import RootLock
from deploy.local.supervisor import Backoff, Process, Supervisor

BOUND_SECONDS = 20.0
QUICK = Backoff(first_seconds=0.01, most_seconds=0.05, reset_seconds=60.0)
FOREVER = "import time; print('up', flush=True); time.sleep(600)"


def python(code: str) -> list[str]:
    """Return the arguments of a small Python program."""
    return [sys.executable, "-I", "-S", "-c", code]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, within a bound."""
    async with asyncio.timeout(BOUND_SECONDS):
        while not condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.01)


@pytest.fixture(name="supervisor")
async def _supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with Supervisor(tmp_path, backoff=QUICK) as supervisor:
        yield supervisor


async def test_a_killed_process_is_restarted(supervisor: Supervisor) -> None:
    """After a kill -9 the process runs again under another id."""
    await supervisor.start(Process(name="worker", argv=python(FOREVER)))
    first = supervisor.pid("worker")
    assert first is not None

    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.pid("worker") not in {first, None})

    assert 1 == supervisor.restarts("worker")
    assert f"{supervisor.pid('worker')}\n" == (supervisor.root / "run/worker.pid").read_text()


async def test_a_process_that_keeps_dying_is_restarted_again_and_again(
    supervisor: Supervisor,
) -> None:
    """Restarts go on, the output of each life in one log."""
    await supervisor.start(Process(name="brief", argv=python("print('born', flush=True)")))

    await until(lambda: supervisor.restarts("brief") >= 3)

    log = (supervisor.root / "logs/brief.log").read_text()
    assert log.count("born") >= 3


def test_backoff_doubles_up_to_its_bound() -> None:
    """The wait doubles with each death in a row and never passes the bound."""
    backoff = Backoff(first_seconds=0.5, most_seconds=4.0)

    assert [0.5, 1.0, 2.0, 4.0, 4.0] == [backoff.delay_seconds(n) for n in range(1, 6)]
    assert 4.0 == backoff.delay_seconds(100_000)


async def test_backoff_begins_anew_after_a_long_life(tmp_path: Path) -> None:
    """A process that was up for the reset time waits only the first delay when it dies again."""
    patient = Backoff(first_seconds=0.01, most_seconds=3600.0, reset_seconds=0.0)
    async with Supervisor(tmp_path, backoff=patient) as supervisor:
        await supervisor.start(Process(name="brief", argv=python("")))

        # Without the reset the twelfth wait alone would be 20 s.
        await until(lambda: supervisor.restarts("brief") >= 12)

        assert supervisor.restarts("brief") >= 12


async def test_start_waits_until_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    """A process is started when its readiness says so, not when it runs."""
    flag = tmp_path / "flag"
    code = f"import time; time.sleep(0.2); open({str(flag)!r}, 'w'); time.sleep(600)"

    async def ready() -> bool:
        return flag.exists()

    await supervisor.start(Process(name="slow", argv=python(code), ready=ready))

    assert flag.exists()


async def test_start_waits_for_a_health_url(supervisor: Supervisor, tmp_path: Path) -> None:
    """A URL is ready when it answers 200."""
    port_file = tmp_path / "port"
    code = (
        "import http.server as h, os\n"
        "s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)\n"
        f"open({str(port_file) + '.new'!r}, 'w').write(str(s.server_port))\n"
        f"os.rename({str(port_file) + '.new'!r}, {str(port_file)!r})\n"
        "s.serve_forever()"
    )
    await supervisor.start(Process(name="web", argv=python(code), cwd=tmp_path))
    await until(port_file.exists)
    url = f"http://127.0.0.1:{port_file.read_text()}"

    await supervisor.start(Process(name="found", argv=python(FOREVER), ready=f"{url}/port"))

    with pytest.raises(StackError) as refused:
        await supervisor.start(
            Process(name="lost", argv=python(FOREVER), ready=f"{url}/absent", ready_seconds_max=0.3)
        )
    assert "process_not_ready" == refused.value.code


async def test_a_process_that_ends_before_it_is_ready_fails_the_start(
    supervisor: Supervisor,
) -> None:
    """The error names the exit code and shows the end of the log."""

    async def never() -> bool:
        return False

    process = Process(
        name="broken", argv=python("import sys; print('why'); sys.exit(3)"), ready=never
    )

    with pytest.raises(StackError, match=r"exit code 3(.|\n)*why") as refused:
        await supervisor.start(process)

    assert "process_ended" == refused.value.code
    assert [] == supervisor.names


async def test_stop_kills_what_ignores_its_signal(supervisor: Supervisor) -> None:
    """A process that ignores the stop signal is killed after the bound."""
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(600)"
    )
    await supervisor.start(Process(name="deaf", argv=python(code), stop_seconds_max=0.2))
    pid = supervisor.pid("deaf")
    assert pid is not None
    await until(lambda: "deaf" in (supervisor.root / "logs/deaf.log").read_text())

    await supervisor.stop("deaf")

    assert not is_running(pid)


async def test_grandchildren_end_too(supervisor: Supervisor) -> None:
    """What a process has started is ended with it."""
    code = (
        "import subprocess, sys, time\n"
        "c = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(600)'])\n"
        "print(c.pid, flush=True); time.sleep(600)"
    )
    await supervisor.start(Process(name="parent", argv=python(code)))
    log = supervisor.root / "logs/parent.log"
    await until(lambda: log.read_text().endswith("\n"))

    await supervisor.stop("parent")

    await until(lambda: not is_running(int(log.read_text())))


async def test_a_cancelled_start_leaves_nothing(supervisor: Supervisor) -> None:
    """A Ctrl-C while a start is awaited ends the process."""

    async def never() -> bool:
        return False

    start = asyncio.create_task(
        supervisor.start(Process(name="slow", argv=python(FOREVER), ready=never))
    )
    pid_file = supervisor.root / "run/slow.pid"
    await until(pid_file.exists)
    pid = int(pid_file.read_text())

    start.cancel()
    await asyncio.wait([start])

    assert not is_running(pid)


async def test_a_command_that_fails_shows_its_log(supervisor: Supervisor) -> None:
    """A command's failure carries the end of its output."""
    with pytest.raises(StackError, match="no space") as refused:
        await supervisor.run(
            Program(argv=python("import sys; sys.exit('no space')")),
            "once",
            seconds_max=BOUND_SECONDS,
        )

    assert "command_failed" == refused.value.code


@pytest.mark.parametrize("watched", ["by_the_kernel", "by_the_guardian"])
async def test_children_die_with_a_killed_parent(tmp_path: Path, watched: str) -> None:
    """After kill -9 of the parent its child ends, with each of the two means alone."""
    disabled = {
        "by_the_kernel": "Guardian.register = lambda *_: None",
        "by_the_guardian": "Process.launch_arguments = lambda process: process.argv",
    }
    parent = f"""
import asyncio, pathlib
from deploy.local.children import Guardian
from deploy.local.supervisor import Process, Supervisor
{disabled[watched]}
async def main():
    async with Supervisor(pathlib.Path({str(tmp_path)!r})) as supervisor:
        await supervisor.start(Process(name="child", argv={python(FOREVER)!r}))
        await asyncio.sleep(600)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, cwd=Path(__file__).parents[3]
    )
    log, pid = tmp_path / "logs/child.log", tmp_path / "run/child.pid"
    await until(lambda: log.exists() and "up" in log.read_text())
    # The child may speak before its parent has written down who it is.
    await until(lambda: pid.exists() and pid.read_text().endswith("\n"))
    child = int(pid.read_text())

    process.kill()
    await process.wait()

    await until(lambda: not is_running(child))


async def test_without_any_means_a_child_would_survive(tmp_path: Path) -> None:
    """A naive start without the launcher and the guardian leaves the child: the check notices."""
    code = (
        "import subprocess, sys, time\n"
        "quiet = {'start_new_session': True, 'stdout': subprocess.DEVNULL}\n"
        f"c = subprocess.Popen({python(FOREVER)!r}, **quiet)\n"
        "print(c.pid, flush=True); time.sleep(600)"
    )
    process = await asyncio.create_subprocess_exec(*python(code), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    child = int(await process.stdout.readline())
    process.kill()
    await process.wait()

    try:
        assert is_running(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_second_stack_on_a_folder_is_refused(tmp_path: Path) -> None:
    """A folder has one stack at a time; the error names who holds it."""
    with RootLock(tmp_path), pytest.raises(StackError, match=str(os.getpid())) as refused:
        RootLock(tmp_path).__enter__()

    assert "stack_already_running" == refused.value.code


def test_a_folder_can_be_taken_again(tmp_path: Path) -> None:
    """The lock ends with its holder."""
    with RootLock(tmp_path):
        pass

    with RootLock(tmp_path) as again:
        assert again.descriptor >= 0
