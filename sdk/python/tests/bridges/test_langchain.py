"""LangChain itself, with a model that reports usage as its packages for providers do."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import BaseChatModel, BaseLLM, GenericFakeChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
    LLMResult,
)
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from sdk.python.tests.wrapping.conftest import Events

from tallyroll import Meter
from tallyroll.bridges.langchain import TallyrollCallbackHandler
from tallyroll.bridges.langchain_usage import line_of_message
from tallyroll.testing import CapturingTransport

USAGE: Any = {
    "input_tokens": 100,
    "output_tokens": 30,
    "total_tokens": 130,
    "input_token_details": {"cache_read": 60, "audio": 0},
    "output_token_details": {"reasoning": 10},
}
TOKENS = {
    "input_uncached": 40,
    "input_cache_read": 60,
    "output_text": 20,
    "output_reasoning": 10,
}
METADATA = {
    "id": "chatcmpl-1",
    "model_name": "gpt-5-2026",
    "model_provider": "openai",
    "service_tier": "priority",
}


class Model(BaseChatModel):
    """Answers as langchain-openai does."""

    usage: Any = USAGE
    metadata_of_answer: dict[str, Any] = METADATA
    chunk_id: str | None = "chatcmpl-1"
    breaks: bool = False
    fails: bool = False

    @property
    def _llm_type(self) -> str:
        return "mine"

    def _get_ls_params(self, *_given: Any, **_more: Any) -> LangSmithParams:
        return LangSmithParams(ls_provider="openai", ls_model_name="gpt-5", ls_model_type="chat")

    def _generate(self, *_given: Any, **_more: Any) -> ChatResult:
        if self.fails:
            raise ConnectionError("secret")
        message = AIMessage(
            "secret words",
            usage_metadata=self.usage,
            response_metadata=self.metadata_of_answer,
        )
        return ChatResult(generations=[ChatGeneration(message=message)] * 2)

    def _stream(self, *_given: Any, **_more: Any) -> Iterator[ChatGenerationChunk]:
        for word in ("secret", " words"):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word, id=self.chunk_id))
            if self.breaks:
                raise ConnectionError("secret")
        last = AIMessageChunk(
            content="",
            id=self.chunk_id,
            usage_metadata=self.usage,
            response_metadata={"model_name": "gpt-5-2026", "model_provider": "openai"},
        )
        yield ChatGenerationChunk(message=last)


@pytest.fixture(name="handler")
def _handler(capturing: Meter) -> TallyrollCallbackHandler:
    return TallyrollCallbackHandler(capturing, agent="somebody")


@pytest.fixture(name="config")
def _config(handler: TallyrollCallbackHandler) -> Any:
    return {"callbacks": [handler]}


def test_an_answer_is_an_event(config: Any, capturing: Meter, events: Events) -> None:
    """One for a request, however many choices it has; the scope is that of the call."""
    with capturing.context(tenant="acme"):
        assert Model().invoke("secret question", config=config).content == "secret words"
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert (event["provider"], event["model"]) == ("openai", "gpt-5-2026")
    assert (event["response_id"], event["instrument"]) == ("chatcmpl-1", "langchain")
    assert (event["service_tier"], event["tenant"]) == ("priority", "acme")
    assert (event["agent"], "tags" in event) == ("somebody", False)
    assert "secret" not in str(event)


async def test_an_async_answer_too(config: Any, capturing: Meter, events: Events) -> None:
    """Many at once keep their own scope."""

    async def one(tenant: str) -> None:
        with capturing.context(tenant=tenant):
            await Model().ainvoke("secret", config=config)

    await asyncio.gather(*(one(f"t{number}") for number in range(20)))
    assert sorted(event["tenant"] for event in events()) == sorted(f"t{n}" for n in range(20))
    assert {event["tokens"]["output_text"] for event in events()} == {20}


def test_a_stream_is_one_event(config: Any, events: Events) -> None:
    """Its chunks together have the usage; the id is that of the chunks."""
    assert len(list(Model().stream("secret", config=config))) > 2
    (event,) = events()
    assert (event["tokens"], event["response_id"]) == (TOKENS, "chatcmpl-1")
    assert (event["model"], "status" in event) == ("gpt-5-2026", False)


async def test_an_async_stream_too(config: Any, events: Events) -> None:
    """Once."""
    assert len([chunk async for chunk in Model().astream("secret", config=config)]) > 2
    assert [event["tokens"] for event in events()] == [TOKENS]


def test_a_stream_that_is_left_half_way(config: Any, events: Events) -> None:
    """What was used is unknown, and it is no zero."""
    stream = Model().stream("secret", config=config)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    (event,) = events()
    assert (event["status"], event["units"]) == ("aborted", {"unmeasured_requests": "1"})
    assert event["response_id"] == "chatcmpl-1"


def test_a_stream_that_breaks(config: Any, events: Events) -> None:
    """The caller sees the error."""
    with pytest.raises(ConnectionError):
        list(Model(breaks=True).stream("secret", config=config))
    (event,) = events()
    assert (event["status"], event["model"]) == ("aborted", "gpt-5")


def test_a_failure_counts_nothing(config: Any, events: Events) -> None:
    """The event says that a request failed, and not why in words."""
    with pytest.raises(ConnectionError):
        Model(fails=True).invoke("secret", config=config)
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "ConnectionError")
    assert (event["provider"], event["model"]) == ("openai", "gpt-5")
    assert "secret" not in str(event)


@pytest.mark.parametrize("chunk_id", [None, "run-1", "lc_run--2"])
def test_ids_that_langchain_makes_up(config: Any, events: Events, chunk_id: str | None) -> None:
    """They would never match what another instrument saw: the event has none."""
    list(Model(chunk_id=chunk_id).stream("secret", config=config))
    (event,) = events()
    assert (event["tokens"], "response_id" in event) == (TOKENS, False)


def test_runs_are_those_that_call_the_model(config: Any, events: Events) -> None:
    """A model called alone is its own run; in a chain inside another it is of the inner one."""
    alone, outer = uuid4(), uuid4()
    model: Any = Model()
    model.invoke("secret", config={**config, "run_id": alone})
    inner: Any = ChatPromptTemplate.from_template("{question}") | model
    outermost: Any = RunnableLambda(lambda question: inner.invoke({"question": question}))
    outermost.invoke("secret", config={**config, "run_id": outer})
    first, second = events()
    assert (first["run_id"], "parent_run_id" in first) == (str(alone), False)
    assert second["parent_run_id"] == str(outer)
    assert second["run_id"] not in (str(outer), str(alone))


def test_a_run_of_the_program_wins(config: Any, capturing: Meter, events: Events) -> None:
    """LangChain's runs are only for programs that say none."""
    chain: Any = RunnableLambda(lambda _: Model().invoke("secret"))
    with capturing.context(agent="coder", run="r1"):
        chain.invoke("secret", config=config)
    (event,) = events()
    assert (event["agent"], event["run_id"]) == ("coder", "r1")
    assert "parent_run_id" not in event


