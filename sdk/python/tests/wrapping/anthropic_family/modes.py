"""Every way in which Anthropic's SDK asks for a message, sync and async.

Each returns what its caller gets, in a form that two clients can be compared by.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import anthropic
import pydantic
from sdk.python.tests.wrapping.anthropic_family.spoken import ASK, events, message
from sdk.python.tests.wrapping.wire import Answer, sse, whole


class Fruit(pydantic.BaseModel):
    """What a parsed message holds."""

    name: str


PARSED = '{"name": "secret"}'
ANSWER: Answer = whole(message())
STREAM: Answer = sse(events(), done=False, named=True)
Sync = Callable[[anthropic.Anthropic], Any]
Async = Callable[[anthropic.AsyncAnthropic], Awaitable[Any]]


def create(client: anthropic.Anthropic) -> Any:
    return client.messages.create(**ASK)


async def create_async(client: anthropic.AsyncAnthropic) -> Any:
    return await client.messages.create(**ASK)


def streamed(client: anthropic.Anthropic) -> Any:
    return list(client.messages.create(**ASK, stream=True))


async def streamed_async(client: anthropic.AsyncAnthropic) -> Any:
    return [event async for event in await client.messages.create(**ASK, stream=True)]


def manager(client: anthropic.Anthropic) -> Any:
    with client.messages.stream(**ASK) as stream:
        return [event.type for event in stream]


async def manager_async(client: anthropic.AsyncAnthropic) -> Any:
    async with client.messages.stream(**ASK) as stream:
        return [event.type async for event in stream]


def text(client: anthropic.Anthropic) -> Any:
    with client.messages.stream(**ASK) as stream:
        return list(stream.text_stream)


async def text_async(client: anthropic.AsyncAnthropic) -> Any:
    async with client.messages.stream(**ASK) as stream:
        return [part async for part in stream.text_stream]


def final(client: anthropic.Anthropic) -> Any:
    with client.messages.stream(**ASK) as stream:
        return stream.get_final_message()


async def final_async(client: anthropic.AsyncAnthropic) -> Any:
    async with client.messages.stream(**ASK) as stream:
        return await stream.get_final_message()


def until_done(client: anthropic.Anthropic) -> Any:
    with client.messages.stream(**ASK) as stream:
        stream.until_done()
        return stream.current_message_snapshot


async def until_done_async(client: anthropic.AsyncAnthropic) -> Any:
    async with client.messages.stream(**ASK) as stream:
        await stream.until_done()
        return stream.current_message_snapshot


def parsed(client: anthropic.Anthropic) -> Any:
    return client.messages.parse(**ASK, output_format=Fruit).parsed_output


async def parsed_async(client: anthropic.AsyncAnthropic) -> Any:
    return (await client.messages.parse(**ASK, output_format=Fruit)).parsed_output


def beta(client: anthropic.Anthropic) -> Any:
    return client.beta.messages.create(**ASK, betas=["context-1m"])


async def beta_async(client: anthropic.AsyncAnthropic) -> Any:
    return await client.beta.messages.create(**ASK, betas=["context-1m"])


def beta_streamed(client: anthropic.Anthropic) -> Any:
    return list(client.beta.messages.create(**ASK, stream=True))


async def beta_streamed_async(client: anthropic.AsyncAnthropic) -> Any:
    return [event async for event in await client.beta.messages.create(**ASK, stream=True)]


def beta_final(client: anthropic.Anthropic) -> Any:
    with client.beta.messages.stream(**ASK) as stream:
        return stream.get_final_message()


async def beta_final_async(client: anthropic.AsyncAnthropic) -> Any:
    async with client.beta.messages.stream(**ASK) as stream:
        return await stream.get_final_message()


def beta_parsed(client: anthropic.Anthropic) -> Any:
    return client.beta.messages.parse(**ASK, output_format=Fruit).parsed_output


async def beta_parsed_async(client: anthropic.AsyncAnthropic) -> Any:
    return (await client.beta.messages.parse(**ASK, output_format=Fruit)).parsed_output


def runner(client: anthropic.Anthropic) -> Any:
    return list(client.beta.messages.tool_runner(**ASK, tools=[]))


async def runner_async(client: anthropic.AsyncAnthropic) -> Any:
    return [turn async for turn in client.beta.messages.tool_runner(**ASK, tools=[])]


def by_hand(client: anthropic.Anthropic) -> Any:
    return client.post("/v1/messages", body=ASK, cast_to=anthropic.types.Message)


async def by_hand_async(client: anthropic.AsyncAnthropic) -> Any:
    return await client.post("/v1/messages", body=ASK, cast_to=anthropic.types.Message)


def raw(client: anthropic.Anthropic) -> Any:
    response = client.messages.with_raw_response.create(**ASK)
    return response.status_code, response.json(), response.parse()


async def raw_async(client: anthropic.AsyncAnthropic) -> Any:
    response = await client.messages.with_raw_response.create(**ASK)
    return response.status_code, await response.json(), await response.parse()


def raw_unparsed(client: anthropic.Anthropic) -> Any:
    return client.beta.messages.with_raw_response.create(**ASK).text()


async def raw_unparsed_async(client: anthropic.AsyncAnthropic) -> Any:
    return await (await client.beta.messages.with_raw_response.create(**ASK)).text()


def raw_streamed(client: anthropic.Anthropic) -> Any:
    response = client.messages.with_raw_response.create(**ASK, stream=True)
    return list(cast("Any", response.parse()))


async def raw_streamed_async(client: anthropic.AsyncAnthropic) -> Any:
    response = await client.messages.with_raw_response.create(**ASK, stream=True)
    return [event async for event in cast("Any", await response.parse())]


def raw_parsed(client: anthropic.Anthropic) -> Any:
    return client.beta.messages.with_raw_response.parse(**ASK, output_format=Fruit).parse()


async def raw_parsed_async(client: anthropic.AsyncAnthropic) -> Any:
    asked = client.beta.messages.with_raw_response.parse(**ASK, output_format=Fruit)
    return await (await asked).parse()


def streaming(client: anthropic.Anthropic) -> Any:
    with client.messages.with_streaming_response.create(**ASK) as response:
        return response.parse()


async def streaming_async(client: anthropic.AsyncAnthropic) -> Any:
    async with client.messages.with_streaming_response.create(**ASK) as response:
        return await response.parse()


def streaming_lines(client: anthropic.Anthropic) -> Any:
    with client.messages.with_streaming_response.create(**ASK, stream=True) as response:
        return list(response.iter_lines())


async def streaming_lines_async(client: anthropic.AsyncAnthropic) -> Any:
    asked = client.messages.with_streaming_response.create(**ASK, stream=True)
    async with asked as response:
        return [line async for line in response.iter_lines()]


def streaming_streamed(client: anthropic.Anthropic) -> Any:
    with client.messages.with_streaming_response.create(**ASK, stream=True) as response:
        return list(cast("Any", response.parse()))


async def streaming_streamed_async(client: anthropic.AsyncAnthropic) -> Any:
    asked = client.messages.with_streaming_response.create(**ASK, stream=True)
    async with asked as response:
        return [event async for event in cast("Any", await response.parse())]


PARSABLE: Answer = whole(message(PARSED))
MODES: dict[str, tuple[Sync, Async, Answer]] = {
    "create": (create, create_async, ANSWER),
    "create(stream=True)": (streamed, streamed_async, STREAM),
    "stream()": (manager, manager_async, STREAM),
    "stream().text_stream": (text, text_async, STREAM),
    "stream().get_final_message": (final, final_async, STREAM),
    "stream().until_done": (until_done, until_done_async, STREAM),
    "parse": (parsed, parsed_async, PARSABLE),
    "beta.create": (beta, beta_async, ANSWER),
    "beta.create(stream=True)": (beta_streamed, beta_streamed_async, STREAM),
    "beta.stream().get_final_message": (beta_final, beta_final_async, STREAM),
    "beta.parse": (beta_parsed, beta_parsed_async, PARSABLE),
    "beta.tool_runner": (runner, runner_async, ANSWER),
    "raw": (raw, raw_async, ANSWER),
    "raw, not parsed": (raw_unparsed, raw_unparsed_async, ANSWER),
    "raw(stream=True)": (raw_streamed, raw_streamed_async, STREAM),
    "raw parse": (raw_parsed, raw_parsed_async, PARSABLE),
    "streaming response": (streaming, streaming_async, ANSWER),
    "streaming response, its lines": (streaming_lines, streaming_lines_async, STREAM),
    "streaming response(stream=True)": (streaming_streamed, streaming_streamed_async, STREAM),
    "post": (by_hand, by_hand_async, ANSWER),
}
"""Name → how it is called by a sync and by an async client, and what the server answers."""
