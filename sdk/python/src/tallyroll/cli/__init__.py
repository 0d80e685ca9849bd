"""The command `tallyroll`; needs `pip install tallyroll[cli]`."""

import sys


def main() -> None:
    """Run the command line and exit."""
    try:
        from tallyroll.cli.application import app  # noqa: PLC0415  an extra may be missing
    except ModuleNotFoundError as error:
        if error.name in ("fcntl", "pwd"):
            sys.exit("The command line reads the spool, which needs a POSIX system.")
        if error.name not in ("typer", "rich"):
            raise
        sys.exit("The command line needs more packages: pip install 'tallyroll[cli]'")
    app()
