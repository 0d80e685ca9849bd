"""`tallyroll emit`: one event, and what became of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from typer.testing import Result

from tallyroll import Response
from tallyroll.testing import RecordingServer, answer

Run = Callable[..., Result]
Documents = Callable[[Result], list[dict[str, Any]]]
EVENT = ("emit", "--agent", "coder", "--model", "gpt-5", "--token", "output_text=12")


def _sent(server: RecordingServer) -> dict[str, Any]:
    (event,) = msgspec.json.decode(server.bodies[-1])["events"]
    return dict(event)


def test_options_become_an_event(run: Run, server: RecordingServer) -> None:
    """Each option lands in its field; the answer is waited for."""
    result = run(*EVENT, "--unit", "web_search_requests=1.5", "--tag", "team=x", "--event-id", "e1")

    assert (0, "accepted e1\n") == (result.exit_code, result.stdout)
    event = _sent(server)
    assert {"output_text": 12} == event["tokens"]
    assert ({"web_search_requests": "1.5"}, {"team": "x"}) == (event["units"], event["tags"])


def test_json_on_stdin_and_options_over_it(run: Run, server: RecordingServer) -> None:
    """Exact numbers stay exact; an option replaces what the document says."""
    text = '{"agent": "a", "model": "m", "tokens": {"output_text": 1}, "units": {"x": 0.1}}'

    result = run("emit", "--stdin", "--agent", "coder", "--token", "input_uncached=2", text=text)
    event = _sent(server)

    assert 0 == result.exit_code
    assert ("coder", "0.1") == (event["agent"], event["units"]["x"])
    assert {"output_text": 1, "input_uncached": 2} == event["tokens"]
    assert event["event_id"] in result.stdout


def test_every_fault_is_told_and_nothing_is_sent(
    run: Run, server: RecordingServer, documents: Documents
) -> None:
    """A malformed event ends with code 1 and all its faults."""
    result = run("emit", "--agent", "coder", "--token", "output=x", "--unit", "y=z", "--json")

    (told,) = documents(result)
    assert 1 == result.exit_code
    assert {"model", "tokens.output", "units.y"} == {fault["field"] for fault in told["faults"]}
    assert not server.bodies


def test_what_the_server_rejects_ends_with_one(run: Run, server: RecordingServer) -> None:
    """The server's reason is shown; it went to the dead letters."""
    problem = json.dumps({"code": "unknown_tenant", "message": "no such tenant"}).encode()
    server.judge = lambda _body: Response(422, {}, problem)

    result = run(*EVENT)

    assert 1 == result.exit_code
    assert "unknown_tenant" in result.stderr


def test_without_an_answer_the_event_is_kept(
    run: Run, server: RecordingServer, spool: Path, documents: Documents
) -> None:
    """Code 3, and the event lies in the spool for the next process."""
    server.script = [answer(401)] * 50

    result = run(*EVENT, "--timeout", "0.1", "--json")

    (told,) = documents(result)
    assert (3, "spooled") == (result.exit_code, told["status"])
    assert "http_401" in told["reason"]
    assert 1 == len(list(spool.glob("v1/*/*/*.seg")))


def test_a_pair_without_a_value_is_wrong_usage(run: Run) -> None:
    """Options that cannot be read end with code 2."""
    assert 2 == run("emit", "--token", "output_text").exit_code


def test_a_wrong_endpoint_is_wrong_usage(run: Run) -> None:
    """What a meter refuses is told without a traceback."""
    result = run(*EVENT, "--endpoint", "ftp://x")

    assert 2 == result.exit_code
    assert "http" in result.stderr
