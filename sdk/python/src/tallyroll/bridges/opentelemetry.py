"""OpenTelemetry: spans of the GenAI semantic conventions become events.

    provider = TracerProvider()
    provider.add_span_processor(TallyrollSpanProcessor(meter))

Spans that are sampled out never get here: what they used is not counted.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode

from tallyroll.bridges import spans
from tallyroll.bridges.bridge import Bridge, Open
from tallyroll.bridges.counting import flagged, line_of
from tallyroll.bridges.scopes import convention_of
from tallyroll.context import Attribution
from tallyroll.context.baggage import of_entries
from tallyroll.meter import Meter
from tallyroll.recording.asked import Asked
from tallyroll.usage.lines import FAILED, UsageLine

Key = tuple[int, int]
"""Trace and span."""


@dataclass(frozen=True)
class _OpenSpan:
    """A span under way."""

    span: Span
    parent: Key | None
    around: Attribution
    """The program's scope where it began."""
    carried: Attribution
    """What baggage says."""
    counted: set[spans.Kind] = field(default_factory=set)
    """Inferences inside it that told what they used: if it is one itself, it is the same one."""

    @property
    def attributes(self) -> spans.Attributes:
        return self.span.attributes or {}


class TallyrollSpanProcessor(SpanProcessor):
    """Records each inference span that ends: chats, completions, embeddings.

    An event is whose the program's scope says, then whose baggage and then the resource say, under
    the keys that `Meter.inject()` writes (`tallyroll.tenant` …), then whose the span says. Without
    a run in any of them the run is that of the agent's span around, inside that of the trace.
    """

    def __init__(self, meter: Meter, *, agent: str | None = None) -> None:
        """`agent` acts where nobody else names one: TALLYROLL_AGENT, or the program's name."""
        self._bridge = Bridge(meter, "opentelemetry", agent)
        self._open: Open[_OpenSpan] = Open()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Note where the span begins: its scope is not to be had when it ends."""
        self._bridge.guard("span", lambda: self._begin(span, parent_context), None)

    def on_end(self, span: ReadableSpan) -> None:
        """Record what the span used, if it is an inference."""
        self._bridge.guard("span", lambda: self._end(span), None)

    def shutdown(self) -> None:
        """Do nothing: the meter is its owner's to close."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Deliver what the meter has; see `Meter.flush()`."""
        return self._bridge.flush(timeout_millis / 1000)

    def _begin(self, span: Span, parent_context: Context | None) -> None:
        parent = span.parent
        self._open.put(
            _key_of(span),
            _OpenSpan(
                span,
                (parent.trace_id, parent.span_id) if parent is not None else None,
                self._bridge.around(),
                of_entries(baggage.get_all(parent_context).items()),
            ),
        )

    def _end(self, span: ReadableSpan) -> None:
        begun = self._open.take(_key_of(span))
        attributes = span.attributes or {}
        kind = spans.kind_of(attributes)
        if kind is None or (begun is not None and kind in begun.counted):
            return
        outer = self._ancestors(begun)
        usage = spans.usage_of(attributes, kind)
        if usage is not None:
            for one in outer:
                one.counted.add(kind)
        elif any(spans.kind_of(one.attributes) == kind for one in outer):
            return  # the span around it is of the same request, and may know
        asked = self._asked(span, attributes, begun, outer)
        error = _error_of(span, attributes)
        if usage is None and error is not None:
            self._bridge.failed(asked, error)
            return
        line = _line_of(span, attributes, usage)
        line = flagged(line, FAILED) if error is not None else line
        self._bridge.counted(asked, [line], spans.answer_of(attributes))

    def _ancestors(self, begun: _OpenSpan | None) -> list[_OpenSpan]:
        """Return the spans around this one that are under way, the innermost first."""
        found: list[_OpenSpan] = []
        key = begun.parent if begun is not None else None
        while key is not None and (one := self._open.get(key)) is not None:
            found.append(one)
            key = one.parent
        return found

    def _asked(
        self,
        span: ReadableSpan,
        attributes: spans.Attributes,
        begun: _OpenSpan | None,
        outer: list[_OpenSpan],
    ) -> Asked:
        around = begun.around if begun is not None else self._bridge.around()
        carried = begun.carried if begun is not None else Attribution()
        resource = of_entries(span.resource.attributes.items())
        told = _told(span, attributes, outer)
        return self._bridge.asked(
            spans.provider_named(attributes),
            "chat",
            self._bridge.attribution(around, carried, resource, told),
            occurred_at=_moment(span.start_time),
            model=spans.models_of(attributes)[1],
        )


def _told(
    span: ReadableSpan, attributes: spans.Attributes, outer: list[_OpenSpan]
) -> dict[str, object]:
    """Return what the spans themselves say of agent and run."""
    trace = f"{span.context.trace_id:032x}" if span.context is not None else ""
    agents = [one for one in outer if spans.is_agent(one.attributes)]
    runs = [*(f"{trace}.{_key_of(one.span)[1]:016x}" for one in agents), trace]
    names = [spans.agent_of(attributes), *(spans.agent_of(one.attributes) for one in agents)]
    told: dict[str, object] = {"run_id": runs[0], "tags": spans.tags_of(attributes)}
    if len(runs) > 1:
        told["parent_run_id"] = runs[1]
    if name := next((name for name in names if name), None):
        told["agent"] = name
    return told


def _line_of(
    span: ReadableSpan, attributes: spans.Attributes, usage: dict[str, object] | None
) -> UsageLine:
    scope = span.instrumentation_scope
    convention = convention_of(
        scope.name if scope is not None else "",
        scope.version if scope is not None else None,
        spans.provider_named(attributes),
        tells_cache=spans.tells_cache(attributes),
    )
    return line_of(usage, spans.models_of(attributes)[0], convention)


def _error_of(span: ReadableSpan, attributes: spans.Attributes) -> str | None:
    error = spans.error_of(attributes)
    failed = span.status.status_code is StatusCode.ERROR
    return error or ("error" if failed else None)


def _key_of(span: ReadableSpan) -> Key:
    context = span.get_span_context()
    return (context.trace_id, context.span_id) if context is not None else (0, 0)


def _moment(nanoseconds: int | None) -> datetime | None:
    """Return a time of OpenTelemetry, which counts from 1970; microseconds are exact."""
    if nanoseconds is None:
        return None
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).replace(
        microsecond=nanoseconds % 10**9 // 1000
    )
