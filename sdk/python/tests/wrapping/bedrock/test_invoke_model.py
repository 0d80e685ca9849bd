"""boto3's client against a server that speaks InvokeModel: bodies that their caller reads."""

import gc
import io
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.response import StreamingBody
from sdk.python.tests.wrapping.anthropic_family.spoken import TOKENS, USAGE
from sdk.python.tests.wrapping.anthropic_family.spoken import events as all_chunks
from sdk.python.tests.wrapping.anthropic_family.spoken import message as any_message
from sdk.python.tests.wrapping.bedrock.frames import REQUEST_ID, event_stream, native
from sdk.python.tests.wrapping.bedrock.test_converse import ABORTED, said_of, without_times
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import Answer, WireServer, whole

MODEL = "eu.anthropic.claude-opus-5-v1:0"
USED = {name: said for name, said in USAGE.items() if name not in ("inference_geo", "service_tier")}
ENVELOPE = {
    "x-amzn-RequestId": REQUEST_ID,
    "X-Amzn-Bedrock-Service-Tier": "flex",
    "X-Amzn-Bedrock-PerformanceConfig-Latency": "optimized",
}
ANSWER = whole(any_message(usage=USED), 200, **ENVELOPE)
SAID = {
    "provider": "aws.bedrock",
    "model": MODEL,
    "response_id": REQUEST_ID,
    "tokens": TOKENS,
    "units": {"web_search_requests": "2", "web_fetch_requests": "1"},
    "service_tier": "flex",
    "speed": "optimized",
    "region": "eu-central-1",
    "context_input_tokens": 22,
    "agent": "coder",
    "instrument": "wrap.aws.bedrock",
}
UNTIL_THEN = {**ABORTED, "service_tier": "flex", "speed": "optimized"}


def ask(client: Any, model: str = MODEL, *, streams: bool = False) -> Any:
    body = json.dumps({"messages": [{"role": "user", "content": "secret words"}]})
    if streams:
        return client.invoke_model_with_response_stream(modelId=model, body=body)
    return client.invoke_model(modelId=model, body=body)


def read_into(body: Any) -> list[Any]:
    buffer, found = bytearray(64), []
    while count := body.readinto(buffer):
        found.append(bytes(buffer[:count]))
    return found


def read_raw(body: Any) -> list[Any]:
    with body as raw:
        return [raw.read(10), raw.read()]


def stream_raw(body: Any) -> list[Any]:
    with body as raw:
        return list(raw.stream(16))


