"""The meter of programs that make none: from the environment, made when it is first needed."""

import os
import sys
from pathlib import Path

from tallyroll.locks import ForkLock
from tallyroll.meter import Meter

AGENT_VARIABLE = "TALLYROLL_AGENT"
UNNAMED_AGENT = "unnamed"
_lock = ForkLock()
_meter: Meter | None = None


def default_meter() -> Meter:
    """Return the one meter of this program that comes from the environment.

    ValueError as `Meter()` if TALLYROLL_ENDPOINT or TALLYROLL_API_KEY is not set.
    """
    global _meter  # noqa: PLW0603  one for the whole program is what it is for
    with _lock:
        if _meter is None:
            _meter = Meter()
        return _meter


def default_agent() -> str:
    """Return what acts where no scope says so: TALLYROLL_AGENT, or the name of the program."""
    return os.environ.get(AGENT_VARIABLE) or Path(sys.argv[0]).stem.strip("-") or UNNAMED_AGENT
