"""OpenTelemetry's own SDK, with spans as instrumentations write them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Status, StatusCode, Tracer
from sdk.python.tests.wrapping.conftest import Events

from tallyroll import Meter
from tallyroll.bridges.opentelemetry import TallyrollSpanProcessor
from tallyroll.testing import CapturingTransport

SCOPE = ("opentelemetry.instrumentation.genai.openai", "1.2b0")
CHAT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5",
    "gen_ai.response.model": "gpt-5-2026",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.output_tokens": 30,
    "gen_ai.usage.reasoning.output_tokens": 10,
    "openai.response.service_tier": "priority",
    "gen_ai.conversation.id": "conv-1",
    "gen_ai.input.messages": '[{"role": "user", "content": "secret"}]',
    "gen_ai.output.messages": '[{"role": "assistant", "content": "secret"}]',
    "gen_ai.system_instructions": "secret",
}
TOKENS = {
    "input_uncached": 40,
    "input_cache_read": 60,
    "output_text": 20,
    "output_reasoning": 10,
}
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "Triage Agent"}


def provider_on(meter: Meter, **given: Any) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False, **given)
    provider.add_span_processor(TallyrollSpanProcessor(meter, agent="somebody"))
    return provider


@pytest.fixture(name="tracer")
def _tracer(capturing: Meter) -> Iterator[Tracer]:
    provider = provider_on(capturing)
    yield provider.get_tracer(*SCOPE)
    provider.shutdown()


def chat(tracer: Tracer, **changed: Any) -> None:
    """End a span of one inference; None takes an attribute away."""
    attributes = {**CHAT, **{name.replace("__", "."): value for name, value in changed.items()}}
    with tracer.start_as_current_span("chat gpt-5") as span:
        span.set_attributes({name: one for name, one in attributes.items() if one is not None})


def test_an_inference_is_an_event(tracer: Tracer, events: Events) -> None:
    """Counts turned exclusive, identity, price context, place: and none of its words."""
    chat(tracer)
    (event,) = events()
    assert event["tokens"] == TOKENS
    assert (event["provider"], event["model"]) == ("openai", "gpt-5-2026")
    assert (event["response_id"], event["instrument"]) == ("chatcmpl-1", "opentelemetry")
    assert (event["service_tier"], event["context_input_tokens"]) == ("priority", 100)
    assert (event["agent"], event["tags"]) == ("somebody", {"session": "conv-1"})
    assert "status" not in event
    assert "secret" not in str(event)


def test_old_names_are_read(tracer: Tracer, events: Events) -> None:
    """`gen_ai.system`, `prompt_tokens`, `llm.request.type`: what older releases write."""
    with tracer.start_as_current_span("openai.chat") as span:
        span.set_attributes(
            {
                "llm.request.type": "chat",
                "gen_ai.system": "OpenAI",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.usage.prompt_tokens": 100,
                "gen_ai.usage.completion_tokens": 30,
                "gen_ai.usage.cache_read_input_tokens": 60,
                "llm.usage.reasoning_tokens": 10,
            }
        )
    (event,) = events()
    assert (event["tokens"], event["provider"], event["model"]) == (TOKENS, "openai", "gpt-5")
    assert "response_id" not in event


@pytest.mark.parametrize(
    "operation", ["invoke_agent", "invoke_workflow", "create_agent", "execute_tool", "retrieval"]
)
def test_only_inferences_count(tracer: Tracer, events: Events, operation: str) -> None:
    """An agent's span repeats what the inferences in it used: counting both counts twice."""
    with tracer.start_as_current_span(
        "outer", attributes={**CHAT, "gen_ai.operation.name": operation}
    ):
        chat(tracer)
    assert [event["tokens"] for event in events()] == [TOKENS]


@pytest.mark.parametrize("operation", ["chat", "generate_content", "text_completion"])
def test_every_inference_counts(tracer: Tracer, events: Events, operation: str) -> None:
    """All three generate."""
    chat(tracer, gen_ai__operation__name=operation)
    assert [event["tokens"] for event in events()] == [TOKENS]


