"""`python -m deploy.local`: the embedded stack from a terminal."""

from deploy.local.cli import app

app(prog_name="python -m deploy.local")
