"""Twenty-five events that must not count: alone or beside good ones, as raw JSON.

The good ones beside them are events that the SDK has sent before, so they must not count either:
the same ids over another transport are duplicates.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

MALFORMED_EVENTS = 25
GOOD_NEIGHBOURS = 3
HUGE_NUMBER = "9" * 5_000

_FAULTS: dict[str, dict[str, Any]] = {
    "negative count": {"tokens": {"input_uncached": -1}},
    "missing model": {"model": None},
    "empty model": {"model": ""},
    "missing agent": {"agent": None},
    "missing provider": {"provider": None},
    "missing time": {"occurred_at": None},
    "float count": {"tokens": {"output_text": 1.5}},
    "whole float count": {"tokens": {"output_text": 1.0}},
    "count as text": {"tokens": {"output_text": "12"}},
    "boolean count": {"tokens": {"output_text": True}},
    "null count": {"tokens": {"output_text": None}},
    "count beyond the limit": {"tokens": {"output_text": 10**15 + 1}},
    "5,000 digits": {"tokens": {"output_text": "HUGE"}},
    "plain input": {"tokens": {"input": 100}},
    "unknown token type": {"tokens": {"output_imaginary": 1}},
    "no quantities": {"tokens": {}},
    "the year 2031": {"occurred_at": "2031-01-01T00:00:00Z"},
    "time without a zone": {"occurred_at": "2023-11-20T12:00:00"},
    "no such day": {"occurred_at": "2023-11-31T12:00:00Z"},
    "unknown tenant": {"tenant": "umbrella"},
    "a line break in the agent": {"agent": "coder\n1"},
    "a NUL in the user": {"user": "dev\u0000"},
    "an agent of 129 characters": {"agent": "a" * 129},
    "unknown field": {"colour": "blue"},
    "units as a number": {"units": {"web_search_requests": 1.5}},
}


def malformed_event(number: int, faults: dict[str, Any]) -> str:
    """Return the JSON text of a trace-like event with the given faults; None removes a field."""
    event: dict[str, Any] = {
        "event_id": f"malformed-{number}",
        "tenant": "acme",
        "agent": "coder-1",
        "model": "gpt-5",
        "provider": "openai",
        "occurred_at": "2023-11-20T12:00:00Z",
        "tokens": {"input_uncached": 1_000_000},
    }
    event.update(faults)
    present = {name: value for name, value in event.items() if value is not None}
    return json.dumps(present).replace('"HUGE"', HUGE_NUMBER)


def malformed_bodies(good: Sequence[dict[str, Any]]) -> Iterator[tuple[bytes, int]]:
    """Yield request bodies and how many events each holds; every second has good neighbours."""
    for number, faults in enumerate(_FAULTS.values()):
        bad = malformed_event(number, faults)
        if number % 2 == 0:
            yield bad.encode(), 1
        else:
            neighbours = [json.dumps(event) for event in good[:GOOD_NEIGHBOURS]]
            events = [*neighbours, bad]
            yield f'{{"events": [{", ".join(events)}]}}'.encode(), len(events)
