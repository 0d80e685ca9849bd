"""Anthropic's clients of other platforms, with credentials that sign nobody in."""

from typing import Any

import anthropic
import pytest
from sdk.python.tests.wrapping.anthropic_family.spoken import ASK, SAID, TOKENS, USAGE
from sdk.python.tests.wrapping.anthropic_family.spoken import events as all_chunks
from sdk.python.tests.wrapping.anthropic_family.spoken import message as any_message
from sdk.python.tests.wrapping.bedrock.frames import event_stream, native
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import Answer, WireServer, sse, whole

import tallyroll
from tallyroll import Meter
from tallyroll.recording.recorder import recorder_of

KEYS: Any = {"aws_access_key": "a", "aws_secret_key": "s"}
BEDROCK: Any = {**KEYS, "aws_region": "eu-west-1"}
VERTEX: Any = {"region": "us-east5", "project_id": "p", "access_token": "t"}
WORKSPACE: Any = {**BEDROCK, "workspace_id": "w"}
CLOUD: Any = {
    "project": "p",
    "location": "us-east5",
    "workspace_id": "w",
    "token_provider": lambda: "t",
}
USED = {name: said for name, said in USAGE.items() if name != "inference_geo"}
"""Only Anthropic's own API says where the inference was."""


def chunks() -> list[dict[str, Any]]:
    return all_chunks(usage=USED)


ON_BEDROCK = "eu.anthropic.claude-opus-5-v1:0"
STREAM = sse(chunks(), done=False, named=True)
FRAMES = event_stream(native(chunks()))

PLATFORMS: dict[str, tuple[Any, Any, str, str, str | None, Answer]] = {
    "bedrock": (
        lambda url: anthropic.AnthropicBedrock(base_url=url, **BEDROCK),
        lambda url: anthropic.AsyncAnthropicBedrock(base_url=url, **BEDROCK),
        ON_BEDROCK,
        "aws.bedrock",
        "eu-west-1",
        FRAMES,
    ),
    "mantle": (
        lambda url: anthropic.AnthropicBedrockMantle(base_url=url, **BEDROCK),
        lambda url: anthropic.AsyncAnthropicBedrockMantle(base_url=url, **BEDROCK),
        "anthropic.claude-opus-5",
        "aws.bedrock",
        "eu-west-1",
        STREAM,
    ),
    "vertex": (
        lambda url: anthropic.AnthropicVertex(base_url=url, **VERTEX),
        lambda url: anthropic.AsyncAnthropicVertex(base_url=url, **VERTEX),
        "claude-opus-5@20261001",
        "gcp.vertex_ai",
        "us-east5",
        STREAM,
    ),
    "foundry": (
        lambda url: anthropic.AnthropicFoundry(base_url=url, api_key="k"),
        lambda url: anthropic.AsyncAnthropicFoundry(base_url=url, api_key="k"),
        "claude-opus-5",
        "anthropic",
        None,
        STREAM,
    ),
    "aws": (
        lambda url: anthropic.AnthropicAWS(base_url=url, **WORKSPACE),
        lambda url: anthropic.AsyncAnthropicAWS(base_url=url, **WORKSPACE),
        "claude-opus-5",
        "anthropic",
        None,
        STREAM,
    ),
    "google cloud": (
        lambda url: anthropic.AnthropicGoogleCloud(base_url=url, **CLOUD),
        lambda url: anthropic.AsyncAnthropicGoogleCloud(base_url=url, **CLOUD),
        "claude-opus-5",
        "anthropic",
        None,
        STREAM,
    ),
}
"""Name → clients, the model to ask for, the provider and region of its events, its stream."""
SERVED_BY_ID = ("bedrock", "mantle")
"""Where the id that was asked for is the one with a price."""


def tell(provider: WireServer, stream: Answer) -> None:
    """Answer at each platform's address; what streams has another one on some."""
    plain = whole(any_message(usage=USED))
    provider.tell("/invoke", plain)
    provider.tell("/invoke-with-response-stream", stream)
    provider.tell(":rawPredict", plain)
    provider.tell(":streamRawPredict", stream)
    provider.tell("/v1/messages", plain, stream)


