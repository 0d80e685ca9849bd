"""The way of plain requests around the web framework: what it takes, hands on and answers."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from services.metering.api import Intake
from shared.accounts.access import Caller
from shared.accounts.keys import Scope as KeyScope

CALLER = Caller("key", "vendor", "live", "acme", frozenset({KeyScope.EVENTS_WRITE}))


class _Access:
    """Knows one key, and fails on another."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def authorise(self, text: str, _scopes: object) -> Caller:
        self.asked.append(text)
        if text == "broken":
            raise ZeroDivisionError
        return CALLER


async def _framework(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})


async def _ask(
    *, key: str = "good", messages: Iterable[Message] = (), **changes: Any
) -> tuple[list[Message], _Access]:
    api, access, sent = FastAPI(), _Access(), list[Message]()
    api.state.access, api.state.dependencies = access, None
    scope = {
        "type": "http",
        "path": "/v1/events",
        "method": "POST",
        "query_string": b"",
        "headers": [(b"authorization", b"bearer " + key.encode())],
    }
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    async def send(message: Message) -> None:
        sent.append(message)

    await Intake(api, _framework)(scope | changes, receive, send)
    return sent, access


@pytest.mark.parametrize(
    "changes",
    [{"query_string": b"dry_run=true"}, {"method": "GET"}, {"path": "/v1/usage"}],
)
async def test_all_else_is_handed_on(changes: dict[str, Any]) -> None:
    """Parameters, other methods and other paths are the framework's."""
    sent, access = await _ask(**changes)

    assert ([299], []) == ([message["status"] for message in sent], access.asked)


async def test_a_failure_of_ours_is_a_problem_document() -> None:
    """What raises is answered 500 with a code, and tells nothing of the inside."""
    sent, _ = await _ask(key="broken")

    assert 500 == sent[0]["status"]
    assert "internal_error" == msgspec.json.decode(sent[1]["body"])["code"]


async def test_a_client_that_went_away_gets_no_answer() -> None:
    """A body that breaks off is no request, and no failure of ours."""
    begin = {"type": "http.request", "body": b'{"events":[', "more_body": True}
    sent, access = await _ask(messages=[begin, {"type": "http.disconnect"}])

    assert ([], ["good"]) == (sent, access.asked)


async def test_two_encodings_are_one_list() -> None:
    """Two headers say that the body is packed twice, which is refused."""
    headers = [(b"content-encoding", b"gzip"), (b"content-encoding", b"zstd")]
    body = {"type": "http.request", "body": b"x"}
    sent, access = await _ask(messages=[body], headers=headers)

    assert (415, [""]) == (sent[0]["status"], access.asked)


@pytest.mark.parametrize(
    ("report", "events"),
    [
        (b"12; process=" + b"0" * 32, [12]),
        (b"-1; process=" + b"0" * 32, []),
        (b"12; process=x\nforged", []),
        (b"9" * 400, []),
    ],
)
async def test_what_an_sdk_lost_is_logged(report: bytes, events: list[int]) -> None:
    """The number, the process and the account; what is no report leaves no trace."""
    headers = [(b"authorization", b"bearer good"), (b"tallyroll-events-lost", report)]
    with capture_logs() as logged:
        await _ask(messages=[{"type": "http.disconnect"}], headers=headers)

    found = [line for line in logged if line["event"] == "sdk_events_lost"]
    assert events == [line["events"] for line in found]
    assert [("vendor", "acme")] * len(events) == [(f["vendor_id"], f["tenant_id"]) for f in found]
