"""`make chaos`: the variables SEED, DURATION (seconds), WORKERS and VARIANT (empty or `naive`)."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.run import Outcome, Report, Run, perform
from tests.chaos.stack import Programs, running_servers

ROOT = Path("var/chaos")
EXIT_DIFFERENT, EXIT_USAGE = 1, 2
NAIVE = Programs(worker=("tests.chaos.naive",))
NAIVE_LOAD = Load(corrected=0, conflicting=0, abandoned=0)
"""What the naive worker would get wrong without any fault is left out."""


def read_run(variables: dict[str, str]) -> Run:
    """Return the run that the variables ask for; ValueError names what cannot be."""
    variant = variables.get("VARIANT", "")
    if variant not in ("", "naive"):
        raise ValueError(f"VARIANT is {variant!r}; it can be empty or 'naive'")
    values = Run(
        seed=int(variables.get("SEED") or 1),
        seconds=float(variables.get("DURATION") or 60),
        workers=int(variables.get("WORKERS") or 2),
        programs=NAIVE if variant else Programs(),
        load=NAIVE_LOAD if variant else Load(),
        identities=not variant,
    )
    if values.workers < 1 or values.seconds <= 0:
        raise ValueError("WORKERS is 1 or more, DURATION positive")
    return values


async def show(run: Run, root: Path) -> Outcome:
    """Do a run and show how it goes."""
    columns = (
        TextColumn("{task.fields[step]:<34}"),
        BarColumn(),
        TextColumn("{task.fields[acknowledged]} acknowledged"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("chaos", total=None, step="starting servers", acknowledged=0)

        def report(step: str, ledger: Ledger) -> None:
            progress.update(task, step=step, acknowledged=len(ledger.acknowledged()))

        reporting: Report = report
        async with running_servers(root) as servers:
            return await perform(servers, run, reporting)


def main() -> int:
    """Run once; the exit code is not 0 on any difference."""
    try:
        run = read_run(dict(os.environ))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    # What ends and is started again is the point of the run, and no news.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    outcome = asyncio.run(show(run, ROOT))
    sys.stdout.write("".join(f"{line}\n" for line in outcome.lines()))
    return 0 if outcome.passed else EXIT_DIFFERENT


if __name__ == "__main__":
    sys.exit(main())
