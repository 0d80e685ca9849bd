"""Middleware of Anthropic's SDK, which may ask several times for one answer."""

from typing import Any

import anthropic
import pytest
from anthropic.lib.middleware import BetaRefusalFallbackMiddleware
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
from sdk.python.tests.wrapping.wire import Answer, WireServer, sse, whole

REFUSED = message(
    id="msg_0",
    model="claude-mythos-5",
    stop_reason="refusal",
    stop_details={"type": "refusal", "category": "cyber", "fallback_credit_token": "t"},
    usage={**USAGE, "output_tokens": 1, "output_tokens_details": None},
)
CHANGED = ("id", "model", "stop_reason", "usage")


@pytest.mark.parametrize("raw", [False, True])
def test_each_answer_that_was_got_is_an_event(
    raw: bool, client: anthropic.Anthropic, provider: WireServer, events: Events
) -> None:
    """Both the model that refused and the one that answered then were used, and have ids."""
    provider.tell("/v1/messages", whole(REFUSED), whole(message()))
    middleware = BetaRefusalFallbackMiddleware([{"model": "claude-opus-5"}])
    messages: Any = client.with_middleware(middleware).beta.messages
    got = messages.with_raw_response.create(**ASK).parse() if raw else messages.create(**ASK)
    assert got.content[-1].text == "secret words"
    assert len(provider.asked) == 2
    refused, served = events()
    assert (refused["response_id"], refused["model"]) == ("msg_0", "claude-mythos-5")
    assert refused["tokens"]["output_text"] == 1
    assert said_of(served) == SAID


def refusal(*, mid_stream: bool) -> Answer:
    """Return a stream that ends in a refusal, before or after its first words."""
    told = chunks(**{name: said for name, said in REFUSED.items() if name in CHANGED})
    details = {**REFUSED["stop_details"], "fallback_has_prefill_claim": True}
    told[-2]["delta"]["stop_details"] = details
    return sse(
        [chunk for chunk in told if mid_stream or not chunk["type"].startswith("content")],
        done=False,
        named=True,
    )


@pytest.mark.parametrize("mid_stream", [False, True])
def test_a_stream_that_another_model_ends_is_of_that_model(
    mid_stream: bool, client: anthropic.Anthropic, provider: WireServer, events: Events
) -> None:
    """The stream begins with the name of the first; who refused is a line, and marked as failed."""
    provider.tell(
        "/v1/messages", refusal(mid_stream=mid_stream), sse(chunks(), done=False, named=True)
    )
    middleware = BetaRefusalFallbackMiddleware([{"model": "claude-opus-5"}])
    asked: Any = {**ASK, "model": "claude-mythos-5", "stream": True}
    got = list(client.with_middleware(middleware).beta.messages.create(**asked))
    assert got[-1].type == "message_stop"
    served, refused = events()
    assert (served["model"], served["tokens"]) == ("claude-opus-5", SAID["tokens"])
    assert (refused["model"], refused["line"], refused["status"]) == (
        "claude-mythos-5",
        1,
        "failed",
    )
    assert served["response_id"] == refused["response_id"] == "msg_0"


async def test_each_answer_of_an_async_client_too(
    async_client: anthropic.AsyncAnthropic, provider: WireServer, events: Events
) -> None:
    """The same for `AsyncAnthropic`."""
    provider.tell("/v1/messages", whole(REFUSED), whole(message()))
    middleware = BetaRefusalFallbackMiddleware([{"model": "claude-opus-5"}])
    await async_client.with_middleware(middleware).beta.messages.create(**ASK)
    assert [event["response_id"] for event in events()] == ["msg_0", "msg_1"]
