"""The API and the worker together: HTTP in, Kafka, Postgres, HTTP out."""

import asyncio
import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.metering.ingest.gather import Gatherer
from shared.accounts.keys import Scope

from .running_api import Deployment, api_event, state_of, until

NOVEMBER = {"from": "2023-11-01", "to": "2023-12-01"}


async def test_from_http_to_usage(deployment: Deployment, client: httpx.AsyncClient) -> None:
    """What is accepted is pending, then counted once, however often it is sent."""
    events = [api_event(agent="all-the-way") for _ in range(50)]
    sent = await client.post("/v1/events", json={"events": events})
    again = await client.post("/v1/events", json=[*events, events[0]])
    assert (202, 202) == (sent.status_code, again.status_code)
    assert ["accepted"] * 51 == [result["status"] for result in again.json()["results"]]
    assert "pending" == (await state_of(client, events[0]))["state"]

    async def counted() -> bool:
        return bool((await state_of(client, events[-1])).get("state") == "counted")

    async with deployment.worker():
        await until(counted)
        await until(lambda: _is_counted(client, duplicates=51))

    usage = await client.get("/v1/usage", params={**NOVEMBER, "group_by": "agent,kind"})
    rows = [row for row in usage.json()["rows"] if row["agent"] == "all-the-way"]
    assert [
        {"agent": "all-the-way", "kind": "input_uncached", "quantity": "250", "events": 50},
        {"agent": "all-the-way", "kind": "output_text", "quantity": "100", "events": 50},
    ] == rows
    state = await state_of(client, events[0])
    assert ("2023-11-16", "2023-11-16") == (state["usage_day"], state["booked_day"])
    assert datetime.now(UTC) - datetime.fromisoformat(usage.json()["as_of"]) < timedelta(minutes=1)


async def _is_counted(client: httpx.AsyncClient, *, duplicates: int) -> bool:
    statistics = (await client.get("/v1/usage/statistics")).json()
    return bool(statistics["duplicates"] >= duplicates)


async def test_usage_by_user(deployment: Deployment, client: httpx.AsyncClient) -> None:
    """Usage is told apart by who caused it."""
    events = [api_event(user=f"dev-{i % 2}", agent="by-user") for i in range(4)]
    await client.post("/v1/events", json=events)

    async def rows() -> list[dict[str, Any]]:
        query = {**NOVEMBER, "group_by": "user,agent,kind", "tenant": "acme"}
        answer = (await client.get("/v1/usage/by-user", params=query)).json()
        return [row for row in answer["rows"] if row["agent"] == "by-user"]

    async with deployment.worker():
        found = await until(rows)

    expected = [("dev-0", "10"), ("dev-1", "10")]
    assert expected == [(r["user"], r["quantity"]) for r in found if r["kind"] == "input_uncached"]


async def test_a_bad_event_stands_alone(client: httpx.AsyncClient) -> None:
    """The good ones beside a monstrous number, deep nesting and broken text are accepted."""
    good = [json.dumps(api_event()).encode() for _ in range(4)]
    huge = json.dumps(api_event(tokens={"output_text": "@"})).encode().replace(b'"@"', b"9" * 5000)
    deep = json.dumps(api_event(model="@")).encode().replace(b'"@"', b"[" * 3000 + b"]" * 3000)
    broken = json.dumps(api_event(model="@")).encode().replace(b"@", b"\xff")
    body = b"[%b]" % b",".join([good[0], huge, good[1], deep, good[2], broken, good[3]])
    answer = await client.post("/v1/events", content=body)

    codes = [result.get("code") for result in answer.json()["results"]]
    assert [None, "invalid_count", None, "nested_too_deep", None, "invalid_encoding", None] == codes
    assert 202 == answer.status_code


