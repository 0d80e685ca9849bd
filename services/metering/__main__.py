"""`python -m services.metering api | worker | publisher`."""

import sys

from services.metering.app import run_api, run_publisher, run_worker
from services.metering.settings import MeteringSettings
from shared.logging import configure_logging

PROCESSES = {"api": run_api, "worker": run_worker, "publisher": run_publisher}
EXIT_USAGE = 2


def main(arguments: list[str]) -> int:
    """Run one process; return its exit code."""
    if len(arguments) != 1 or arguments[0] not in PROCESSES:
        sys.stderr.write(f"usage: python -m services.metering {' | '.join(PROCESSES)}\n")
        return EXIT_USAGE
    settings = MeteringSettings()
    configure_logging(f"metering-{arguments[0]}", settings.log_format)
    return PROCESSES[arguments[0]](settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
