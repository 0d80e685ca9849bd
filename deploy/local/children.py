"""Child processes that never outlive us."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

logger = structlog.get_logger()

_HERE = Path(__file__).resolve().parent
# No site packages and no environment: these scripts need the standard library alone.
_SCRIPT = [sys.executable, "-I", "-S", "-B"]

GUARDIAN_END_SECONDS_MAX = 15.0


@dataclass(frozen=True)
class Account:
    """A system user to run a program as."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how it is to end.

    `env` is the whole environment (None: ours). `death_signal` is what it gets when we die without
    a chance to stop it. `own_group` keeps a terminal's Ctrl-C away from it.
    """

    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: Account | None = None
    death_signal: signal.Signals = signal.SIGKILL
    own_group: bool = True

    def launch_arguments(self) -> list[str]:
        """Return the command line that runs it bound to this process' life."""
        uid, gid = (self.account.uid, self.account.gid) if self.account else (-1, -1)
        head = (os.getpid(), int(self.death_signal), uid, gid)
        return [*_SCRIPT, str(_HERE / "launch.py"), *map(str, head), *map(str, self.argv)]


class Guardian:
    """The watcher process, and our end of the pipe that tells it we are alive."""

    def __init__(self, lock_descriptor: int | None = None) -> None:
        self._process = subprocess.Popen(
            [*_SCRIPT, str(_HERE / "guardian.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=() if lock_descriptor is None else (lock_descriptor,),
            start_new_session=True,
            cwd="/",
        )

    @property
    def pid(self) -> int:
        """The watcher's process id."""
        return self._process.pid

    def register(self, pid: int, program: Program) -> None:
        """Have a process ended when we are gone."""
        self._tell(f"+ {pid} {int(program.death_signal)} {int(program.own_group)}\n")

    def forget(self, pid: int) -> None:
        """Take a process that has ended off the list; its id may come again."""
        self._tell(f"- {pid}\n")

    def close(self) -> None:
        """End the watcher, and with it whatever is still registered."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(GUARDIAN_END_SECONDS_MAX)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), line.encode())
        except BrokenPipeError:
            logger.warning("guardian_ended", pid=self._process.pid)


class Child:
    """A started program."""

    def __init__(
        self, program: Program, process: asyncio.subprocess.Process, guardian: Guardian
    ) -> None:
        self._program = program
        self._process = process
        self._guardian = guardian
        self.pid = process.pid
        guardian.register(process.pid, program)

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end and clean up what it left of its process group."""
        code = await self._process.wait()
        if self._program.own_group:
            self.send(signal.SIGKILL)
        self._guardian.forget(self.pid)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it, and to its process group where it leads one."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._program.own_group:
                os.killpg(self.pid, number)
            elif self._process.returncode is None:
                os.kill(self.pid, number)

    async def end(self, number: signal.Signals | None, seconds_max: float) -> int:
        """Ask it to end, kill it after `seconds_max`, and wait until it is gone.

        `number` is None where it has been told to end already.
        """
        if self._process.returncode is None:
            if number is not None:
                self.send(number)
            try:
                async with asyncio.timeout(seconds_max):
                    await self._process.wait()
            except TimeoutError:
                logger.warning("process_killed", pid=self.pid, after_seconds=seconds_max)
                self.send(signal.SIGKILL)
            except BaseException:
                self.send(signal.SIGKILL)
                raise
        return await self.wait()


def _open_log(log: Path) -> BinaryIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")


async def spawn(program: Program, guardian: Guardian, log: Path | None = None) -> Child:
    """Start a program, its output appended to `log` (None: where ours goes).

    It dies with this process: on Linux the kernel sees to it, and everywhere the guardian.
    """
    with contextlib.ExitStack() as opened:
        output = None
        if log is not None:
            output = opened.enter_context(_open_log(log))
        process = await asyncio.create_subprocess_exec(
            *program.launch_arguments(),
            stdin=None if output is None else asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else asyncio.subprocess.STDOUT,
            env=program.env,
            cwd=program.cwd,
            start_new_session=program.own_group,
        )
        return Child(program, process, guardian)
