"""boto3's client against a server that speaks Converse, whole and in Amazon's event streams."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from sdk.python.tests.wrapping.bedrock.frames import (
    REQUEST_ID,
    event_stream,
    frame,
    stream_of,
)
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import WireServer, whole

import tallyroll
from tallyroll import Meter
from tallyroll.recording.recorder import recorder_of

MODEL = "eu.anthropic.claude-opus-5-v1:0"
ASK: Any = {
    "modelId": MODEL,
    "messages": [{"role": "user", "content": [{"text": "secret words"}]}],
}
USAGE = {
    "inputTokens": 10,
    "outputTokens": 20,
    "totalTokens": 42,
    "cacheReadInputTokens": 5,
    "cacheWriteInputTokens": 7,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 3}],
}
TOKENS = {
    "input_uncached": 10,
    "input_cache_read": 5,
    "input_cache_write_5m": 3,
    "input_cache_write_1h": 4,
    "output_text": 20,
}
TERMS = {"serviceTier": {"type": "priority"}, "performanceConfig": {"latency": "optimized"}}
SAID = {
    "provider": "aws.bedrock",
    "model": MODEL,
    "response_id": REQUEST_ID,
    "tokens": TOKENS,
    "units": {},
    "service_tier": "priority",
    "speed": "optimized",
    "region": "eu-central-1",
    "context_input_tokens": 22,
    "agent": "coder",
    "instrument": "wrap.aws.bedrock",
}
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "secret words"}]}},
    "stopReason": "end_turn",
    "usage": USAGE,
    "metrics": {"latencyMs": 5},
    **TERMS,
}
TRACE = {"guardrail": {"modelOutput": ["secret words"]}}
STREAM: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "secret"}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": " words"}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}, **TERMS, "trace": TRACE}),
]
ABORTED = {
    **{name: SAID[name] for name in ("provider", "model", "response_id", "region", "agent")},
    "instrument": "wrap.aws.bedrock",
    "units": {"unmeasured_requests": "1"},
    "status": "aborted",
    "tags": {"usage_flags": "partial"},
}
"""Converse says nothing of usage before its end."""


def said_of(event: dict[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in event.items() if name not in ("event_id", "occurred_at")}


def answer(**changed: Any) -> Any:
    return whole({**ANSWER, **changed}, 200, **{"x-amzn-RequestId": REQUEST_ID})


def test_converse_is_an_event_and_changes_nothing(
    client: Any, plain: Any, provider: WireServer, events: Events
) -> None:
    """The caller gets the very response; the event has all counts and terms, none of the words."""
    provider.tell("/converse", answer(trace=TRACE))
    expected, got = plain.converse(**ASK), client.converse(**ASK)
    assert without_times(got) == without_times(expected)
    (event,) = events()
    assert said_of(event) == SAID
    assert "secret" not in str(event)


def test_a_converse_stream_is_an_event_and_changes_nothing(
    client: Any, plain: Any, provider: WireServer, events: Events
) -> None:
    """Its last event has the usage; the caller gets all events of it, from an EventStream."""
    provider.tell("/converse-stream", event_stream(STREAM))
    expected, got = plain.converse_stream(**ASK), client.converse_stream(**ASK)
    assert isinstance(got["stream"], type(expected["stream"]))
    assert list(got["stream"]) == list(expected["stream"])
    assert without_times(got, "stream") == without_times(expected, "stream")
    got["stream"].close()
    (event,) = events()
    assert said_of(event) == SAID
    assert "secret" not in str(event)


def without_times(response: dict[str, Any], *others: str) -> dict[str, Any]:
    """Return a response but for what differs from one request to the next."""
    metadata = response["ResponseMetadata"]
    headers = {n: v for n, v in metadata["HTTPHeaders"].items() if n != "date"}
    kept = {name: said for name, said in response.items() if name not in others}
    return {**kept, "ResponseMetadata": {**metadata, "HTTPHeaders": headers}}


def leave(stream: Any) -> Any:
    for _ in stream:
        break
    stream.close()
    return stream


def forget(stream: Any) -> Any:
    next(iter(stream))
    return stream._raw_stream  # whose connection is to be closed all the same


def lose(stream: Any) -> Any:
    with pytest.raises(Exception, match="ended prematurely"):
        list(stream)
    return stream


def fail(stream: Any) -> Any:
    with pytest.raises(EventStreamError, match="busy"):
        list(stream)
    return stream


FAILS = (
    *(frame(kind, payload) for kind, payload in STREAM[:2]),
    frame("throttlingException", {"message": "busy"}, message="exception"),
)
WAYS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "closed": (leave, event_stream(STREAM)),
    "forgotten": (forget, event_stream(STREAM)),
    "connection cut": (lose, event_stream(STREAM[:3], cut=True)),
    "exception": (fail, stream_of(FAILS)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_that_breaks_off_is_one_event(
    way: str, client: Any, provider: WireServer, events: Events
) -> None:
    """Something was used, and nobody said what: no zero, and no full price."""
    interrupt, told = WAYS[way]
    provider.tell("/converse-stream", told)
    left = interrupt(client.converse_stream(**ASK)["stream"])
    gc.collect()
    (event,) = events()
    left.close()
    assert said_of(event) == ABORTED


def test_a_prompt_router_s_answer_is_of_the_model_that_it_chose(
    client: Any, provider: WireServer, events: Events
) -> None:
    """The router has no price; what served the request has."""
    router = "arn:aws:bedrock:eu-central-1:1:default-prompt-router/anthropic.claude:1"
    chosen = {"promptRouter": {"invokedModelId": "anthropic.claude-haiku-5-v1:0"}}
    provider.tell("/converse", answer(trace=chosen))
    provider.tell(
        "/converse-stream",
        event_stream([*STREAM[:-1], ("metadata", {"usage": USAGE, "trace": chosen})]),
    )
    client.converse(**{**ASK, "modelId": router})
    list(client.converse_stream(**{**ASK, "modelId": router})["stream"])
    assert {event["model"] for event in events()} == {"anthropic.claude-haiku-5-v1:0"}


def test_a_refusal_passes_unchanged_and_counts_nothing(
    client: Any, provider: WireServer, events: Events
) -> None:
    """The caller sees the very class of error that the client's `exceptions` names."""
    told = {"x-amzn-ErrorType": "ThrottlingException"}
    provider.tell("/converse", whole({"message": "busy"}, 429, **told))
    with pytest.raises(client.exceptions.ThrottlingException, match="busy") as caught:
        client.converse(**ASK)
    assert isinstance(caught.value, ClientError)
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "ThrottlingException")
    assert event["units"] == {"failed_requests": "0"}


