"""Several API processes on one port: a parent that keeps them running and answers nothing itself.

The parent binds a socket for each child (`SO_REUSEPORT`): the kernel spreads the connections over
them. From one common socket whichever child wakes first takes all that wait, and the others idle.
A child ends when it is told to, or when the parent is gone: its end of a pipe closes then, however
the parent ended. Connections that come while a child is restarted wait in its socket.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import structlog

from services.metering.settings import MeteringSettings

logger = structlog.get_logger()

SOCKET_VARIABLE = "TALLYROLL_METERING_SOCKET"
PARENT_VARIABLE = "TALLYROLL_METERING_PARENT"
BACKLOG = 2048
RESTART_SECONDS = 0.5
EXIT_FAILED = 1


@dataclass(frozen=True)
class Inherited:
    """What a child has from its parent: the socket to accept from, and the pipe that tells."""

    listener: socket.socket
    parent: int

    def when_parent_ends(self, stop: Callable[[], object]) -> None:
        """Call `stop` as soon as the parent has ended."""
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(self.parent)
            stop()

        loop.add_reader(self.parent, ended)


def inherited() -> Inherited | None:
    """Return what the parent gave to this process; None for a process that has none."""
    if SOCKET_VARIABLE not in os.environ:
        return None
    listener = socket.socket(fileno=int(os.environ[SOCKET_VARIABLE]))
    return Inherited(listener, int(os.environ[PARENT_VARIABLE]))


def run_children(settings: MeteringSettings) -> int:
    """Keep the API's processes running until SIGTERM; return 0 when all ended cleanly."""
    return asyncio.run(_keep_children(settings))


async def _keep_children(settings: MeteringSettings) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    watched, held = os.pipe()
    with ExitStack() as stack:
        listeners = _listen(settings, stack)
        logger.info("api_parent_started", processes=len(listeners))
        codes = await asyncio.gather(
            *(_keep_child(listener.fileno(), watched, stopping) for listener in listeners)
        )
    os.close(held)
    os.close(watched)
    return EXIT_FAILED if any(codes) else 0


def _listen(settings: MeteringSettings, stack: ExitStack) -> list[socket.socket]:
    """Return a socket for each process, all bound to one address; port 0 is any free one."""
    listeners: list[socket.socket] = []
    address = (settings.bind_host, settings.metering_port)
    for _ in range(settings.metering_api_processes):
        listener = socket.create_server(address, backlog=BACKLOG, reuse_port=True)
        listeners.append(stack.enter_context(listener))
        address = (settings.bind_host, listener.getsockname()[1])
    return listeners


async def _keep_child(listener: int, parent: int, stopping: asyncio.Event) -> int:
    while True:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.metering", "api"),
            env=os.environ | {SOCKET_VARIABLE: str(listener), PARENT_VARIABLE: str(parent)},
            pass_fds=(listener, parent),
        )
        ended = asyncio.create_task(child.wait())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if stopping.is_set():
            if not ended.done():
                child.terminate()
            return await ended
        logger.error("api_process_ended", exit_code=await ended)
        await asyncio.sleep(RESTART_SECONDS)
