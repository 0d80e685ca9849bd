"""The Responses API: whole, streamed, parsed, retrieved, in the background."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from sdk.python.tests.wrapping.conftest import Events
from sdk.python.tests.wrapping.dual import collect, entered, first, settle
from sdk.python.tests.wrapping.openai_family.conftest import Make
from sdk.python.tests.wrapping.openai_family.shapes import (
    SECRET,
    TOKENS,
    response,
    response_events,
)
from sdk.python.tests.wrapping.wire import WireServer, sse, whole

import tallyroll
from tallyroll import Meter
from tallyroll.testing import CapturingTransport

ASK: Any = {"model": "gpt-5", "input": "hi"}
PATH, ONE = "/responses", "/responses/resp_1"


class City(BaseModel):
    name: str


async def test_a_response_is_an_event_and_stays_as_it_is(
    client: Any, make: Make, provider: WireServer, events: Events
) -> None:
    """Usage, identity and tier; none of the output."""
    provider.tell(PATH, whole(response()))
    got = await settle(client.responses.create(**ASK))
    assert got == await settle(make().responses.create(**ASK))
    assert got.output_text == SECRET
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert (event["model"], event["response_id"]) == ("gpt-5-2026", "resp_1")
    assert event["service_tier"] == "flex"
    assert "secret" not in str(event)


@pytest.mark.parametrize(
    ("end", "status"), [("completed", None), ("incomplete", None), ("failed", "failed")]
)
async def test_a_response_counts_however_it_ends(
    client: Any, provider: WireServer, events: Events, end: str, status: str | None
) -> None:
    """Incomplete and failed ones have usage too, streamed or not."""
    other = [json.loads(json.dumps(e).replace("resp_1", "resp_2")) for e in response_events(end)]
    provider.tell(PATH, whole(response(end)), sse(other, named=True, done=False))
    await settle(client.responses.create(**ASK))
    got = await collect(await settle(client.responses.create(**ASK, stream=True)))
    assert [event.type for event in got][-1] == f"response.{end}"
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]
    assert [event.get("status") for event in events()] == [status, status]
    assert "secret" not in json.dumps(events())


async def test_a_failed_response_without_usage_is_unmeasured(
    client: Any, provider: WireServer, events: Events
) -> None:
    """A failed response that says nothing of usage is no zero."""
    provider.tell(PATH, whole(response("failed", usage=False)))
    await settle(client.responses.create(**ASK))
    (event,) = events()
    assert (event["status"], event["units"]) == ("failed", {"unmeasured_requests": "1"})


async def test_stream_is_metered(client: Any, provider: WireServer, events: Events) -> None:
    """`responses.stream()` and its final response."""
    provider.tell(PATH, sse(response_events(), named=True, done=False))
    async with entered(client.responses.stream(**ASK)) as stream:
        await settle(stream.until_done())
        final = await settle(stream.get_final_response())
    assert final.output_text == SECRET
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "secret" not in str(event)


async def test_parse_is_metered(client: Any, provider: WireServer, events: Events) -> None:
    """`responses.parse()` gives the parsed output, and one event."""
    answer = json.loads(json.dumps(response()).replace(SECRET, '{\\"name\\": \\"secret\\"}'))
    provider.tell(PATH, whole(answer))
    got = await settle(client.responses.parse(**ASK, text_format=City))
    assert got.output_parsed == City(name="secret")
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert "secret" not in str(event)


async def test_hosted_tools_are_lines_of_their_own(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Searches are units of the main line, the image model's tokens a line of its own."""
    image = {"input_tokens": 7, "output_tokens": 9, "total_tokens": 16}
    tools = {"image_gen": image, "web_search": {"num_requests": 2}}
    used = [{"type": "image_generation", "model": "gpt-image-2"}]
    more: Any = {"tool_usage": tools, "tools": used}
    events_of = [
        json.loads(json.dumps(e).replace("resp_1", "resp_2")) for e in response_events(**more)
    ]
    provider.tell(PATH, whole(response(**more)), sse(events_of, named=True, done=False))
    await settle(client.responses.create(**ASK))
    await collect(await settle(client.responses.create(**ASK, stream=True)))
    main, tool, again, tool_again = events()
    assert main["units"] == again["units"] == {"web_search_requests": "2"}
    assert (tool["line"], tool["model"]) == (1, "gpt-image-2")
    assert tool["tokens"] == tool_again["tokens"] == {"input_uncached": 7, "output_text": 9}


@pytest.mark.parametrize("mode", ["with_raw_response", "with_streaming_response"])
async def test_raw_responses_are_metered(
    client: Any, provider: WireServer, events: Events, mode: str
) -> None:
    """Whole and as a stream of lines."""
    provider.tell(PATH, whole(response()), sse(response_events(), named=True, done=False))
    create = getattr(client.responses, mode).create
    if mode == "with_raw_response":
        assert (await settle(create(**ASK))).parse().output_text == SECRET
        await collect((await settle(create(**ASK, stream=True))).parse())
    else:
        async with entered(create(**ASK)) as answer:
            await settle(answer.parse())
        async with entered(create(**ASK, stream=True)) as answer:
            await collect(answer.iter_lines())
    assert [event["tokens"] for event in events()] == [TOKENS, TOKENS]
    assert "secret" not in json.dumps(events())


