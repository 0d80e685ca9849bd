"""What waits for a person: an item has one action, and the command says whether anything waits."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from services import cli, cli_attention
from services.cli_attention import Waiting
from shared.accounts.repository import Account
from shared.attention import AttentionAction, AttentionItem, call, command

COMMAND = ["attention", "--vendor", "demo"]
ITEM = AttentionItem(
    code="recount_differs",
    subject="2026-01-31",
    ids={"day": "2026-01-31"},
    message="The two differ.",
    since=datetime(2026, 2, 1, 13, tzinfo=UTC),
    count=2,
    action=command("tallyrollctl recount --vendor demo", "Compare both."),
)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"command": "a", "method": "GET", "path": "/v1/x"},
        {"command": "a", "path": "/v1/x"},
        {"method": "GET"},
        {"path": "/v1/x"},
    ],
)
def test_an_action_is_one_thing(parts: dict[str, str]) -> None:
    """A command or a whole call: never both, never neither, never half of one."""
    with pytest.raises(ValidationError):
        AttentionAction.model_validate({"description": "Do it.", **parts})


def test_an_action_is_told_on_one_line() -> None:
    """A command as it is typed, a call as method and path."""
    assert "a --b" == command("a --b", "Do it.").words
    assert "PUT /v1/x" == call("PUT", "/v1/x", "Do it.").words


@pytest.mark.parametrize(("found", "code"), [([], 0), ([Waiting("metering", ITEM)], 1)])
def test_the_exit_code_tells_whether_anything_waits(
    monkeypatch: pytest.MonkeyPatch, found: list[Waiting], code: int
) -> None:
    """0 when nothing waits, 1 when anything does; the JSON holds the items whole."""

    async def waiting(_account: Account) -> list[Waiting]:
        return found

    monkeypatch.setattr(cli_attention, "list_waiting", waiting)
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, COMMAND)
    as_json = CliRunner().invoke(cli.app, [*COMMAND, "--json"])
    items: list[dict[str, Any]] = json.loads(as_json.stdout)["items"]

    assert (code, code) == (shown.exit_code, as_json.exit_code)
    assert [{"service": "metering", **ITEM.model_dump(mode="json")}][: len(found)] == items
    wanted = ["recount_differs (2)", "2026-02-01 13:00", "tallyrollctl recount --vendor demo"]
    assert all(text in shown.stdout for text in (wanted if found else ["nothing waits"]))
