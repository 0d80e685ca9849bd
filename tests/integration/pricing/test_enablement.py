"""Who was trained when, and what it changed, on a real database."""

from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from shared.database import Database

from .billing_api import Headers, execute, seal
from .growth_api import NOVEMBER_END, by_user, seal_both_months, store_usage

TRAINED_ON = date(2023, 12, 10)
GAINS = {"ada": (10, 20), "bob": (10, 24), "cleo": (5, 6), "dan": (5, 8)}


def _training(user: str, day: date | None = TRAINED_ON, **values: str) -> dict[str, Any]:
    on = None if day is None else day.isoformat()
    return {"tenant": "globex", "user": user, "trained_on": on, **values}


async def _train(
    client: httpx.AsyncClient, headers: Headers, *trainings: dict[str, Any]
) -> list[dict[str, Any]]:
    body = {"trainings": list(trainings)}
    answer = await client.post("/v1/trainings", json=body, headers=headers)
    assert 201 == answer.status_code, answer.text
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


async def _use(store: Database, vendor: str) -> None:
    """Let each user have a daily figure for a week before, and another one for a week after."""
    rows = [
        by_user(user, TRAINED_ON + timedelta(days=offset), figures[offset > 0])
        for user, figures in GAINS.items()
        for offset in range(-14, 8)
        if offset
    ]
    await store_usage(store, vendor, users=rows)


async def test_a_training_by_hand(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """+12 of the trained less +2 of the others is 10 a day; the week before shows nothing.

    With two on each side the interval is wide: 12.706 x 2.74 to either side.
    """
    await _use(store, vendor)
    await seal_both_months(store, vendor)
    await _train(client, headers, _training("ada"), _training("bob"))

    answer = await client.get("/v1/enablement", params={"days": 7}, headers=headers)

    found = answer.json()
    tokens, active = found["measured"]
    assert (2, 2, 1) == (found["trained"], found["others"], found["days_of_training"])
    assert ("10", "83.333333333") == (
        tokens["effect"]["estimate"],
        tokens["effect"]["relative_percent"],
    )
    assert ("-24.796814078", "44.796814078") == (
        tokens["effect"]["lower"],
        tokens["effect"]["upper"],
    )
    assert ("0", None, None) == tuple(
        tokens["placebo"][name] for name in ("estimate", "lower", "upper")
    )
    assert "0" == active["effect"]["estimate"]
    assert "2024-01-01" == found["through"], "the last sealed day is counted in full"
    assert "parallel trends" in found["assumptions"][0]


async def test_who_was_trained_in_between_or_has_just_come_is_not_compared(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Cleo learns something else the day after, and more much later: the first day counts.

    Eve is trained, too, but came within the week before: what was taken back earlier is no use.
    """
    await _use(store, vendor)
    before = TRAINED_ON - timedelta(days=3)
    eve = [by_user("eve", before, 5), by_user("eve", TRAINED_ON - timedelta(days=20), -5)]
    await store_usage(store, vendor, users=eve, version=2)
    await seal_both_months(store, vendor)
    elsewhere = [
        _training("cleo", TRAINED_ON + timedelta(days=days), program=program)
        for days, program in ((1, "basics"), (60, "agents"))
    ]
    await _train(client, headers, *(_training(user) for user in ("ada", "bob", "eve")), *elsewhere)

    found = (await client.get("/v1/enablement", params={"days": 7}, headers=headers)).json()

    assert (0, 2, 1) == (found["trained"], found["too_few"], found["too_new"])


async def test_what_is_not_over_waits(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Days that are not sealed may still change: nothing is told of them."""
    await _use(store, vendor)
    await _train(client, headers, _training("ada"), _training("bob"))
    unsealed = await client.get("/v1/enablement", headers=headers)
    await seal(store, vendor, NOVEMBER_END)

    answer = await client.get("/v1/enablement", params={"days": 7}, headers=headers)

    assert (400, "nothing_sealed") == (unsealed.status_code, unsealed.json()["code"])
    assert (0, 2, None) == (
        *(answer.json()["trained"], answer.json()["not_over"]),
        answer.json()["measured"][0]["effect"],
    )


async def test_the_log_is_added_to_once_and_says_by_whom(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """What stands is not written again; what changes is another entry, in the order of writing."""
    first = await _train(client, headers, _training("ada"), _training("bob", program="agents"))
    again = await _train(client, headers, _training("ada"), _training("bob", program="agents"))
    back = await _train(
        client, headers, _training("ada", None), _training("ada"), _training("ada", None)
    )

    log = (await client.get("/v1/trainings", headers=headers)).json()
    page = await client.get("/v1/trainings", params={"limit": 2}, headers=headers)

    key_id = headers["Authorization"].split("_")[2]
    assert (2, 0, 3) == (len(first), len(again), len(back))
    assert first + back == log["entries"]
    assert {True} == {key_id.startswith(one["written_by"]) for one in log["entries"]}
    assert first[-1]["position"] == page.json()["next_after"]
    gone = await client.get("/v1/enablement", headers=headers)
    assert (404, "unknown_program") == (gone.status_code, gone.json()["code"])


async def test_segments_are_a_log_too(client: httpx.AsyncClient, headers: Headers) -> None:
    """The last entry of a tenant stands."""
    for segment in ("small", "small", "large", None):
        body = {"segments": [{"tenant": "globex", "segment": segment}]}
        answer = await client.post("/v1/segments", json=body, headers=headers)
        assert 201 == answer.status_code

    entries = (await client.get("/v1/segments", headers=headers)).json()["entries"]

    assert ["small", "large", None] == [one["segment"] for one in entries]


async def test_nothing_is_written_of_a_tenant_that_there_is_not(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """All faults at once, with their places; the good entry beside them is not made either."""
    body = {"trainings": [_training("ada"), *(_training("x") | {"tenant": t} for t in "ab")]}

    refused = await client.post("/v1/trainings", json=body, headers=headers)

    assert (404, "unknown_tenant") == (refused.status_code, refused.json()["code"])
    assert ["trainings[1].tenant", "trainings[2].tenant"] == [
        fault["path"] for fault in refused.json()["faults"]
    ]
    assert [] == (await client.get("/v1/trainings", headers=headers)).json()["entries"]


@pytest.mark.parametrize(
    "statement",
    [
        "update pricing.training set trained_on = null where vendor_id = :vendor_id",
        "delete from pricing.training where vendor_id = :vendor_id",
    ],
)
async def test_the_log_cannot_be_changed(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, statement: str
) -> None:
    """Not by the owner of the schema either."""
    await _train(client, headers, _training("ada"))

    with pytest.raises(DBAPIError, match="immutable"):
        await execute(store, statement, {"vendor_id": vendor})
