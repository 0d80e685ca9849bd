"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from tallyroll.spool import Spool
from tallyroll.spool.place import spool_directory

Directory = Annotated[
    Path | None,
    typer.Option("--directory", envvar="TALLYROLL_SPOOL_DIR", help="The folder of the spools."),
]
Endpoint = Annotated[
    str | None, typer.Option(envvar="TALLYROLL_ENDPOINT", help="The URL of the server.")
]
ApiKey = Annotated[
    str | None, typer.Option(envvar="TALLYROLL_API_KEY", show_envvar=True, help="The key.")
]
Account = Annotated[
    str | None,
    typer.Option(envvar="TALLYROLL_SPOOL_ACCOUNT", help="For whom the spooled events are."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Timeout = Annotated[
    float, typer.Option(min=0, help="Give up after so many seconds without progress.")
]


def directory_of(named: Path | None) -> Path:
    """Return the folder of the spools, without making one that is named."""
    return spool_directory(Spool(directory=named))
