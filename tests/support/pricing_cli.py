"""Commands that ask pricing's API, run against answers that a test has made up."""

from types import ModuleType

import httpx
import pytest
from typer.testing import CliRunner, Result

from services.cli import app


class MadeUpApi:
    """Answers what it is told to, and keeps what it was asked."""

    def __init__(self, text: str, status: int = 200) -> None:
        self.text, self.status = text, status
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(self.status, text=self.text)


def run_command(
    monkeypatch: pytest.MonkeyPatch,
    api: MadeUpApi,
    modules: tuple[ModuleType, ...],
    *arguments: str,
    columns: int,
) -> Result:
    """Run `tallyrollctl` in a terminal that is so wide, whose modules connect to the API."""

    def connect(_url: str, _key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://pricing")

    for module in modules:
        monkeypatch.setattr(module, "connect", connect)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(columns)})