def test_embeddings_have_no_output(tracer: Tracer, events: Events) -> None:
    """Their spans say nothing of it, and nothing is missing."""
    with tracer.start_as_current_span("embeddings") as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "embeddings",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "text-embedding-3-small",
                "gen_ai.usage.input_tokens": 5,
                "gen_ai.usage.cache_read.input_tokens": 0,
            }
        )
    (event,) = events()
    assert event["tokens"] == {"input_uncached": 5}
    assert "tags" not in event


def test_the_innermost_of_spans_of_one_request_counts(tracer: Tracer, events: Events) -> None:
    """A framework's span around the client's is of the same request, with or without its id."""
    with (
        tracer.start_as_current_span("chat", attributes=CHAT),
        tracer.start_as_current_span("http"),
    ):
        chat(tracer, gen_ai__response__id=None)
    (event,) = events()
    assert "response_id" not in event


def test_the_outer_one_counts_if_the_inner_knows_nothing(tracer: Tracer, events: Events) -> None:
    """A client that does not ask a stream for its usage must not hide a framework that does."""
    silent: dict[str, Any] = {name: None for name in CHAT if "usage" in name}
    with tracer.start_as_current_span("chat", attributes=CHAT):
        chat(tracer, **silent)
    assert [event["tokens"] for event in events()] == [TOKENS]


def test_embeddings_inside_a_chat_are_another_request(tracer: Tracer, events: Events) -> None:
    """What looks something up to answer used both."""
    with tracer.start_as_current_span("chat", attributes=CHAT):
        chat(
            tracer,
            gen_ai__operation__name="embeddings",
            gen_ai__usage__output_tokens=None,
            gen_ai__usage__reasoning__output_tokens=None,
        )
    assert len(events()) == 2


def test_an_unknown_scope_is_flagged(capturing: Meter, events: Events) -> None:
    """It is taken at the conventions' word, and says so."""
    provider = provider_on(capturing)
    chat(provider.get_tracer("my.own", "1.0"))
    (event,) = events()
    assert (event["tokens"], event["tags"]["usage_flags"]) == (TOKENS, "convention_assumed")


def test_runs_are_agents_inside_a_trace(tracer: Tracer, events: Events) -> None:
    """An inference is of the agent around it, whose run is inside that of the agent around that."""
    with tracer.start_as_current_span("outer", attributes=AGENT) as outer:
        chat(tracer)
        with (
            tracer.start_as_current_span("tool"),
            tracer.start_as_current_span("inner", attributes={**AGENT, "gen_ai.agent.name": "B"}),
        ):
            chat(tracer)
    chat(tracer)
    first, second, third = events()
    trace = f"{outer.get_span_context().trace_id:032x}"
    assert (first["agent"], first["parent_run_id"]) == ("Triage-Agent", trace)
    assert first["run_id"] == f"{trace}.{outer.get_span_context().span_id:016x}"
    assert (second["agent"], second["parent_run_id"]) == ("B", first["run_id"])
    assert (third["agent"], len(third["run_id"])) == ("somebody", 32)
    assert "parent_run_id" not in third


def test_the_programs_scope_wins(tracer: Tracer, capturing: Meter, events: Events) -> None:
    """It is the one where the span began, and its run is not mixed with those of the trace."""
    with (
        capturing.context(tenant="acme", agent="coder", run="r1", tags={"session": "mine"}),
        tracer.start_as_current_span("agent", attributes=AGENT),
    ):
        span = tracer.start_span("chat", attributes=CHAT)
    span.end()
    (event,) = events()
    assert (event["tenant"], event["agent"], event["run_id"]) == ("acme", "coder", "r1")
    assert (event["tags"], "parent_run_id" in event) == ({"session": "mine"}, False)


def test_baggage_and_resource_say_whose_it_is(capturing: Meter, events: Events) -> None:
    """What `Meter.inject()` sent arrives by OpenTelemetry's propagator; the resource comes last."""
    with capturing.context(tenant="acme", run="r1", tags={"feature": "a b+c"}):
        headers: dict[str, str] = capturing.inject({})
    resource = Resource({"tallyroll.tenant": "other", "tallyroll.team": "blue", "tallyroll.x": 1})
    tracer = provider_on(capturing, resource=resource).get_tracer(*SCOPE)
    token = context.attach(W3CBaggagePropagator().extract(headers))
    try:
        chat(tracer)
    finally:
        context.detach(token)
    (event,) = events()
    assert (event["tenant"], event["team"], event["run_id"]) == ("acme", "blue", "r1")
    assert event["tags"]["feature"] == "a b+c"


