"""A wrapped client is the client: its class, its copies, its connections, what costs nothing."""

import copy
from operator import attrgetter
from typing import Any

import httpx2
import openai
import pytest
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.dual import settle
from sdk.python.tests.wrapping.openai_family.conftest import Make
from sdk.python.tests.wrapping.openai_family.shapes import ANSWER, ASK, TOKENS
from sdk.python.tests.wrapping.wire import WireServer, whole

import tallyroll
from tallyroll import Meter
from tallyroll.recording.recorder import recorder_of

PATH = "/chat/completions"


async def test_the_original_is_left_as_it_is(
    make: Make, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """The class, the instance and its resources: used directly, nothing is metered."""
    provider.tell(PATH, whole(ANSWER))
    plain = make()
    used = plain.chat.completions  # computed and kept before it is wrapped
    before = dict(vars(plain)), dict(vars(type(plain)))
    tallyroll.wrap(plain, capturing, provider="openai")
    assert before == (dict(vars(plain)), dict(vars(type(plain))))
    await settle(plain.chat.completions.create(**ASK))
    await settle(used.create(**ASK))
    assert events() == []


async def test_a_client_that_was_used_before_is_metered(
    make: Make, provider: WireServer, capturing: Meter, events: Events
) -> None:
    """Resources that the original keeps do not lead past the meter."""
    provider.tell(PATH, whole(ANSWER))
    plain = make()
    assert plain.chat.completions.with_raw_response is not None
    client = tallyroll.wrap(plain, capturing, provider="openai")
    await settle(client.chat.completions.create(**ASK))
    assert [event["tokens"] for event in events()] == [TOKENS]


def test_it_is_an_instance_of_its_class(client: Any, is_async: bool) -> None:
    """`isinstance`, the class's name and `repr` hold."""
    kind = openai.AsyncOpenAI if is_async else openai.OpenAI
    assert isinstance(client, kind)
    assert (type(client).__name__, type(client).__module__) == (kind.__name__, kind.__module__)
    assert repr(client).startswith(f"<openai.{kind.__name__} object at")


def test_wrapping_twice_is_nothing(client: Any, capturing: Meter) -> None:
    """What is wrapped, and a copy of it, comes back as it is."""
    assert tallyroll.wrap(client, capturing) is client
    moved = client.with_options(timeout=5)
    assert tallyroll.wrap(moved, capturing) is moved


@pytest.mark.parametrize("how", ["copy", "with_options", "copy.copy"])
async def test_copies_are_metered(
    client: Any, provider: WireServer, events: Events, how: str
) -> None:
    """One event each, whatever made the copy."""
    provider.tell(PATH, whole(ANSWER))
    other = copy.copy(client) if how == "copy.copy" else getattr(client, how)(timeout=5)
    await settle(other.chat.completions.create(**ASK))
    await settle(other.with_options(max_retries=1).chat.completions.create(**ASK))
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]


async def test_raw_namespaces_of_the_client_are_metered(
    client: Any, provider: WireServer, events: Events
) -> None:
    """`client.with_raw_response.chat…` is another way to the same request."""
    provider.tell(PATH, whole(ANSWER))
    await settle(client.with_raw_response.chat.completions.create(**ASK))
    await settle(client.post(PATH, body=ASK, cast_to=openai.types.chat.ChatCompletion))
    await settle(client.post(PATH, body=ASK, cast_to=object))
    response = await settle(client.post(PATH, body=ASK, cast_to=httpx2.Response))
    assert response.json() == ANSWER
    assert [event["tokens"] for event in events()] == [TOKENS] * 4


async def test_a_client_that_parses_in_its_own_way_is_metered(
    provider: WireServer, capturing: Meter, events: Events
) -> None:
    """A subclass whose `request()` makes its own answers: what they say of usage counts."""

    class Replaying(openai.OpenAI):
        def request(self, *_asked: Any, **_more: Any) -> Any:
            return openai.types.chat.ChatCompletion.model_validate(ANSWER)

    with Replaying(base_url=provider.url, api_key="k") as plain:
        client = tallyroll.wrap(plain, capturing, provider="openai")
        assert client.chat.completions.create(**ASK).id == "chatcmpl-1"
    assert [event["tokens"] for event in events()] == [TOKENS]


async def test_two_meters_count_apart(make: Make, provider: WireServer, capturing: Meter) -> None:
    """One client wrapped for two meters: each has its own events."""
    provider.tell(PATH, whole(ANSWER))
    plain = make()
    transport = tallyroll.testing.CapturingTransport()
    with Meter(transport=transport, strict=True) as meter:
        one = tallyroll.wrap(plain, meter, provider="openai")
        tallyroll.wrap(plain, capturing, provider="openai")
        await settle(one.chat.completions.create(**ASK))
        assert meter.flush(10)
    assert len(transport.events) == 1


async def test_what_costs_nothing_is_not_metered_and_not_missed(
    client: Any, provider: WireServer, events: Events, capturing: Meter
) -> None:
    """Models, files, moderations, stores, counting of input."""
    for path in ("/models", "/files", "/moderations", "/vector_stores", "/responses/input_tokens"):
        provider.tell(path, whole({"object": "list", "data": [], "id": "x", "results": []}))
    await settle(client.models.list())
    await settle(client.files.create(file=b"secret", purpose="batch"))
    await settle(client.moderations.create(input="hi"))
    await settle(client.vector_stores.create())
    await settle(client.responses.input_tokens.count(model="gpt-5", input="hi"))
    assert events() == []
    assert recorder_of(capturing).unmetered_calls == {}


async def test_what_nobody_knows_is_counted_by_name(
    client: Any, provider: WireServer, events: Events, capturing: Meter
) -> None:
    """A new API of the provider is visible, under its path without the ids in it."""
    provider.tell("/do", whole({}))
    for made in ("thing_1", "2"):
        await settle(client.post(f"/threads/{made}/runs/do", body={}, cast_to=object))
    assert recorder_of(capturing).unmetered_calls == {"/threads/…/runs/do": 2}
    assert events() == []


async def test_an_error_inside_is_not_the_callers(
    client: Any,
    provider: WireServer,
    events: Events,
    capturing: Meter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever breaks in here, the answer arrives and the fault is counted."""
    provider.tell(PATH, whole(ANSWER))
    recorder = recorder_of(capturing)
    monkeypatch.setattr(recorder, "answered", lambda *_a, **_k: 1 / 0)
    answer = await settle(client.chat.completions.create(**ASK))
    assert answer.choices[0].message.content == "secret words"
    assert recorder.faults == 1
    monkeypatch.setattr(recorder, "now", lambda: 1 / 0)
    assert (await settle(client.chat.completions.create(**ASK))).id == "chatcmpl-1"
    assert (recorder.faults, events()) == (2, [])


@pytest.mark.parametrize("path", ["realtime", "responses", "live.sideband", "beta.realtime"])
async def test_a_socket_is_missed_by_name(
    client: Any, make: Make, capturing: Meter, path: str
) -> None:
    """What runs over WebSockets is not metered: that one was opened is told."""
    resource, bare = attrgetter(path)(client), attrgetter(path)(make())
    ask: Any = {"session_id": "s"} if "live" in path else {}
    ask = {"model": "gpt-realtime"} if "realtime" in path else ask
    assert type(resource.connect(**ask)) is type(bare.connect(**ask))
    assert isinstance(resource, type(bare))
    assert recorder_of(capturing).unmetered_calls == {f"{path}.connect": 1}
