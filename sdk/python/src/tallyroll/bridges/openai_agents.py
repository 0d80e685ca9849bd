"""OpenAI's Agents SDK: its traces become events.

    agents.add_trace_processor(TallyrollTracingProcessor(meter))

With tracing disabled there are no spans, and nothing is counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.tracing import (
    AgentSpanData,
    GenerationSpanData,
    ResponseSpanData,
    Span,
    Trace,
    TracingProcessor,
)

from tallyroll.bridges.bridge import Bridge, Open
from tallyroll.bridges.counting import stated
from tallyroll.bridges.providers import identifier
from tallyroll.context import Attribution
from tallyroll.meter import Meter
from tallyroll.recording.asked import Asked
from tallyroll.usage.surface import Json
from tallyroll.wrapping.picking import picked

_USAGE = (
    *("input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details"),
    "total_tokens",
)
"""Of a span's usage: in the form of the Responses API, whichever API answered."""
_ERROR = "model_error"


@dataclass(frozen=True)
class _OpenSpan:
    """A span under way."""

    span: Span[Any]
    around: Attribution
    occurred_at: datetime


class TallyrollTracingProcessor(TracingProcessor):
    """Records each request to a model, by the Responses API or by Chat Completions.

    Without a run in the program's scope, each agent's turn at work is a run, inside that of its
    trace; an agent that another uses as a tool is inside that one's run.
    """

    def __init__(self, meter: Meter, *, provider: str = "openai", agent: str | None = None) -> None:
        """`provider` is who answers; `agent` acts where neither scope nor trace names one."""
        self._bridge = Bridge(meter, "openai_agents", agent)
        self._provider = provider
        self._open: Open[_OpenSpan] = Open()

    def on_trace_start(self, trace: Trace) -> None:
        """Do nothing: spans say what trace they are of."""

    def on_trace_end(self, trace: Trace) -> None:
        """Do nothing."""

    def on_span_start(self, span: Span[Any]) -> None:
        """Note the scope that a span begins in."""
        self._bridge.guard("span", lambda: self._begin(span), None)

    def on_span_end(self, span: Span[Any]) -> None:
        """Record what a request used."""
        self._bridge.guard("span", lambda: self._end(span), None)

    def shutdown(self) -> None:
        """Do nothing: the meter is its owner's to close."""

    def force_flush(self) -> None:
        """Deliver what the meter has; see `Meter.flush()`."""
        self._bridge.flush()

    def _begin(self, span: Span[Any]) -> None:
        one = _OpenSpan(span, self._bridge.around(), self._bridge.now())
        self._open.put(span.span_id, one)

    def _end(self, span: Span[Any]) -> None:
        begun = self._open.take(span.span_id)
        data = span.span_data
        if begun is None or not isinstance(data, GenerationSpanData | ResponseSpanData):
            return
        asked = self._asked(begun, data)
        body = _response(data) if isinstance(data, ResponseSpanData) else _generation(data)
        if "usage" not in body and span.error is not None:
            self._bridge.failed(asked, _ERROR)
            return
        failed = {"status": "failed"} if span.error is not None else {}
        self._bridge.answered(asked, {**body, **failed})

    def _asked(self, begun: _OpenSpan, data: GenerationSpanData | ResponseSpanData) -> Asked:
        return self._bridge.asked(
            self._provider,
            "responses",
            self._bridge.attribution(begun.around, self._told(begun.span)),
            occurred_at=begun.occurred_at,
            model=data.model if isinstance(data, GenerationSpanData) else None,
            counts_as="openai",  # whoever answers, the spans have the form of its Responses API
        )

    def _told(self, span: Span[Any]) -> dict[str, object]:
        """Return what the trace says of agent and run."""
        agents: list[Span[Any]] = []
        key = span.parent_id
        while key is not None and (one := self._open.get(key)) is not None:
            if isinstance(one.span.span_data, AgentSpanData):
                agents.append(one.span)
            key = one.span.parent_id
        runs = [*(agent.span_id for agent in agents), span.trace_id]
        told: dict[str, object] = {"run_id": runs[0]}
        if agents:
            told |= {"parent_run_id": runs[1], "agent": identifier(agents[0].span_data.name)}
        return told


def _response(data: ResponseSpanData) -> Json:
    """Return what a span of the Responses API says; without sensitive data that is not all."""
    if data.response is not None:
        return picked(data.response, "id", "model", "usage", "service_tier", "tool_usage", "tools")
    said = data.export()
    return stated({"id": said.get("response_id"), "usage": _usage(data.usage)})


def _generation(data: GenerationSpanData) -> Json:
    """Return what a span of Chat Completions says: not the id of the response."""
    return stated({"model": data.model, "usage": _usage(data.usage)})


def _usage(usage: object) -> dict[str, object] | None:
    """Return the usage; None if all that is known is that there was a request."""
    if not isinstance(usage, Mapping) or not usage.get("total_tokens"):
        return None
    return picked(dict(usage), *_USAGE)