def test_baggage_that_the_server_would_refuse_is_left_out(capturing: Meter, events: Events) -> None:
    """Others write into baggage, too."""
    token = context.attach(baggage.set_baggage("tallyroll.tenant", "no such/tenant?"))
    try:
        chat(provider_on(capturing).get_tracer(*SCOPE))
    finally:
        context.detach(token)
    (event,) = events()
    assert "tenant" not in event


def test_an_error_without_usage_counts_nothing(tracer: Tracer, events: Events) -> None:
    """The event says that a request was made, and what came of it."""
    with tracer.start_as_current_span("chat") as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-5",
                "error.type": "RateLimitError",
            }
        )
        span.set_status(Status(StatusCode.ERROR))
    (event,) = events()
    assert (event["status"], event["tags"]["error"]) == ("failed", "RateLimitError")
    assert event["units"] == {"failed_requests": "0"}


def test_an_error_with_usage_counts_it(tracer: Tracer, events: Events) -> None:
    """What was used before it failed was used."""
    chat(tracer, error__type="timeout")
    (event,) = events()
    assert (event["status"], event["tokens"]) == ("failed", TOKENS)


def test_an_answer_without_usage_is_no_zero(tracer: Tracer, events: Events) -> None:
    """Something was used; nobody says how much."""
    chat(tracer, **{name: None for name in CHAT if "usage" in name})
    (event,) = events()
    assert event["units"] == {"unmeasured_requests": "1"}
    assert "unreconciled" in event["tags"]["usage_flags"]


def test_cached_above_input_is_the_other_convention(tracer: Tracer, events: Events) -> None:
    """A known scope that changed its mind shows: it is never clamped to 0."""
    chat(tracer, gen_ai__usage__input_tokens=40)
    (event,) = events()
    assert (event["tags"]["usage_flags"], "tokens" in event) == ("unreconciled", False)


def test_what_is_sampled_out_is_lost(capturing: Meter, events: Events) -> None:
    """No processor sees such spans: the documentation says so."""
    chat(provider_on(capturing, sampler=ALWAYS_OFF).get_tracer(*SCOPE))
    assert events() == []


def test_litellms_cache_hits_are_no_usage(tracer: Tracer, events: Events) -> None:
    """Its spans repeat the usage of the first answer."""
    chat(tracer, litellm__cache_hit=True)
    assert events() == []


async def test_tasks_keep_their_own_scope(tracer: Tracer, capturing: Meter, events: Events) -> None:
    """Spans of many tasks at once are not mixed."""

    async def one(tenant: str) -> None:
        with (
            capturing.context(tenant=tenant),
            tracer.start_as_current_span("a", attributes={**AGENT, "gen_ai.agent.name": tenant}),
        ):
            await asyncio.sleep(0)
            chat(tracer)

    await asyncio.gather(*(one(f"t{number}") for number in range(50)))
    assert all(event["agent"] == event["tenant"] for event in events())
    assert len({event["run_id"] for event in events()}) == 50


def test_a_broken_meter_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans begin and end as ever; the flush says that it failed."""
    with Meter(transport=CapturingTransport()) as meter:
        provider = provider_on(meter)

        def fail(*_args: Any, **_kwargs: Any) -> None:
            raise RuntimeError("broken")

        for name in ("attribution", "record", "flush"):
            monkeypatch.setattr(meter, name, fail)
        chat(provider.get_tracer(*SCOPE))
        assert not provider.force_flush()
        provider.shutdown()
        monkeypatch.undo()


def test_a_flush_of_traces_delivers_events(capturing: Meter) -> None:
    """`force_flush()` of the provider is what serverless programs call."""
    provider = provider_on(capturing)
    chat(provider.get_tracer(*SCOPE))
    assert provider.force_flush()
    assert capturing.stats().sent == 1