def raw_of(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what reads below the body, where `with` leads."""

    def read_below(body: Any) -> Any:
        with body as raw, raw:
            return read(raw)

    return read_below


def exactly(body: Any) -> list[Any]:
    """Read as much as there is, and not the end."""
    parts = [body.read(len(next(iter(ANSWER.parts))))]
    body.close()
    return parts


READS: dict[str, Callable[[Any], Any]] = {
    "read": lambda body: body.read(),
    "read, twice": lambda body: [body.read(), body.read()],
    "json.load": json.load,
    "read(n)": lambda body: list(iter(lambda: body.read(7), b"")),
    "read(n), no more": exactly,
    "iter_lines": lambda body: list(body.iter_lines(16)),
    "iter_chunks": lambda body: list(body.iter_chunks(16)),
    "for": list,
    "next": lambda body: [next(body), body.read()],
    "readlines": lambda body: body.readlines(),
    "readinto": read_into,
    "with": read_raw,
    "with stream": stream_raw,
    "raw readline": raw_of(lambda raw: list(iter(raw.readline, b""))),
    "raw lines": raw_of(list),
    "raw next": raw_of(lambda raw: [next(raw), list(raw)]),
    "raw read1": raw_of(lambda raw: list(iter(raw.read1, b""))),
    "raw close": lambda body: [body._raw_stream.read(), body._raw_stream.close()],
    "wrapped": lambda body: io.TextIOWrapper(body, "utf-8").read(),
}


@pytest.mark.parametrize("how", READS)
def test_a_body_is_metered_as_it_is_read_and_is_what_it_was(
    how: str, client: Any, plain: Any, provider: WireServer, events: Events
) -> None:
    """In whatever way it is read, it gives the same; when it is read, its usage is an event."""
    provider.tell("/invoke", ANSWER)
    expected, got = ask(plain), ask(client)
    assert type(got["body"]) is StreamingBody
    assert without_times(got, "body") == without_times(expected, "body")
    assert events() == []
    assert READS[how](got["body"]) == READS[how](expected["body"])
    got["body"].close()
    (event,) = events()
    assert said_of(event) == SAID
    assert "secret" not in str(event)


def drop(body: Any) -> Any:
    assert body.read(10)
    return body._raw_stream._tallyroll_target  # whose connection is to be closed all the same


def close(body: Any) -> Any:
    assert body.read(10)
    body.close()
    return body


def lose(body: Any) -> Any:
    with pytest.raises(Exception, match="Connection broken"):
        body.read()
    return body


CUT = Answer((b'{"usage": ',), headers=ENVELOPE, cut=True)


@pytest.mark.parametrize(("leave", "told"), [(drop, ANSWER), (close, ANSWER), (lose, CUT)])
def test_a_body_that_is_left_half_way_is_a_partial_event(
    leave: Callable[[Any], Any],
    told: Answer,
    client: Any,
    provider: WireServer,
    events: Events,
) -> None:
    """The answer was made and paid for, and nobody has read what it used."""
    provider.tell("/invoke", told)
    left = leave(ask(client)["body"])
    gc.collect()
    (event,) = events()
    left.close()
    assert said_of(event) == UNTIL_THEN


def test_nothing_is_read_ahead_of_the_caller(
    client: Any, provider: WireServer, events: Events
) -> None:
    """The caller gets the beginning while the rest has not even been sent."""
    (content,) = ANSWER.parts
    more = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield content[:20]
        assert more.wait(10)
        yield content[20:]

    provider.tell("/invoke", Answer(slowly(), headers=ENVELOPE))
    body = ask(client)["body"]
    assert body.read(20) == content[:20]
    assert events() == []
    more.set()
    assert body.read() == content[20:]
    assert len(events()) == 1


NOVA = {"inputTokens": 10, "outputTokens": 4, "cacheReadInputTokenCount": 3}
CHOICE = {"index": 0, "message": {"content": "secret words"}, "finish_reason": "stop"}
DELTA = {"index": 0, "delta": {"content": "secret"}, "finish_reason": None}
OPENAI = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
LLAMA = {"generation": "secret words", "prompt_token_count": 8, "generation_token_count": 4}
VENDORS: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]], dict[str, int]]] = {
    "anthropic": (MODEL, any_message(usage=USED), all_chunks(usage=USED), TOKENS),
    "amazon": (
        "us.amazon.nova-pro-v1:0",
        {"output": {"message": {"content": [{"text": "secret words"}]}}, "usage": NOVA},
        [
            {"contentBlockDelta": {"delta": {"text": "secret"}}},
            {"messageStop": {"stopReason": "end_turn"}},
            {"metadata": {"usage": NOVA, "trace": {"words": "secret"}}},
        ],
        {"input_uncached": 10, "input_cache_read": 3, "output_text": 4},
    ),
    "meta": (
        "arn:aws:bedrock:us-east-1:1:inference-profile/us.meta.llama4-maverick-v1:0",
        {**LLAMA, "stop_reason": "stop"},
        [
            {**LLAMA, "generation_token_count": 1, "stop_reason": None},
            {**LLAMA, "prompt_token_count": None, "stop_reason": "stop"},
        ],
        {"input_uncached": 8, "output_text": 4},
    ),
    "openai": (
        "openai.gpt-oss-120b-1:0",
        {"id": "c", "model": "gpt-oss", "choices": [CHOICE], "usage": OPENAI},
        [
            {"id": "c", "model": "gpt-oss", "choices": [DELTA]},
            {"id": "c", "model": "gpt-oss", "choices": [{**DELTA, "finish_reason": "stop"}]},
            {"id": "c", "model": "gpt-oss", "choices": [], "usage": OPENAI},
        ],
        {"input_uncached": 9, "output_text": 4},
    ),
}
"""Vendor → model, answer, chunks, and what they amount to."""


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_vendor_s_own_shape_whole_and_streamed(
    vendor: str, client: Any, plain: Any, provider: WireServer, events: Events
) -> None:
    """The id that was asked for says whose shape it is; ids of inference profiles too."""
    model, body, chunks, tokens = VENDORS[vendor]
    provider.tell("/invoke", whole(body, 200, **ENVELOPE))
    provider.tell("/invoke-with-response-stream", event_stream(native(chunks)))
    assert json.load(ask(client, model)["body"]) == body
    expected, got = (ask(each, model, streams=True)["body"] for each in (plain, client))
    assert isinstance(got, type(expected))
    assert list(got) == list(expected)
    found = events()
    assert [event["tokens"] for event in found] == [tokens, tokens]
    assert {event["model"] for event in found} == {model}
    assert {event["response_id"] for event in found} == {REQUEST_ID}
    assert ["status" in event or "tags" in event for event in found] == [False, False]
    assert "secret" not in str(found)


def test_a_stream_that_is_left_says_what_it_said(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Anthropic says the input at the beginning, on Bedrock too."""
    provider.tell("/invoke-with-response-stream", event_stream(native(all_chunks(usage=USED))))
    stream = ask(client, streams=True)["body"]
    next(iter(stream))
    stream.close()
    (event,) = events()
    assert (event["status"], event["tags"]["usage_flags"]) == ("aborted", "partial")
    assert event["tokens"]["input_cache_read"] == TOKENS["input_cache_read"]
    assert event["tokens"]["output_text"] == 1


def test_a_vendor_whose_shape_nobody_knows_is_told_and_not_guessed(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Its answer stays readable; the event says that something was used, and is flagged."""
    provider.tell("/invoke", whole({"results": [{"outputText": "secret words"}]}, 200, **ENVELOPE))
    assert json.load(ask(client, "cohere.command-r-v1:0")["body"])["results"]
    (event,) = events()
    assert event["units"] == {"unmeasured_requests": "1"}
    assert event["tags"]["usage_flags"] == "unreconciled"
    assert event["model"] == "cohere.command-r-v1:0"
    assert "secret" not in str(event)


def test_a_body_that_is_no_json_is_flagged(
    client: Any, provider: WireServer, events: Events
) -> None:
    """It was read to its end and says nothing of usage."""
    provider.tell("/invoke", Answer((b"secret words",), headers=ENVELOPE))
    assert ask(client)["body"].read() == b"secret words"
    (event,) = events()
    assert event["units"] == {"unmeasured_requests": "1"}
    assert event["tags"]["usage_flags"] == "unreconciled"
