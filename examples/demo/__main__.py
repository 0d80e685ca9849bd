"""`python -m examples.demo`: run the story and show it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from deploy.local.cli import configure_output, run
from deploy.local.stack import Report
from examples.demo.story import Audience, tell
from examples.demo.tables import events_table, invoice_table
from examples.demo.traces import REQUESTS

console = Console()


def main(
    root: Annotated[Path, typer.Option(help="folder for all data, removed first")] = Path(
        "var/demo"
    ),
) -> None:
    """Send 40,216 real requests through the whole pipeline and print the invoices."""
    configure_output()
    raise typer.Exit(run(lambda report: _show(root, report)))


async def _show(root: Path, report: Report) -> int:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=console)
    sending = bar.add_task("Sending requests", total=REQUESTS, start=False)

    def progress(recorded: int) -> None:
        # Two live displays at once would overwrite each other: the bar is there while sending.
        bar.start()
        bar.start_task(sending)
        bar.update(sending, completed=recorded)
        if recorded == REQUESTS:
            bar.stop()

    try:
        summary = await tell(root, Audience(report, progress))
    finally:
        bar.stop()
    console.print(events_table(summary["events"]))
    for tenant, found in summary["tenants"].items():
        page = root / "invoices" / f"{tenant}.html"
        console.print(invoice_table(tenant, found["invoice"], page if page.exists() else None))
    console.print(summary["reconciled"])
    seconds = ", ".join(f"{name} {value:g} s" for name, value in summary["seconds"].items())
    console.print(f"{seconds}. Written: {root / 'summary.json'}")
    return 0


if __name__ == "__main__":
    typer.run(main)
