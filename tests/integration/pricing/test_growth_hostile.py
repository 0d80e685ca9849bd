"""Questions about growth that mean harm, or nothing: each is refused with a code, none is a 500."""

from itertools import product

import httpx
import pytest

from .billing_api import Headers

PATHS = ("growth", "contribution", "agents", "enablement")
DAYS = {"from": "2023-12-01", "to": "2024-01-01"}
HARM = [
    *(("from", text) for text in ("", "0000-00-00", "2023-13-01", "2023-12-01T00:00:00Z", "1")),
    *(("to", text) for text in ("9999-12-31", "2023-12-01", "\u0662\u0660", "1999-12-31")),
    *(("format", text) for text in ("xml", "", "JSON")),
    *(("top", text) for text in ("-1", "1e9", "1_0", "NaN", "9" * 400)),
    *(("days", text) for text in ("0", "181", "1.5")),
    *(("currency", text) for text in ("usd", "USD\x00", "DOLLARS", "'--")),
    *(("outcome", text) for text in ("a b", "x" * 129, "\x00")),
    *(("program", text) for text in ("A", "../x", "%00", "")),
    *(("by", text) for text in ("password", "tenant,agent", "'; drop table", "")),
    *(("unit", text) for text in ("team", "USER")),
    *(("unknown", text) for text in ("1",)),
]


@pytest.mark.parametrize(("path", "harm"), list(product(PATHS, HARM)), ids=str)
async def test_what_cannot_be_read_is_refused(
    client: httpx.AsyncClient, headers: Headers, path: str, harm: tuple[str, str]
) -> None:
    """Of parameters that a route has it is their fault; others it does not know."""
    name, text = harm
    days = {} if path == "enablement" else DAYS

    answer = await client.get(f"/v1/{path}", params={**days, name: text}, headers=headers)

    assert 400 == answer.status_code, answer.text
    assert answer.json()["code"] in {"invalid_request", "invalid_window"}


@pytest.mark.parametrize(
    "days",
    [
        ("2000-01-01", "2000-01-02"),
        ("2000-02-29", "2000-03-01"),
        ("2024-02-28", "2024-02-29"),
        ("2199-12-30", "2199-12-31"),
        ("2000-01-01", "2000-12-31"),
    ],
)
@pytest.mark.parametrize("against", ["before", "year_before"])
async def test_days_at_the_edges_are_days(
    client: httpx.AsyncClient, headers: Headers, days: tuple[str, str], against: str
) -> None:
    """The first ones that can be named, leap days, the last ones: nothing there, and no failure."""
    asked = {"from": days[0], "to": days[1], "against": against}

    answers = [await client.get(f"/v1/{path}", params=asked, headers=headers) for path in PATHS[:3]]

    assert [200, 200, 200] == [answer.status_code for answer in answers]


@pytest.mark.parametrize("path", ["trainings", "segments"])
@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{}",
        '{"trainings": []}',
        '{"trainings": [{"tenant": "globex", "user": "a b", "trained_on": "2023-12-01"}]}',
        '{"trainings": [{"tenant": "globex", "user": "ada", "trained_on": 1}]}',
        '{"trainings": [{"tenant": "globex", "user": "ada"}]}',
        '{"segments": [{"tenant": "globex", "segment": "Big Ones"}]}',
        '{"segments": [{"tenant": "\\ud800", "segment": null}]}',
        '{"segments": {}, "segments": []}',
    ],
)
async def test_what_is_no_entry_is_refused(
    client: httpx.AsyncClient, headers: Headers, path: str, body: str
) -> None:
    """Neither log takes it, and neither has it afterwards."""
    own = {**headers, "Content-Type": "application/json"}

    answer = await client.post(f"/v1/{path}", content=body, headers=own)

    assert 400 == answer.status_code, answer.text
    assert [] == (await client.get(f"/v1/{path}", headers=headers)).json()["entries"]
