"""The commands, put together."""

import logging
from typing import Annotated

import typer

from tallyroll import __version__
from tallyroll.cli import emit, importing, spool, stats, tail

EXIT_CODES = """
Exit codes:

0  done

1  done, but events or lines were refused, or part of the spool is damaged

2  wrong usage: an option, the endpoint, the key, a file

3  not done: events still wait (server away, key refused, time ran out); run it again

130  interrupted; run it again
"""

app = typer.Typer(
    no_args_is_help=True,
    help="Meter what AI agents use.",
    epilog=EXIT_CODES,
    pretty_exceptions_show_locals=False,  # they could hold a key
    rich_markup_mode=None,
)
app.command("emit")(emit.emit)
app.command("tail")(tail.tail)
app.command("stats")(stats.stats)
app.command("import")(importing.import_file)
app.add_typer(spool.app, name="spool")


def _show_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"tallyroll {__version__}")
        raise typer.Exit


@app.callback()
def begin(
    version: Annotated[
        bool, typer.Option("--version", callback=lambda asked: _show_version(asked=asked))
    ] = False,
) -> None:
    """Meter what AI agents use."""
    assert not version
    # The commands say themselves what became of each event.
    logging.getLogger("tallyroll").addHandler(logging.NullHandler())