async def test_a_stream_that_broke_off_is_completed_by_a_retrieve(
    client: Any, provider: WireServer, sent: Events
) -> None:
    """The partial event becomes what was used: the same id, revision 1, and only once."""
    provider.tell(PATH, sse(response_events(), named=True, done=False))
    provider.tell(ONE, whole(response("in_progress", usage=False)), whole(response()))
    async with entered(await settle(client.responses.create(**ASK, stream=True))) as stream:
        await first(stream)
    (partial,) = sent()
    assert (partial["status"], partial["units"]) == ("aborted", {"unmeasured_requests": "1"})
    for _ in range(3):
        await settle(client.responses.retrieve("resp_1"))
    _, whole_one = sent()
    assert whole_one["event_id"] == partial["event_id"]
    assert (whole_one["tokens"], whole_one["revision"]) == (TOKENS, 1)
    assert whole_one["occurred_at"] == partial["occurred_at"]


async def test_a_retrieve_of_what_was_counted_counts_nothing(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Whoever created a response has counted it; looking at it again uses nothing."""
    provider.tell(ONE, whole(response()))
    provider.tell(PATH, whole(response()))
    await settle(client.responses.create(**ASK))
    await settle(client.responses.retrieve("resp_1"))
    await settle(client.responses.with_raw_response.retrieve("resp_1"))
    with pytest.raises(openai.NotFoundError):
        await settle(client.responses.retrieve("resp_9"))
    assert len(events()) == 1


@pytest.mark.parametrize("end", ["completed", "incomplete", "failed", "cancelled"])
async def test_a_response_in_the_background_counts_when_its_end_is_seen(
    client: Any, provider: WireServer, sent: Events, end: str
) -> None:
    """Nothing while it is queued; at its end one event, whenever that is seen and however often."""
    queued, working, done = (
        response(status, usage=status == end, background=True)
        for status in ("queued", "in_progress", end)
    )
    provider.tell(PATH, whole(queued))
    provider.tell(ONE, whole(queued), whole(working), whole(done))
    await settle(client.responses.create(**ASK, background=True))
    for _ in range(2):
        await settle(client.responses.retrieve("resp_1"))
    assert sent() == []
    for _ in range(3):
        await settle(client.responses.retrieve("resp_1"))
    event, *others = sent()
    assert others == [event, event]  # the server counts an id once
    assert event["tokens"] == TOKENS
    assert event["occurred_at"] == "2026-09-21T14:13:20.000000Z"
    expected = {"failed": "failed", "cancelled": "aborted"}.get(end)
    assert event.get("status") == expected


async def test_two_processes_that_see_one_end_count_once(
    make: Make, provider: WireServer, client: Any, events: Events
) -> None:
    """Another process makes the same event, byte for byte: the server counts it once."""
    provider.tell(ONE, whole(response(background=True)))
    await settle(client.responses.retrieve("resp_1"))
    transport = CapturingTransport()
    with Meter(transport=transport, strict=True) as meter:
        other = tallyroll.wrap(make(), meter, provider="openai", agent="coder")
        await settle(other.responses.retrieve("resp_1"))
        assert meter.flush(10)
    assert transport.events == events()


async def test_a_background_stream_counts_at_its_end_alone(
    client: Any, provider: WireServer, events: Events
) -> None:
    """Left half-way it goes on at the provider: what counts is the end that somebody sees."""
    stream = sse(response_events(background=True), named=True, done=False)
    provider.tell(PATH, stream)
    provider.tell(ONE, stream)
    ask: Any = {**ASK, "stream": True, "background": True}
    async with entered(await settle(client.responses.create(**ask))) as half:
        await first(half)
    assert events() == []
    await collect(await settle(client.responses.retrieve("resp_1", stream=True)))
    await collect(await settle(client.responses.create(**ask)))
    assert [event["tokens"] for event in events()[:1]] == [TOKENS]
    assert len({event["event_id"] for event in events()}) == 1


async def test_cancelling_shows_the_end_too(
    client: Any, provider: WireServer, events: Events
) -> None:
    """`responses.cancel()` answers with the response: what it used counts, once."""
    provider.tell(f"{ONE}/cancel", whole(response("cancelled", background=True)))
    for _ in range(2):
        await settle(client.responses.cancel("resp_1"))
    assert len({event["event_id"] for event in events()}) == 1
    assert (events()[0]["status"], events()[0]["tokens"]) == ("aborted", TOKENS)


async def test_compacting_is_metered(client: Any, provider: WireServer, events: Events) -> None:
    """`responses.compact()` runs a model."""
    body = response()
    compacted = {k: body[k] for k in ("id", "created_at", "output", "usage")}
    provider.tell("/responses/compact", whole({**compacted, "object": "response.compaction"}))
    await settle(client.responses.compact(model="gpt-5"))
    assert [event["tokens"] for event in events()] == [TOKENS]
