"""Corrections over HTTP: who may send one, and what `GET /v1/events/{id}` then says."""

from typing import Any

import httpx
import uuid_utils

from shared.accounts.keys import Scope

from .running_api import Deployment, api_event, state_of, until


def _void(target: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid_utils.uuid7()),
        "tenant": "acme",
        "corrects": target["event_id"],
        "action": "void",
        "revision": 1,
        "reason": "a test run",
        **changes,
    }


async def test_a_void_takes_an_event_back(
    deployment: Deployment, client: httpx.AsyncClient
) -> None:
    """After a void the event says so, with who, why and where; the sums are back."""
    event = api_event(agent="voided")
    void = _void(event)
    await client.post("/v1/events", json=event)
    async with deployment.worker():
        await until(lambda: _is(client, event, "counted"))
        answer = await client.post("/v1/events", json=void)
        await until(lambda: _is(client, event, "voided"))
    state = await state_of(client, event)
    (version,) = state["versions"]
    usage = await client.get("/v1/usage", params={"from": "2023-11-01", "to": "2023-12-01"})

    assert "accepted" == answer.json()["results"][0]["status"]
    assert 1 == state["revision"]
    assert ("applied", "void", "a test run", void["event_id"]) == (
        version["state"],
        version["action"],
        version["reason"],
        version["event_id"],
    )
    assert version["actor"]
    assert {"0"} == {r["quantity"] for r in usage.json()["rows"] if r["agent"] == "voided"}
    assert "correction" == (await state_of(client, void))["state"]


async def test_a_correction_ahead_of_its_target_says_waiting(
    deployment: Deployment, client: httpx.AsyncClient
) -> None:
    """Until the event comes the correction waits, and says so under its own id."""
    event = api_event()
    early = _void(event)
    await client.post("/v1/events", json=early)
    async with deployment.worker():
        waiting = await until(lambda: _versions(client, early))
        await client.post("/v1/events", json=event)
        await until(lambda: _is(client, event, "voided"))

    assert ["waiting"] == [version["state"] for version in waiting]


async def test_a_response_of_another_instrument_names_its_owner(
    deployment: Deployment, client: httpx.AsyncClient
) -> None:
    """A duplicate by natural key says which instrument has booked the response, and what."""
    response = {"response_id": str(uuid_utils.uuid7())}
    first = api_event(instrument="sdk", **response)
    seen = {"tokens": {"output_text": 9}, "units": {"tickets_resolved": "1.50"}}
    second = api_event(instrument="gateway", **response, **seen)
    third = api_event(instrument="gateway", **response, line=1)
    await client.post("/v1/events", json=first)
    async with deployment.worker():
        await until(lambda: _is(client, first, "counted"))
        await client.post("/v1/events", json=[second, third])
        await until(lambda: _is(client, second, "duplicate"))
        await until(lambda: _is(client, third, "duplicate"))
    owner = (await state_of(client, second))["duplicate_of"]
    of_another_line = (await state_of(client, third))["duplicate_of"]
    place = await state_of(client, first)

    assert "sdk" == owner["instrument"]
    assert [
        ("tokens.input_uncached", "5", "0"),
        ("tokens.output_text", "2", "9"),
        ("units.tickets_resolved", "0", "1.5"),
    ] == [tuple(one.values()) for one in owner["differences"]]
    assert of_another_line["differences"] is None
    assert [place[n] for n in ("partition", "offset", "index")] == [
        owner[n] for n in ("partition", "offset", "index")
    ]


async def test_only_a_key_with_the_scope_corrects(
    deployment: Deployment, client: httpx.AsyncClient
) -> None:
    """Without events:correct the correction is rejected alone; its neighbour is taken."""
    key = await deployment.make_key(Scope.EVENTS_WRITE, Scope.EVENTS_BACKFILL)
    event = api_event()
    async with deployment.client(key) as writing:
        answer = await writing.post("/v1/events", json=[_void(event), event])

    assert ["missing_scope", None] == [r.get("code") for r in answer.json()["results"]]


async def _is(client: httpx.AsyncClient, event: dict[str, Any], state: str) -> bool:
    return bool((await state_of(client, event)).get("state") == state)


async def _versions(client: httpx.AsyncClient, event: dict[str, Any]) -> Any:
    return (await state_of(client, event)).get("versions")
