"""Anthropic's own client against a server that speaks Messages: what an event says of an answer."""

from typing import Any

import anthropic
import pytest
from sdk.python.tests.wrapping.anthropic_family.modes import MODES, Fruit
from sdk.python.tests.wrapping.anthropic_family.spoken import (
    ASK,
    SAID,
    USAGE,
    message,
    said_of,
)
from sdk.python.tests.wrapping.anthropic_family.spoken import (
    events as chunks,
)
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

from tallyroll import Meter
from tallyroll.recording.recorder import recorder_of

PATH = "/v1/messages"


@pytest.mark.parametrize("mode", MODES)
def test_each_way_of_asking_is_one_event_and_changes_nothing(
    mode: str,
    client: anthropic.Anthropic,
    plain: anthropic.Anthropic,
    provider: WireServer,
    events: Events,
) -> None:
    """The caller gets what a plain client gives; the event has all counts and none of the words."""
    call, _, answer = MODES[mode]
    provider.tell(PATH, answer)
    expected, got = call(plain), call(client)
    assert (type(got), got) == (type(expected), expected)
    assert provider.asked[0].body == provider.asked[1].body
    (event,) = events()
    assert said_of(event) == SAID
    assert "secret" not in str(event)


@pytest.mark.parametrize("mode", MODES)
async def test_each_way_of_asking_async_too(
    mode: str,
    async_client: anthropic.AsyncAnthropic,
    plain_async: anthropic.AsyncAnthropic,
    provider: WireServer,
    events: Events,
) -> None:
    """`AsyncAnthropic` is metered in the same way."""
    _, call, answer = MODES[mode]
    provider.tell(PATH, answer)
    expected, got = await call(plain_async), await call(async_client)
    assert (type(got), got) == (type(expected), expected)
    (event,) = events()
    assert said_of(event) == SAID
    assert "secret" not in str(event)


ADVISED = {
    **USAGE,
    "speed": "fast",
    "iterations": [
        {"type": "compaction", "input_tokens": 900, "output_tokens": 80},
        {
            "type": "message",
            **{name: USAGE[name] for name in USAGE if name.endswith("_tokens")},
        },
        {
            "type": "advisor_message",
            "model": "claude-mythos-5",
            "input_tokens": 400,
            "output_tokens": 300,
        },
    ],
}


@pytest.mark.parametrize("streams", [False, True])
def test_what_others_did_for_an_answer_is_lines_of_its_own(
    streams: bool, client: anthropic.Anthropic, provider: WireServer, events: Events
) -> None:
    """A compaction and an adviser are outside the top level: lines beside it, by their models."""
    body: dict[str, Any] = {"usage": ADVISED}
    answer = sse(chunks(**body), done=False, named=True) if streams else whole(message(**body))
    provider.tell(PATH, answer)
    got = client.beta.messages.create(**ASK, stream=streams)
    assert not streams or len(list(got)) > 1
    found = {event.get("line", 0): event for event in events()}
    assert [(line, one["model"]) for line, one in sorted(found.items())] == [
        (0, SAID["model"]),
        (1, SAID["model"]),
        (3, "claude-mythos-5"),
    ]
    assert found[0]["tokens"] == SAID["tokens"]
    assert found[1]["tokens"] == {"input_uncached": 900, "output_text": 80}
    assert found[3]["tokens"] == {"input_uncached": 400, "output_text": 300}
    assert {one["speed"] for one in found.values()} == {"fast"}
    assert {one["response_id"] for one in found.values()} == {"msg_1"}
    assert "tags" not in found[0]


@pytest.mark.filterwarnings("error")
def test_what_is_newer_than_the_sdk_is_flagged_and_warns_nobody(
    client: anthropic.Anthropic, provider: WireServer, events: Events
) -> None:
    """An iteration of a kind nobody knows is a line with a flag; the program sees no warning."""
    novel = {"type": "novel", "input_tokens": 1, "output_tokens": 2}
    provider.tell(PATH, whole(message(usage={**USAGE, "iterations": [novel]})))
    client.beta.messages.create(**ASK)
    flags = {event.get("line", 0): event.get("tags", {}) for event in events()}
    assert "unreconciled" in flags[1]["usage_flags"]


def test_an_answer_that_does_not_parse_was_used_all_the_same(
    client: anthropic.Anthropic, provider: WireServer, events: Events
) -> None:
    """The model answered and is paid for, whatever the caller can make of it."""
    provider.tell(PATH, whole(message("no JSON")))
    with pytest.raises(ValueError, match="JSON"):
        client.messages.parse(**ASK, output_format=Fruit)
    (event,) = events()
    assert said_of(event) == SAID


async def test_an_answer_that_does_not_parse_was_used_async_too(
    async_client: anthropic.AsyncAnthropic, provider: WireServer, events: Events
) -> None:
    """So it is for an async client."""
    provider.tell(PATH, whole(message("no JSON")))
    with pytest.raises(ValueError, match="JSON"):
        await async_client.messages.parse(**ASK, output_format=Fruit)
    (event,) = events()
    assert said_of(event) == SAID


def test_a_refusal_passes_unchanged_and_counts_nothing(
    client: anthropic.Anthropic, provider: WireServer, events: Events
) -> None:
    """The caller sees Anthropic's own error; the event says that a request failed."""
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    provider.tell(PATH, whole(error, 429))
    with pytest.raises(anthropic.RateLimitError, match="slow down"):
        client.messages.create(**ASK)
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "RateLimitError")
    assert (event["units"], event["model"]) == ({"failed_requests": "0"}, "claude-opus-5")
    assert "secret" not in str(event)


async def test_what_is_tried_again_is_one_event(
    client: anthropic.Anthropic,
    async_client: anthropic.AsyncAnthropic,
    provider: WireServer,
    events: Events,
) -> None:
    """The SDK tries again by itself: one call of the program, one event."""
    busy = whole({"error": {"message": "busy"}}, 529, **{"retry-after-ms": "1"})
    provider.tell(PATH, busy, whole(message()))
    client.with_options(max_retries=2).messages.create(**ASK)
    provider.tell(PATH, busy, busy, whole(message()))
    await async_client.with_options(max_retries=2).messages.create(**ASK)
    assert len(provider.asked) == 5
    assert [said_of(event) for event in events()] == [SAID, SAID]


def test_what_costs_nothing_is_no_event_and_what_nobody_knows_is_listed(
    client: anthropic.Anthropic, provider: WireServer, events: Events, capturing: Meter
) -> None:
    """Counting tokens, models, files and making a batch are free; other calls are named once."""
    provider.tell("/count_tokens", whole({"input_tokens": 9}))
    provider.tell("/models", whole({"data": [], "has_more": False}))
    provider.tell("/batches", whole({"id": "msgbatch_1", "type": "message_batch"}))
    provider.tell("/cancel", whole({"id": "msgbatch_1", "type": "message_batch"}))
    provider.tell("/events", whole({"data": []}))
    counted: Any = {name: ASK[name] for name in ("model", "messages")}
    assert client.messages.count_tokens(**counted).input_tokens == 9
    assert client.beta.messages.count_tokens(**counted).input_tokens == 9
    assert list(client.models.list()) == []
    client.messages.batches.create(requests=[])
    client.messages.batches.cancel("msgbatch_1")
    assert recorder_of(capturing).unmetered_calls == {}
    for session in ("sesn_1", "sesn_2"):
        client.post(f"/v1/sessions/{session}/events?beta=true", body={}, cast_to=object)
    assert recorder_of(capturing).unmetered_calls == {"/v1/sessions/…/events": 2}
    assert events() == []
