"""Message batches: what each result used is an event, once, however often it is fetched."""

import json
from typing import Any

import anthropic
import pytest
from sdk.python.tests.wrapping.anthropic_family.spoken import SAID, USAGE, message, said_of
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import Answer, WireServer, whole

from tallyroll.testing import CapturingTransport

BATCH = "/v1/messages/batches/msgbatch_1"
CREATED = "2026-11-20T10:00:00Z"
USED = {**USAGE, "service_tier": "batch"}
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
RESULTS: list[dict[str, Any]] = [
    {"type": "succeeded", "message": message(usage=USED)},
    {"type": "errored", "error": ERROR},
    {"type": "expired"},
    {"type": "canceled"},
    {"type": "succeeded", "message": message(id="msg_2", usage=USED)},
]
RESULT_SAID = {**SAID, "service_tier": "batch", "batch": True}


@pytest.fixture(autouse=True)
def _batch(provider: WireServer) -> None:
    lines = [json.dumps({"custom_id": str(at), "result": one}) for at, one in enumerate(RESULTS)]
    provider.tell(
        "/msgbatch_1",
        whole(
            {
                "id": "msgbatch_1",
                "type": "message_batch",
                "processing_status": "ended",
                "created_at": CREATED,
                "results_url": f"{provider.url}{BATCH}/results",
            }
        ),
    )
    provider.tell("/results", Answer((b"\n".join(line.encode() for line in lines),)))


def check(found: list[dict[str, Any]]) -> None:
    assert [said_of(one) for one in found] == [RESULT_SAID, {**RESULT_SAID, "response_id": "msg_2"}]
    assert {one["occurred_at"][:19] for one in found} == {CREATED[:19]}
    assert "secret" not in str(found)


@pytest.mark.parametrize("beta", [False, True])
def test_each_result_with_usage_is_an_event(
    beta: bool, client: anthropic.Anthropic, plain: anthropic.Anthropic, events: Events
) -> None:
    """Those that failed, expired or were cancelled count nothing; the caller gets all lines."""

    def fetch(from_: anthropic.Anthropic) -> list[Any]:
        batches = from_.beta.messages.batches if beta else from_.messages.batches
        return list(batches.results("msgbatch_1"))

    assert fetch(client) == fetch(plain)
    check(events())


@pytest.mark.parametrize("beta", [False, True])
async def test_each_result_of_an_async_client_too(
    beta: bool, async_client: anthropic.AsyncAnthropic, events: Events
) -> None:
    """The same for `AsyncAnthropic`."""
    batches: Any = (async_client.beta if beta else async_client).messages.batches
    assert len([line async for line in await batches.results("msgbatch_1")]) == len(RESULTS)
    check(events())


async def test_fetched_again_by_an_async_client_it_counts_once(
    async_client: anthropic.AsyncAnthropic,
    client: anthropic.Anthropic,
    transport: CapturingTransport,
    events: Events,
) -> None:
    """Ids are made of the messages' ids: whoever fetches, and whenever, the events are the same."""
    for _ in range(2):
        results = await async_client.messages.batches.results("msgbatch_1")
        assert len([line async for line in results]) == len(RESULTS)
        assert len(list(client.messages.batches.results("msgbatch_1"))) == len(RESULTS)
    check(events())
    sent = [one for body in transport.bodies for one in json.loads(body)["events"]]
    assert len(sent) == 8
    assert all(one in events() for one in sent)


def test_results_of_a_raw_response_too(client: anthropic.Anthropic, events: Events) -> None:
    """They are told when their caller has them parsed."""
    raw = client.messages.batches.with_raw_response.results("msgbatch_1")
    assert raw.headers["content-type"] == "application/json"
    assert len(list(raw.parse())) == len(RESULTS)
    check(events())


async def test_results_of_a_streaming_response_too(
    async_client: anthropic.AsyncAnthropic, events: Events
) -> None:
    """An async client's, parsed inside of `with_streaming_response`."""
    streaming = async_client.messages.batches.with_streaming_response
    async with streaming.results("msgbatch_1") as response:
        assert len([line async for line in await response.parse()]) == len(RESULTS)
    check(events())


def test_what_is_not_fetched_is_not_counted_yet(
    client: anthropic.Anthropic, events: Events
) -> None:
    """Results are told as they pass; the rest is when somebody fetches it."""
    results = client.messages.batches.results("msgbatch_1")
    assert next(iter(results)).custom_id == "0"
    results.close()
    del results
    assert [said_of(one) for one in events()] == [RESULT_SAID]
