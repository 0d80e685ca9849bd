"""`python -m services.metering api | worker | publisher | archiver`."""

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


def main(arguments: list[str]) -> int:
    """Run one process; return its exit code."""
    if len(arguments) != 1 or arguments[0] not in PROCESSES:
        sys.stderr.write(f"usage: python -m services.metering {' | '.join(PROCESSES)}\n")
        return EXIT_USAGE
    settings = MeteringSettings()
    configure_logging(f"metering-{arguments[0]}", settings.log_format)
    module, run = PROCESSES[arguments[0]]
    exit_code: int = getattr(import_module(module), run)(settings)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
