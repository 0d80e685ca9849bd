"""Every way in which Anthropic's SDK asks for a message, sync and async.

Each returns what its caller gets, in a form that two clients can be compared by.
"""

from collections.abc import Awaitable, Callable
from typing import Any

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
    "post": (by_hand, by_hand_async, ANSWER),
}
"""Name → how it is called by a sync and by an async client, and what the server answers."""
