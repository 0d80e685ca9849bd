"""Hints over HTTP, in the form that the concept page has."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallyroll.budgets import Confirmed, Fetched, HintsUnavailableError
from tallyroll.budgets.hints import Hints
from tallyroll.budgets.http import BODY_BYTES_MAX, HTTPHintSource
from tallyroll.budgets.polling import Poller
from tallyroll.diagnostics import KindLog

from .conftest import HintServer

PAGE = Path(__file__).parents[4] / "docs" / "concepts" / "budget-hints.md"


@pytest.fixture(name="source")
def _source(hint_server: HintServer) -> Any:
    source = HTTPHintSource(hint_server.endpoint, "tr_test_key")
    yield source
    source.close()


def test_the_page_describes_what_is_read(hint_server: HintServer, source: HTTPHintSource) -> None:
    """The example of the contract is a valid answer, with every hint of it understood."""
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    hint_server.script = [(200, {"etag": '"7"'}, example.encode())]
    fetched = source.fetch(None)

    assert isinstance(fetched, Fetched)
    assert len(json.loads(example)["hints"]) == len(fetched.hints) >= 2
    assert ('"7"', "acme") == (fetched.etag, fetched.tenant)
    assert {"over", "near"} == {hint.state for hint in fetched.hints}


def test_the_question(hint_server: HintServer, source: HTTPHintSource) -> None:
    """One GET with the meter's key; the etag comes along the next time."""
    hint_server.say()
    first = source.fetch(None)
    assert isinstance(first, Fetched)
    second = source.fetch(first.etag)

    assert isinstance(second, Confirmed)
    assert ["/v1/budget-hints"] * 2 == [request["path"] for request in hint_server.requests]
    assert "Bearer tr_test_key" == hint_server.requests[0]["authorization"]
    assert [None, first.etag] == [r.get("if-none-match") for r in hint_server.requests]


def test_times_are_the_servers(hint_server: HintServer, source: HTTPHintSource) -> None:
    """A machine whose clock is wrong by a day takes the age of hints by the server's clock."""
    hint_server.clock = lambda: datetime.now(UTC) - timedelta(days=1)
    hint_server.age = timedelta(seconds=20)
    hint_server.say()
    first = source.fetch(None)
    assert isinstance(first, Fetched)
    second = source.fetch(first.etag)
    assert isinstance(second, Confirmed)

    ages = [first.at - first.hints[0].as_of, second.at - second.as_of]
    assert all(timedelta(seconds=18) < age < timedelta(seconds=21) for age in ages)


def test_what_it_does_not_know_is_passed_over(
    hint_server: HintServer, source: HTTPHintSource
) -> None:
    """Of a newer server: other kinds of hints do not apply, other members are ignored."""
    hint_server.say(new_member=1)
    good = hint_server.hints[0]
    others: list[dict[str, Any]] = [
        {"state": "frozen"},
        {"scope": {"planet": "earth"}},
        {"as_of": "2026-07-01"},
    ]
    hint_server.hints += [good | changes for changes in others]
    fetched = source.fetch(None)

    assert isinstance(fetched, Fetched)
    assert ["over"] == [hint.state for hint in fetched.hints]


@pytest.mark.parametrize(
    ("answer", "code", "seconds"),
    [
        ((503, {"retry-after": "7"}, b""), "http_503", 7.0),
        ((429, {}, b""), "http_429", None),
        ((401, {}, b""), "http_401", None),
        ((404, {}, b""), "http_404", None),
        ((302, {"location": "http://127.0.0.1:1/"}, b""), "http_302", None),
        ((200, {}, b"[]"), "malformed_hints", None),
        ((200, {}, b"\xff"), "malformed_hints", None),
        ((200, {}, b" " * (BODY_BYTES_MAX + 1)), "too_many_hints", None),
    ],
)
def test_what_is_no_answer_is_told(
    hint_server: HintServer, source: HTTPHintSource, answer: Any, code: str, seconds: float | None
) -> None:
    """With a stable code, and how long the server asked to wait; the key follows no redirection."""
    hint_server.script = [answer]

    with pytest.raises(HintsUnavailableError) as failure:
        source.fetch(None)
    assert (code, seconds) == (failure.value.code, failure.value.retry_after)


@pytest.mark.parametrize(
    ("endpoint", "key"),
    [("kafka:9092", "k"), ("http://", "k"), ("http://a", ""), ("http://a", "é")],
)
def test_what_cannot_work_is_refused_at_construction(endpoint: str, key: str) -> None:
    """As for the transport."""
    with pytest.raises(ValueError, match=r"endpoint|key"):
        HTTPHintSource(endpoint, key)


def test_news_come_at_once(hint_server: HintServer) -> None:
    """A server that holds the question until something changes is asked again, not in 10 s."""
    hint_server.holds = True
    hint_server.say("near")
    source = HTTPHintSource(hint_server.endpoint, "tr_test_key")
    known = Hints()
    poller = Poller(source, known, KindLog(), source.close)
    poller.start()
    hint_server.until_asked(1)
    hint_server.until_held()

    hint_server.tell("closed")
    hint_server.until(lambda: [200, 200] == hint_server.statuses[:2])
    hint_server.until_held()

    began = time.monotonic()
    poller.stop(30.0)
    assert time.monotonic() - began < 30.0  # what the server holds is not waited for
    found = known.find({})
    assert found.hint is not None
    assert "closed" == found.hint.state
    assert ["wait=20"] * 3 == [request["prefer"] for request in hint_server.requests]
    assert [None] == [request.get("if-none-match") for request in hint_server.requests[:1]]
    hint_server.tell("near")
