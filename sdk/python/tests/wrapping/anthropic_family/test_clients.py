"""A metered client of Anthropic's is the client it was, and so is its copy."""

import anthropic
import pytest
from sdk.python.tests.wrapping.anthropic_family.spoken import ASK, SAID, message, said_of
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.wire import WireServer, whole

import tallyroll
from tallyroll import Meter

PATH = "/v1/messages"


def test_it_is_what_it_was(
    client: anthropic.Anthropic, plain: anthropic.Anthropic, capturing: Meter
) -> None:
    """Its class, its settings and its connections are the client's; wrapped again it is itself."""
    assert isinstance(client, anthropic.Anthropic)
    assert repr(type(client)) == repr(type(plain))
    assert (client.base_url, client.api_key) == (plain.base_url, plain.api_key)
    assert client._client is plain._client
    assert tallyroll.wrap(client, capturing) is client


def test_the_client_itself_is_not_metered(
    plain: anthropic.Anthropic, capturing: Meter, provider: WireServer, events: Events
) -> None:
    """Nothing is patched: only what `wrap()` returned is metered, even if the other was in use."""
    provider.tell(PATH, whole(message()))
    plain.messages.create(**ASK)
    tallyroll.wrap(plain, capturing, agent="coder").messages.create(**ASK)
    plain.messages.create(**ASK)
    plain.with_options(timeout=3).messages.create(**ASK)
    assert [said_of(event) for event in events()] == [SAID]


async def test_its_copies_are_metered(
    client: anthropic.Anthropic,
    async_client: anthropic.AsyncAnthropic,
    provider: WireServer,
    events: Events,
) -> None:
    """`with_options()`, `copy()` and a copy of a copy: one event per request."""
    provider.tell(PATH, whole(message()))
    client.with_options(timeout=3).messages.create(**ASK)
    client.copy(max_retries=1).with_options(timeout=3).messages.create(**ASK)
    client.with_middleware().messages.create(**ASK)
    copied = async_client.with_options(timeout=3)
    assert isinstance(copied, anthropic.AsyncAnthropic)
    await copied.messages.create(**ASK)
    assert copied.timeout == 3
    assert [said_of(event) for event in events()] == [SAID] * 4


def test_a_copy_keeps_how_the_client_signs_in(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """The SDK hands credentials on only to copies of its own classes."""
    provider.tell(PATH, whole(message()))
    token = anthropic.AccessToken(token="t-1", expires_at=None)
    with anthropic.Anthropic(base_url=provider.url, credentials=lambda **_: token) as plain:
        client = tallyroll.wrap(plain, capturing, agent="coder")
        client.with_options(timeout=3).messages.create(**ASK)
    assert provider.asked[0].headers["Authorization"] == "Bearer t-1"
    assert len(events()) == 1


def test_two_meters_count_for_themselves(
    plain: anthropic.Anthropic, capturing: Meter, provider: WireServer, events: Events
) -> None:
    """One client, wrapped for two: each meter gets the events of its own."""
    provider.tell(PATH, whole(message()))
    one = tallyroll.wrap(plain, capturing, agent="one")
    two = tallyroll.wrap(plain, capturing, agent="two")
    one.messages.create(**ASK)
    two.messages.create(**ASK)
    assert [event["agent"] for event in events()] == ["one", "two"]


@pytest.mark.parametrize("counts_as", ["anthropic", None])
def test_an_address_of_ones_own_is_named_by_the_caller(
    counts_as: str | None,
    plain: anthropic.Anthropic,
    capturing: Meter,
    provider: WireServer,
    events: Events,
) -> None:
    """Who speaks Anthropic's format need not count as Anthropic does: the caller has to say so."""
    provider.tell(PATH, whole(message()))
    client = tallyroll.wrap(
        plain, capturing, agent="coder", provider="deepseek", counts_as=counts_as
    )
    client.messages.create(**ASK)
    (event,) = events()
    assert event["provider"] == "deepseek"
    assert (event.get("tokens") == SAID["tokens"]) == (counts_as == "anthropic")