def test_langchains_cache_costs_nothing(config: Any, events: Events) -> None:
    """The second answer has the counts of the first, and used nothing."""
    model = Model(cache=InMemoryCache())
    for _ in range(2):
        assert model.invoke("secret", config=config).content == "secret words"
    assert len(events()) == 1


def test_a_model_without_usage_is_no_zero(config: Any, events: Events) -> None:
    """LangChain's own fake model says nothing of what it used."""
    GenericFakeChatModel(messages=iter([AIMessage("secret")])).invoke("hi", config=config)
    (event,) = events()
    assert event["units"] == {"unmeasured_requests": "1"}
    assert event["model"] == "unknown"


class PlainModel(BaseLLM):
    """Completes text, as langchain-openai's `OpenAI` does."""

    @property
    def _llm_type(self) -> str:
        return "plain"

    def _generate(self, *_given: Any, **_more: Any) -> LLMResult:
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        output = {"token_usage": usage, "model_name": "gpt-3.5-turbo-instruct"}
        return LLMResult(generations=[[Generation(text="secret")]], llm_output=output)


def test_a_model_for_plain_text(config: Any, events: Events) -> None:
    """Its counts stand elsewhere, in a form that nobody promised."""
    PlainModel().invoke("secret", config=config)
    (event,) = events()
    assert event["tokens"] == {"input_uncached": 5, "output_text": 2}
    assert event["tags"]["usage_flags"] == "convention_assumed"


@pytest.mark.parametrize(
    ("inputs", "outputs", "tokens"),
    [
        pytest.param(  # langchain-anthropic: by TTL, then in place of the sum
            {
                "cache_read": 900,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 50,
                "ephemeral_1h_input_tokens": 20,
            },
            {},
            {
                "input_uncached": 30,
                "input_cache_read": 900,
                "input_cache_write_5m": 50,
                "input_cache_write_1h": 20,
                "output_text": 40,
            },
            id="anthropic",
        ),
        pytest.param(  # langchain-openai: by service tier
            {"priority_cache_read": 900, "priority": 100, "audio": None},
            {"priority_reasoning": 10, "priority": 30},
            {
                "input_uncached": 100,
                "input_cache_read": 900,
                "output_text": 30,
                "output_reasoning": 10,
            },
            id="openai",
        ),
        pytest.param({}, {}, {"input_uncached": 1000, "output_text": 40}, id="none"),
    ],
)
def test_details_of_the_packages(
    inputs: dict[str, Any], outputs: dict[str, Any], tokens: dict[str, int]
) -> None:
    """Keys that only one package has, as it means them."""
    usage = {
        "input_tokens": 1000,
        "output_tokens": 40,
        "total_tokens": 1040,
        "input_token_details": inputs,
        "output_token_details": outputs,
    }
    line = line_of_message(usage, {}, "m")
    assert (line.tokens, line.flags) == (tokens, frozenset())


def test_a_detail_that_nobody_knows_is_flagged() -> None:
    """It may be priced differently."""
    usage = {**USAGE, "input_token_details": {"cache_read": 60, "holograms": 5}}
    assert line_of_message(usage, {}, "m").flags == {"unknown_field"}
    wrong = {**USAGE, "input_token_details": {"cache_read": "60"}}
    assert line_of_message(wrong, {}, "m").flags == {"unreconciled"}


async def test_a_broken_meter_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers, streams and errors are as ever."""
    with Meter(transport=CapturingTransport()) as meter:
        config: Any = {"callbacks": [TallyrollCallbackHandler(meter)]}

        def fail(*_args: Any, **_kwargs: Any) -> None:
            raise RuntimeError("broken")

        with monkeypatch.context() as patch:
            patch.setattr(meter, "attribution", fail)
            patch.setattr(meter, "record", fail)
            assert Model().invoke("hi", config=config).content == "secret words"
            assert (await Model().ainvoke("hi", config=config)).content == "secret words"
            words: AsyncIterator[Any] = Model().astream("hi", config=config)
            assert "".join([str(chunk.content) async for chunk in words]) == "secret words"
            with pytest.raises(ConnectionError):
                Model(fails=True).invoke("hi", config=config)
