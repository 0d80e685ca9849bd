"""LiteLLM: its callbacks become events.

    litellm.callbacks = [TallyrollLogger(meter)]

What LiteLLM serves from its own cache used nothing, and is no event. A stream that is left
half-way is not reported by LiteLLM, and so not counted.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from tallyroll.bridges.bridge import Bridge, Open
from tallyroll.bridges.counting import stated
from tallyroll.bridges.litellm_usage import lines_of, response_id
from tallyroll.bridges.providers import UNKNOWN, provider_of
from tallyroll.context import Attribution
from tallyroll.meter import Meter
from tallyroll.recording.asked import Asked
from tallyroll.usage.lines import PARTIAL, UsageLine
from tallyroll.usage.surface import Json
from tallyroll.wrapping.picking import picked, read

SURFACES = {
    "completion": "chat",
    "text_completion": "chat",
    "responses": "responses",
    "anthropic_messages": "messages",
    "embedding": "embeddings",
}
"""Kind of call, whose async twin has an `a` before it -> surface. Others are not metered."""
Begun = tuple[Attribution, datetime]


class TallyrollLogger(CustomLogger):
    """Records every answer and every failure, of sync and async calls.

    An event is in the scope that its call was made in, although LiteLLM reports it elsewhere.
    """

    def __init__(self, meter: Meter, *, agent: str | None = None) -> None:
        """`agent` acts where no scope names one: TALLYROLL_AGENT, or the program's name."""
        super().__init__()
        self._bridge = Bridge(meter, "litellm", agent)
        self._begun: Open[Begun] = Open()

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:  # noqa: ARG002
        """Note the scope of a call; its answer is reported by another thread."""
        self._bridge.guard("call", lambda: self._begin(kwargs), None)

    def log_success_event(
        self,
        kwargs: Any,
        response_obj: Any,
        start_time: Any,
        end_time: Any,  # noqa: ARG002
    ) -> None:
        """Record an answer; of a stream it is the whole, once."""
        self._bridge.guard("answer", lambda: self._answered(kwargs, response_obj, start_time), None)

    def log_failure_event(
        self,
        kwargs: Any,
        response_obj: Any,  # noqa: ARG002
        start_time: Any,
        end_time: Any,  # noqa: ARG002
    ) -> None:
        """Record a call that failed."""
        self._bridge.guard("failure", lambda: self._failed(kwargs, start_time), None)

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Do what `log_success_event()` does."""
        self.log_success_event(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Do what `log_failure_event()` does."""
        self.log_failure_event(kwargs, response_obj, start_time, end_time)

    def _begin(self, kwargs: Json) -> None:
        self._begun.put(_call_id(kwargs), (self._bridge.around(), self._bridge.now()))

    def _answered(self, kwargs: Json, answer: object, start_time: object) -> None:
        asked = self._asked(kwargs, start_time)
        if asked is None or kwargs.get("cache_hit") is True:
            return
        whole = read(answer, "response") or answer  # a stream's last event has the response in it
        said = picked(whole, "model", "service_tier", "usage")
        usage, model = said.get("usage"), said.get("model")
        original = kwargs.get("original_response")
        lines = lines_of(
            usage if isinstance(usage, Mapping) else {},
            model if isinstance(model, str) else None,
            asked.provider,
            streamed=kwargs.get("stream") is True,
            original=original,
        )
        self._bridge.counted(
            asked,
            lines,
            stated(
                {
                    "id": response_id(read(whole, "id"), original),
                    "service_tier": said.get("service_tier"),
                    "usage": picked(usage, "service_tier", "speed", "inference_geo"),
                }
            ),
        )

    def _failed(self, kwargs: Json, start_time: object) -> None:
        asked = self._asked(kwargs, start_time)
        if asked is None:
            return
        if kwargs.get("stream") is True and kwargs.get("completion_start_time") is not None:
            # Some of it came: something was used, and LiteLLM does not say what.
            self._bridge.counted(asked, [UsageLine(None, flags=frozenset({PARTIAL}))], {})
            return
        self._bridge.failed(asked, type(kwargs.get("exception")).__name__)

    def _asked(self, kwargs: Json, start_time: object) -> Asked | None:
        """Return what was asked; None if it is of a kind that is not metered."""
        begun = self._begun.take(_call_id(kwargs))
        surface = _surface(kwargs)
        if surface is None:
            self._bridge.unmetered(f"litellm.{kwargs.get('call_type')}")
            return None
        around, moment = begun or (self._bridge.around(), _moment(start_time))
        return self._bridge.asked(
            _provider(kwargs),
            surface,
            self._bridge.attribution(around),
            occurred_at=moment,
            model=kwargs.get("model"),
        )


def _surface(kwargs: Json) -> str | None:
    call = kwargs.get("call_type")
    if not isinstance(call, str):
        return None
    return SURFACES.get(call) or SURFACES.get(call.removeprefix("a"))


def _provider(kwargs: Json) -> str:
    parameters = kwargs.get("litellm_params")
    named = kwargs.get("custom_llm_provider") or read(parameters, "custom_llm_provider")
    return provider_of(named) if named else UNKNOWN


def _call_id(kwargs: Json) -> object:
    return kwargs.get("litellm_call_id")


def _moment(start_time: object) -> datetime | None:
    """Return LiteLLM's time, which is local and does not say so."""
    return start_time.astimezone(UTC) if isinstance(start_time, datetime) else None