def check(name: str, found: list[dict[str, Any]], count: int) -> None:
    assert len(found) == count
    _, _, model, provider, region, _ = PLATFORMS[name]
    for event in found:
        assert event["tokens"] == SAID["tokens"]
        assert (event["provider"], event["response_id"]) == (provider, "msg_1")
        assert event["model"] == (model if name in SERVED_BY_ID else SAID["model"])
        assert event.get("region") == region
        assert "secret" not in str(event)


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_platform_s_client_is_metered_as_what_it_is(
    name: str, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Whole, streamed, by a copy and by `beta`: with provider, region and model of the platform."""
    make, _, model, _, _, stream = PLATFORMS[name]
    tell(provider, stream)
    plain = make(provider.url)
    client = tallyroll.wrap(plain, capturing, agent="coder")
    ask = {**ASK, "model": model}
    assert isinstance(client, type(plain))
    assert client.messages.create(**ask).content[0].text == "secret words"
    assert len(list(client.messages.create(**ask, stream=True))) == len(chunks()) - 1
    tell(provider, stream)
    client.with_options(timeout=3).beta.messages.create(**ask)
    plain.messages.create(**ask)
    check(name, events(), 3)


@pytest.mark.parametrize("name", PLATFORMS)
async def test_a_platform_s_async_client_too(
    name: str, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Each has an async client, which is metered in the same way."""
    _, make, model, _, _, stream = PLATFORMS[name]
    tell(provider, stream)
    client = tallyroll.wrap(make(provider.url), capturing, agent="coder")
    ask = {**ASK, "model": model}
    await client.messages.create(**ask)
    got = [event async for event in await client.messages.create(**ask, stream=True)]
    assert len(got) == len(chunks()) - 1
    tell(provider, stream)
    await client.with_options(timeout=3).beta.messages.create(**ask)
    check(name, events(), 3)
    await client.close()


@pytest.mark.parametrize("name", ["bedrock", "vertex"])
def test_a_platform_s_stream_that_breaks_off_says_what_it_said(
    name: str, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """As of Anthropic's own client: the input is known, the output is partial."""
    make, _, model, source, region, stream = PLATFORMS[name]
    tell(provider, stream)
    client = tallyroll.wrap(make(provider.url), capturing, agent="coder")
    with client.messages.create(**{**ASK, "model": model}, stream=True) as left:
        next(left)
    (event,) = events()
    assert (event["status"], event["tags"]["usage_flags"]) == ("aborted", "partial")
    assert (event["provider"], event["region"]) == (source, region)
    assert event["tokens"]["input_cache_read"] == TOKENS["input_cache_read"]
    assert event["tokens"]["output_text"] == 1


def test_a_copy_for_another_region_says_so(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """The region of an event is that of the client that asked, whatever it was copied from."""
    tell(provider, FRAMES)
    plain = anthropic.AnthropicBedrock(base_url=provider.url, **BEDROCK)
    client = tallyroll.wrap(plain, capturing, agent="coder")
    client.with_options(aws_region="us-west-2").messages.create(**{**ASK, "model": ON_BEDROCK})
    client.messages.create(**{**ASK, "model": ON_BEDROCK})
    assert [event["region"] for event in events()] == ["us-west-2", "eu-west-1"]


def test_what_a_platform_has_not_is_refused_as_before(capturing: Meter, events: Events) -> None:
    """The SDK's own error; nothing was asked, so nothing is recorded."""
    client = tallyroll.wrap(anthropic.AnthropicBedrock(**BEDROCK), capturing, agent="coder")
    ask: Any = {"model": ON_BEDROCK, "messages": ASK["messages"]}
    resource: Any = client.messages
    with pytest.raises(anthropic.AnthropicError, match="not supported in Bedrock"):
        resource.count_tokens(**ask)
    assert recorder_of(capturing).unmetered_calls == {}
    assert events() == []


def test_who_says_the_provider_is_believed(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """What the caller says stands above what the class of the client says."""
    tell(provider, FRAMES)
    plain = anthropic.AnthropicBedrock(base_url=provider.url, **BEDROCK)
    client = tallyroll.wrap(
        plain, capturing, agent="coder", provider="aws.private", counts_as="aws.bedrock"
    )
    client.messages.create(**{**ASK, "model": ON_BEDROCK})
    (event,) = events()
    assert (event["provider"], event["tokens"]) == ("aws.private", SAID["tokens"])
