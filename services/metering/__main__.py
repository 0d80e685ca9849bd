"""`python -m services.metering api | worker | publisher | archiver`."""

import ctypes
import os
import sys
from importlib import import_module

from services.metering.settings import MeteringSettings
from shared.logging import configure_logging

PROCESSES = {
    "api": ("services.metering.app", "run_api"),
    "worker": ("services.metering.worker.process", "run_worker"),
    "publisher": ("services.metering.background", "run_publisher"),
    "archiver": ("services.metering.background", "run_archiver"),
}
"""Where each begins. A process loads what it needs: the worker has better use for the memory."""
EXIT_USAGE = 2
M_ARENA_MAX = -8
"""`mallopt(3)`: how many arenas glibc may open; by default up to eight a core."""


def keep_small() -> None:
    """Have the allocators of this process give memory back; call it before the first thread.

    The worker's frames are too small to gain from threads of polars, which cost it a fifth of its
    CPU; what a thread frees in an arena of its own, no other can use (about 30 MiB).
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc has it
        mallopt(M_ARENA_MAX, 1)


def main(arguments: list[str]) -> int:
    """Run one process; return its exit code."""
    if len(arguments) != 1 or arguments[0] not in PROCESSES:
        sys.stderr.write(f"usage: python -m services.metering {' | '.join(PROCESSES)}\n")
        return EXIT_USAGE
    settings = MeteringSettings()
    configure_logging(f"metering-{arguments[0]}", settings.log_format)
    if arguments[0] == "worker":
        keep_small()
    module, run = PROCESSES[arguments[0]]
    exit_code: int = getattr(import_module(module), run)(settings)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
