"""`python -m tallyroll`: the command line."""

from tallyroll.cli import main

main()
