"""`python -m tests.bench [PART …]`, `growth`, `table`: measure, and write the page."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.stack import EmbeddedStack, discard_stack
from shared.topics import create_topics
from tests.bench import (
    bill,
    closing,
    envelopes,
    ingest,
    invoicing,
    query,
    rating,
    recount,
    simulation,
    sustained,
    worker,
)
from tests.bench import growth as growth_of_ids
from tests.bench.results import FOLDER, Bench, Missing, Run, describe_machine, load_run, store
from tests.bench.sdk import part as sdk
from tests.bench.table import PATH, markdown, terminal
from tests.support.stack import StackAddress

PARTS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "ingest": ingest.measure,
    "worker": worker.measure,
    "sustained": sustained.measure,
    "query": query.measure,
    "recount": recount.measure,
    "rating": rating.measure,
    "closing": closing.measure,
    "bill": bill.measure,
    "envelopes": envelopes.measure,
    "invoicing": invoicing.measure,
    "sdk": sdk.measure,
    "simulation": simulation.measure,
}
WITHOUT_STACK = {"sdk"}
ALONE = {"growth": growth_of_ids.measure}
console = Console(stderr=True)


def main(
    parts: Annotated[
        list[str] | None, typer.Argument(help=f"{', '.join(PARTS)}; or growth; or table [FILE …]")
    ] = None,
    repeats: Annotated[int, typer.Option(envvar="REPEATS", min=1, help="of each figure")] = 3,
    scale: Annotated[float, typer.Option(envvar="SCALE", help="share of the events")] = 1.0,
) -> None:
    """Measure on a fresh stack; every figure several times, beside its limit and the plain way."""
    if parts and parts[0] == "table":
        files = [Path(name) for name in parts[1:]] or [FOLDER / "latest.json"]
        Path(PATH).write_text(markdown(*map(load_run, files)), encoding="utf-8")
        console.print(f"{PATH} written")
        return
    known = PARTS | ALONE
    if unknown := [part for part in parts or [] if part not in known]:
        raise typer.BadParameter(f"{', '.join(unknown)}: parts are {', '.join(known)}, table")
    run = asyncio.run(measure(parts or list(PARTS), repeats, scale))
    console.print(terminal(run.figures))
    for missing in run.missing:
        console.print(f"{missing.part}: {missing.reason}")
    console.print(f"{store(run)} written")
    if run.missing:
        console.print("some parts have no figure")


async def measure(parts: list[str], repeats: int, scale: float) -> Run:
    """Run the parts one after the other; one that fails leaves a note in place of figures."""
    words = ["python -m tests.bench", *parts, f"--repeats {repeats}", f"--scale {scale:g}"]
    run = Run(datetime.now(UTC), " ".join(words), describe_machine(), repeats, scale)
    with console.status("stack") as status:
        needed = not WITHOUT_STACK.issuperset(parts)
        async with _stack(status.update) if needed else _no_stack() as address:
            folder = FOLDER / "logs"
            folder.mkdir(parents=True, exist_ok=True)
            bench = Bench(address, folder, repeats, scale, report=status.update)
            for part in parts:
                try:
                    await (PARTS | ALONE)[part](bench)
                except Exception as error:  # noqa: BLE001 - the other parts go on
                    console.print(f"{part}: {error}", style="red", markup=False)
                    bench.missing.append(Missing(part, f"failed: {error}"))
    run.figures, run.missing = bench.figures, bench.missing
    return run


@contextlib.asynccontextmanager
async def _stack(report: Callable[[str], None]) -> AsyncIterator[StackAddress]:
    """Yield a fresh stack of our own, or the one that the environment names."""
    if os.environ.get("TALLYROLL_STACK") == "external":
        yield StackAddress(
            os.environ["TALLYROLL_ADMIN_DATABASE_URL"], os.environ["TALLYROLL_KAFKA_BOOTSTRAP"]
        )
        return
    root = FOLDER / "stack"
    discard_stack(root)
    async with EmbeddedStack(root, report=report) as stack:
        await create_topics(stack.kafka_bootstrap)
        yield StackAddress(stack.postgres_url, stack.kafka_bootstrap)
    discard_stack(root)


@contextlib.asynccontextmanager
async def _no_stack() -> AsyncIterator[StackAddress]:
    """Yield no address, for parts that ask for none."""
    yield StackAddress("", "")


if __name__ == "__main__":
    typer.run(main)
