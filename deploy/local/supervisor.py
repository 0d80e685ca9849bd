"""Keeps named processes running: starts, awaits, restarts and stops them."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import structlog

from deploy.local.children import Child, Guardian, Program, spawn
from deploy.local.errors import StackError, fresh_log, log_tail

logger = structlog.get_logger()

Probe = Callable[[], Awaitable[bool]]

PROBE_SECONDS_MAX = 2.0
PROBE_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Process(Program):
    """A program that is kept running.

    `ready` says when it can be used: an async callable that returns a truth value, or a URL that
    answers 200. None: as soon as it runs. `log_file` defaults to `<root>/logs/<name>.log`.
    """

    name: str
    ready: Probe | str | None = None
    ready_seconds_max: float = 60.0
    log_file: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds_max: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait before a restart: doubled after each, from `first` to `most` seconds.

    A process that was up for `reset` seconds or longer has recovered: it begins at `first` again.
    """

    first_seconds: float = 0.2
    most_seconds: float = 10.0
    reset_seconds: float = 30.0

    def delay_seconds(self, deaths: int) -> float:
        """Return the wait after the `deaths`-th death in a row, counted from 1."""
        # The exponent is bounded, or it would overflow after a thousand deaths.
        return min(self.most_seconds, self.first_seconds * 2.0 ** min(deaths - 1, 32))


@dataclass
class _Running:
    process: Process
    log: Path
    child: Child
    restarts: int = 0
    keeper: asyncio.Task[None] | None = None


class Supervisor:
    """Runs processes under a folder: logs in `<root>/logs`, process ids in `<root>/run/NAME.pid`.

    An async context manager. At its end everything that it started has ended, in the reverse order
    of their start.
    """

    def __init__(
        self, root: Path, *, backoff: Backoff | None = None, lock_descriptor: int | None = None
    ) -> None:
        self.root = root
        self._backoff = backoff or Backoff()
        self._lock_descriptor = lock_descriptor
        self._running: dict[str, _Running] = {}
        self._guardian: Guardian | None = None

    async def __aenter__(self) -> Self:
        self._guardian = Guardian(self._lock_descriptor)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for name in reversed(list(self._running)):
                await self.stop(name)
        finally:
            self.guardian.close()

    @property
    def guardian(self) -> Guardian:
        """The watcher that ends our processes if we are killed."""
        assert self._guardian is not None, "the supervisor has not been entered"
        return self._guardian

    @property
    def names(self) -> list[str]:
        """The processes that are kept running, in the order of their start."""
        return list(self._running)

    def pid(self, name: str) -> int | None:
        """Return the id of a process, or None while it waits for its restart."""
        child = self._running[name].child
        return child.pid if child.exit_code is None else None

    def restarts(self, name: str) -> int:
        """Return how often a process has been restarted."""
        return self._running[name].restarts

    async def start(self, process: Process) -> None:
        """Start a process and wait until it is ready; from then on it is restarted when it dies.

        Raises StackError `process_ended` or `process_not_ready`, after the process has been ended.
        """
        assert process.name not in self._running, f"{process.name} runs already"
        log = fresh_log(process.log_file or self.root / "logs" / f"{process.name}.log")
        child = await spawn(process, self.guardian, log)
        running = _Running(process, log, child)
        self._running[process.name] = running
        try:
            self._write_pid(running)
            await _await_ready(running)
        except BaseException:
            await self.stop(process.name)
            raise
        running.keeper = asyncio.create_task(self._keep(running), name=f"keep {process.name}")
        logger.info("process_ready", process=process.name, pid=child.pid)

    async def stop(self, *names: str) -> None:
        """Stop processes, all at the same time, each within its own bound."""
        stops = [asyncio.create_task(self._stop(self._running[name])) for name in names]
        try:
            await asyncio.gather(*stops)
        finally:
            for name in names:
                self._running.pop(name, None)

    async def run(self, program: Program, name: str, *, seconds_max: float) -> None:
        """Run a program to its end; its output goes to `<root>/logs/<name>.log`.

        Raises StackError `command_failed` or `command_timed_out`.
        """
        log = fresh_log(self.root / "logs" / f"{name}.log")
        child = await spawn(program, self.guardian, log)
        try:
            async with asyncio.timeout(seconds_max):
                code = await child.wait()
        except TimeoutError:
            message = f"{name} did not end within {seconds_max:g} s.\n{log_tail(log)}"
            raise StackError("command_timed_out", message) from None
        finally:
            await child.end(signal.SIGKILL, seconds_max=1.0)
        if code != 0:
            message = f"{name} ended with exit code {code}.\n{log_tail(log)}"
            raise StackError("command_failed", message)

    async def _stop(self, running: _Running) -> None:
        if running.keeper is not None:
            running.keeper.cancel()
            await asyncio.wait([running.keeper])
        process = running.process
        await running.child.end(process.stop_signal, process.stop_seconds_max)
        self._pid_file(running).unlink(missing_ok=True)

    async def _keep(self, running: _Running) -> None:
        name = running.process.name
        loop = asyncio.get_running_loop()
        deaths = 0
        while True:
            started = loop.time()
            code = await running.child.wait()
            up_seconds = loop.time() - started
            deaths = 1 if up_seconds >= self._backoff.reset_seconds else deaths + 1
            delay = self._backoff.delay_seconds(deaths)
            logger.warning(
                "process_ended", process=name, exit_code=code, restart_in_seconds=round(delay, 3)
            )
            await asyncio.sleep(delay)
            running.child = await spawn(running.process, self.guardian, running.log)
            running.restarts += 1
            self._write_pid(running)
            logger.info("process_restarted", process=name, pid=running.child.pid)

    def _pid_file(self, running: _Running) -> Path:
        return self.root / "run" / f"{running.process.name}.pid"

    def _write_pid(self, running: _Running) -> None:
        path = self._pid_file(running)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{running.child.pid}\n")


async def _await_ready(running: _Running) -> None:
    process = running.process
    try:
        async with asyncio.timeout(process.ready_seconds_max):
            while not await _is_ready(process.ready):
                _refuse_ended(running)
                await asyncio.sleep(PROBE_PAUSE_SECONDS)
    except TimeoutError:
        message = f"{process.name} was not ready within {process.ready_seconds_max:g} s."
        raise StackError("process_not_ready", f"{message}\n{log_tail(running.log)}") from None
    # Somebody else may have answered on its port.
    _refuse_ended(running)


def _refuse_ended(running: _Running) -> None:
    code = running.child.exit_code
    if code is None:
        return
    message = f"{running.process.name} ended with exit code {code} before it was ready."
    raise StackError("process_ended", f"{message}\n{log_tail(running.log)}")


async def _is_ready(ready: Probe | str | None) -> bool:
    if ready is None:
        return True
    try:
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            return await (_answers_200(ready) if isinstance(ready, str) else ready())
    except TimeoutError:
        return False


async def _answers_200(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.get(url)
    except httpx.HTTPError:
        return False
    return response.status_code == httpx.codes.OK
