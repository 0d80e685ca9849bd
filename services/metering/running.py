"""What metering's processes share: how they begin, how they end."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from services.metering.settings import MeteringSettings
from shared.database import Database

EXIT_FAILED = 1
EXIT_STALLED = 3
EXIT_REJECTING = 4
"""The worker would have rejected too much: starting it again does not help, a person must look."""


def open_database(
    settings: MeteringSettings, *, server_settings: dict[str, str] | None = None
) -> Database:
    """Return the pool of connections of one process."""
    url = settings.metering_database_url.get_secret_value()
    connections = settings.database_connections
    return Database(url, connections=connections, server_settings=server_settings)


async def run_until(stopping: asyncio.Event, *loops: Coroutine[Any, Any, None]) -> None:
    """Run endless loops until it is time to stop; one that ends by itself is an error."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    waiting = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, waiting):
        task.cancel()
    await asyncio.gather(*tasks, waiting, return_exceptions=True)
    for task in done - {waiting}:
        task.result()


def on_termination(stop: Callable[[], object]) -> None:
    """Call `stop` on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
