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
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import WireServer, whole

REFUSED = message(
    id="msg_0",
    model="claude-mythos-5",
    stop_reason="refusal",
    stop_details={"type": "refusal", "category": "cyber", "fallback_credit_token": "t"},
    usage={**USAGE, "output_tokens": 1, "output_tokens_details": None},
)


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


async def test_each_answer_of_an_async_client_too(
    async_client: anthropic.AsyncAnthropic, provider: WireServer, events: Events
) -> None:
    """The same for `AsyncAnthropic`."""
    provider.tell("/v1/messages", whole(REFUSED), whole(message()))
    middleware = BetaRefusalFallbackMiddleware([{"model": "claude-opus-5"}])
    await async_client.with_middleware(middleware).beta.messages.create(**ASK)
    assert [event["response_id"] for event in events()] == ["msg_0", "msg_1"]
