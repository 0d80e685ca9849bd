"""What each answer of the server means."""

from datetime import UTC, datetime

import msgspec
import pytest

from tallyroll import Rejection, Response
from tallyroll.answer import Refused, Settled, Unknown, interpret
from tallyroll.buffer import Batch

TWO = Batch([b'{"event_id":"e-0"}', b'{"event_id":"e-1"}'])
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _judged(status: int, body: object = None, **headers: str) -> Settled | Refused | Unknown:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return interpret(Response(status, named, raw), TWO, now=lambda: NOON)


def _result(index: int, status: str, **more: object) -> dict[str, object]:
    return {"index": index, "event_id": f"e-{index}", "status": status, **more}


def test_results_are_per_event() -> None:
    """A 202 settles every event: some accepted, others rejected with their reason."""
    bad = _result(0, "rejected", code="invalid_count", field="tokens.x", message="No.")

    answer = _judged(202, {"results": [_result(1, "accepted"), bad]})

    reason = Rejection(event_id="e-0", code="invalid_count", field="tokens.x", message="No.")
    assert Settled({0: reason}) == answer


@pytest.mark.parametrize(
    "body",
    [
        b"<html>welcome</html>",
        b"\xff",
        {"results": []},
        {"results": [_result(0, "accepted")]},
        {"results": [_result(0, "accepted")] * 2},
        {"results": [_result(i, "accepted") for i in range(3)]},
        {"results": [_result(0, "accepted"), _result(1, "perhaps")]},
    ],
)
def test_a_malformed_202_is_no_answer(body: object) -> None:
    """Unless each event of the batch is named once, nothing is known and it is sent again."""
    assert Unknown("malformed_answer") == _judged(202, body)


@pytest.mark.parametrize("status", [200, 301, 401, 402, 403, 404, 405, 408, 409, 429, 500, 503])
def test_what_may_pass_is_held(status: int) -> None:
    """No status but 202, 400, 413 and 422 is final."""
    assert Unknown(f"http_{status}") == _judged(status)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_bad_body_is_refused(status: int) -> None:
    """The three statuses that blame the body carry the server's code, place and sentence."""
    problem = {"code": "too_large", "message": "Too large.", "faults": [{"path": "events[0]"}]}

    assert Refused("too_large", "events[0]", "Too large.") == _judged(status, problem)
    assert Refused(f"http_{status}", None, None) == _judged(status, b"nginx says no")


def test_an_event_of_another_tenant_is_refused() -> None:
    """Under a tenant's key one event of another tenant must not hold up those behind it."""
    problem = {"code": "wrong_tenant", "message": "Another tenant.", "subject": "globex"}

    assert Refused("wrong_tenant", "globex", "Another tenant.") == _judged(403, problem)
    assert Unknown("http_403") == _judged(403, problem | {"code": "missing_scope"})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("1e9", 3600.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("soon", None),
        ("nan", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    """`Retry-After` is read as seconds or as a date, bounded by an hour, ignored if neither."""
    assert Unknown("http_429", seconds) == _judged(429, retry_after=value)