def test_what_botocore_tries_again_is_one_event(
    make_client: Callable[..., Any], capturing: Meter, provider: WireServer, events: Events
) -> None:
    """One call of the program is one event, however many requests it took."""
    retries = {"total_max_attempts": 3, "mode": "standard"}
    client = tallyroll.wrap(make_client(retries=retries), capturing, agent="coder")
    busy = whole({"message": "busy"}, 503)
    provider.tell("/converse", busy, answer())
    client.converse(**ASK)
    assert len(provider.asked) == 2
    assert [said_of(event) for event in events()] == [SAID]


def test_other_operations_pass_and_are_listed(
    client: Any, provider: WireServer, events: Events, capturing: Meter
) -> None:
    """Counting tokens is free; a guardrail is not, so its calls are named."""
    provider.tell("/count-tokens", whole({"inputTokens": 9}))
    provider.tell("/apply", whole({"action": "NONE", "outputs": [], "assessments": []}))
    given = {"converse": {"messages": ASK["messages"]}}
    assert client.count_tokens(modelId=MODEL, input=given)["inputTokens"] == 9
    client.apply_guardrail(
        guardrailIdentifier="g",
        guardrailVersion="1",
        source="INPUT",
        content=[{"text": {"text": "secret words"}}],
    )
    assert recorder_of(capturing).unmetered_calls == {"ApplyGuardrail": 1}
    assert events() == []