async def test_all_rejected_is_still_202(client: httpx.AsyncClient) -> None:
    """A request whose events are all refused is answered event by event."""
    named = api_event(tokens={"input": 5})
    answer = await client.post("/v1/events", json=[named, {"event_id": "e-1"}, 7])

    results = answer.json()["results"]
    assert (202, ["rejected"] * 3) == (answer.status_code, [r["status"] for r in results])
    assert ["ambiguous_token_type", "missing_field", "invalid_event"] == [
        r["code"] for r in results
    ]
    assert [named["event_id"], "e-1", None] == [r["event_id"] for r in results]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"events": [', 400, "invalid_json"),
        (b"", 400, "invalid_json"),
        (b'[{"agent" "x"}]', 400, "invalid_json"),
        (b"17", 400, "invalid_body"),
        (b"[%b]" % b",".join([b"{}"] * 1001), 413, "too_many_events"),
        (b" " * (2 * 1024 * 1024 + 1), 413, "body_too_large"),
    ],
)
async def test_a_bad_body_is_refused_whole(
    client: httpx.AsyncClient, body: bytes, status: int, code: str
) -> None:
    """No JSON is 400 with a code, beyond the caps 413, never 500."""
    answer = await client.post("/v1/events", content=body)

    assert (status, code) == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("first", ["identity", "gzip"])
async def test_two_headers_of_packing_are_refused(client: httpx.AsyncClient, first: str) -> None:
    """A body is packed once: a second `Content-Encoding` is 415, not passed over."""
    body = json.dumps(api_event()).encode()
    headers = [("content-encoding", first), ("content-encoding", "gzip")]

    answer = await client.post(
        "/v1/events", content=gzip.compress(body) if first == "gzip" else body, headers=headers
    )

    assert (415, "unsupported_encoding") == (answer.status_code, answer.json()["code"])


async def test_keys_open_only_their_own(deployment: Deployment, client: httpx.AsyncClient) -> None:
    """No key: 401; wrong scope: 403; a tenant's key that names another tenant: 403, all of it."""
    mine, other = api_event(), api_event(tenant="globex")
    bound = await deployment.make_key(Scope.EVENTS_WRITE, Scope.EVENTS_BACKFILL, tenant="acme")
    reader = await deployment.make_key(Scope.USAGE_READ)
    async with deployment.client(bound) as own, deployment.client(reader) as reading:
        refused = await own.post("/v1/events", json=[mine, other])
        accepted = await own.post("/v1/events", json=[{**api_event(), "tenant": None}])
        scope = await reading.post("/v1/events", json=mine)
        stranger = await own.get("/v1/usage", headers={"authorization": "Bearer nonsense"})

    assert (403, "wrong_tenant") == (refused.status_code, refused.json()["code"])
    assert (202, "accepted") == (accepted.status_code, accepted.json()["results"][0]["status"])
    assert (403, "missing_scope") == (scope.status_code, scope.json()["code"])
    assert 401 == stranger.status_code
    unknown = await client.get(f"/v1/events/{mine['event_id']}", params={"tenant": "acme"})
    assert unknown.json().get("state") != "counted"


async def test_a_tenants_key_sees_only_its_tenant(
    deployment: Deployment, client: httpx.AsyncClient
) -> None:
    """Under a bound key usage is the tenant's own; naming another is 403."""
    await client.post("/v1/events", json=[api_event(tenant="globex"), api_event()])
    async with deployment.worker():
        await until(lambda: _sees_both(client))
    async with deployment.client(await deployment.make_key(tenant="globex")) as bound:
        usage = (await bound.get("/v1/usage", params=NOVEMBER)).json()
        other = await bound.get("/v1/usage", params={**NOVEMBER, "tenant": "acme"})

    assert {"globex"} == {row["tenant"] for row in usage["rows"]}
    assert 403 == other.status_code


async def _sees_both(client: httpx.AsyncClient) -> bool:
    usage = (await client.get("/v1/usage", params=NOVEMBER)).json()
    return {"acme", "globex"} <= {row["tenant"] for row in usage["rows"]}


async def test_an_unknown_tenant_is_one_events_fault(client: httpx.AsyncClient) -> None:
    """Under a vendor's key an event for nobody is rejected, its neighbour accepted."""
    answer = await client.post("/v1/events", json=[api_event(tenant="nobody"), api_event()])

    assert ["unknown_tenant", None] == [r.get("code") for r in answer.json()["results"]]


async def test_a_dry_run_writes_nothing(client: httpx.AsyncClient) -> None:
    """A dry run shows the event as it would count, and the log does not know it."""
    event = api_event(
        event_id=str(uuid4()).upper(), units={"pages": "1.50"}, context_input_tokens=5
    )
    answer = await client.post("/v1/events", params={"dry_run": "true"}, json=event)

    shown = answer.json()["results"][0]["event"]
    assert 200 == answer.status_code
    assert event["event_id"].lower() == shown["event_id"]
    assert ("2023-11-16T18:17:03.979960Z", "1.5") == (shown["occurred_at"], shown["units"]["pages"])
    assert ("32k", 32) == (shown["context_band"], len(shown["fingerprint"]))
    assert shown["partition"] in range(4)
    assert "accepted" == answer.json()["results"][0]["status"]


class BrokenLog:
    """A log that takes nothing."""

    async def append(self, records: list[tuple[int, bytes]]) -> None:
        raise TimeoutError


async def test_what_the_broker_did_not_take_is_503(
    deployment: Deployment, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the broker's acknowledgement there is no 202."""
    broken = replace(deployment.app.state.dependencies, gatherer=Gatherer(BrokenLog()))
    monkeypatch.setitem(deployment.app.state._state, "dependencies", broken)
    answer = await client.post("/v1/events", json=api_event())

    assert (503, "broker_unavailable") == (answer.status_code, answer.json()["code"])


class LosingLog:
    """The broken variant: takes everything, keeps nothing, says it is fine."""

    async def append(self, records: list[tuple[int, bytes]]) -> None:
        return


async def test_an_unacknowledged_event_would_be_lost(
    deployment: Deployment, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API that answers before the broker does acknowledges what is then unknown: 404."""
    event = api_event()
    losing = replace(deployment.app.state.dependencies, gatherer=Gatherer(LosingLog()))
    with monkeypatch.context() as patch:
        patch.setitem(deployment.app.state._state, "dependencies", losing)
        assert 202 == (await client.post("/v1/events", json=event)).status_code

    async with deployment.worker():
        await until(lambda: _is_unknown(client, event))


async def _is_unknown(client: httpx.AsyncClient, event: dict[str, Any]) -> bool:
    return bool((await state_of(client, event)).get("code") == "unknown_event")


async def test_concurrent_requests_share_a_record(
    deployment: Deployment, client: httpx.AsyncClient
) -> None:
    """Requests that arrive together leave as one record per partition, each answered for itself."""
    ends = deployment.app.state.dependencies.ends
    before = await ends.end_offsets()
    answers = await asyncio.gather(
        *(client.post("/v1/events", json=api_event()) for _ in range(60))
    )
    after = await ends.end_offsets()

    assert {202} == {answer.status_code for answer in answers}
    assert 60 > sum(after.values()) - sum(before.values())


async def test_republishing_marks_days_again(
    deployment: Deployment, client: httpx.AsyncClient
) -> None:
    """A reader that lost its copy asks for days; a tenant's key may not."""
    event = api_event(occurred_at="2023-11-20T00:00:00Z", run_id="r")
    await client.post("/v1/events", json=event)
    days = {"days": ["2023-11-20"]}

    async def changed() -> bool:
        answer = await client.post("/v1/republish", json=days)
        assert 202 == answer.status_code
        return bool(answer.json() == {"changed": 1, "runs": 1, "seals": 0})

    async with deployment.worker():
        await until(changed)
    async with deployment.client(await deployment.make_key(tenant="acme")) as bound:
        assert 403 == (await bound.post("/v1/republish", json=days)).status_code


async def test_health_and_documentation(client: httpx.AsyncClient) -> None:
    """The service says that it lives and is ready, and describes itself."""
    ready = await client.get("/health/ready")
    document = (await client.get("/openapi.json")).json()

    assert (200, {"database": True, "broker": True}) == (ready.status_code, ready.json()["checks"])
    assert 200 == (await client.get("/docs")).status_code
    body = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]
    assert "events" in body["example"]
    operations = [op for path in document["paths"].values() for op in path.values()]
    assert all(op.get("summary") for op in operations)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/usage?from=2023-11-02&to=2023-11-02", "invalid_window"),
        ("/v1/usage?from=2020-01-01&to=2023-11-02", "invalid_window"),
        ("/v1/usage?to=0001-01-01", "invalid_window"),
        ("/v1/usage?group_by=nonsense", "unknown_dimension"),
        ("/v1/usage?from=yesterday", "invalid_request"),
        ("/v1/usage?tenant=a%00b", "invalid_request"),
        ("/v1/events/a%00b?tenant=acme", "invalid_request"),
        ("/v1/events/e-1", "tenant_required"),
    ],
)
async def test_bad_questions_are_400(client: httpx.AsyncClient, path: str, code: str) -> None:
    """A question that cannot be answered is refused with a code, never with 500."""
    answer = await client.get(path)

    assert (400, code) == (answer.status_code, answer.json()["code"])
