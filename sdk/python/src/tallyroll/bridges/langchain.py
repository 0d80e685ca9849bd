"""LangChain: its callbacks become events.

    model.invoke(question, config={"callbacks": [TallyrollCallbackHandler(meter)]})

What LangChain serves from its own cache used nothing, and is no event. Embeddings have no
callbacks, and are not seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult

from tallyroll.bridges.bridge import Bridge, Open
from tallyroll.bridges.counting import flagged, stated
from tallyroll.bridges.langchain_usage import (
    is_from_cache,
    line_of_message,
    model_of,
    provider_named,
    response_id,
)
from tallyroll.context import Attribution
from tallyroll.meter import Meter
from tallyroll.recording.asked import Asked
from tallyroll.usage.lines import PARTIAL
from tallyroll.usage.surface import Json


@dataclass(frozen=True)
class _OpenCall:
    """A model that was called and has not answered yet."""

    around: Attribution
    occurred_at: datetime
    asked: Json
    run: dict[str, object]


class TallyrollCallbackHandler(BaseCallbackHandler):
    """Records each answer of a model, of sync, async and streaming calls.

    Without a run in the program's scope, the run is the one that called the model (a chain, an
    agent, a graph's node), inside the outermost one around it.
    """

    run_inline = True
    """Async callers too: what is done here does not wait, and needs the scope that they are in."""

    def __init__(self, meter: Meter, *, agent: str | None = None) -> None:
        """`agent` acts where no scope names one: TALLYROLL_AGENT, or the program's name."""
        super().__init__()
        self._bridge = Bridge(meter, "langchain", agent)
        self._calls: Open[_OpenCall] = Open()
        self._roots: Open[UUID] = Open()

    def on_chain_start(self, *_args: Any, **told: Any) -> None:
        """Note which run is inside which."""
        self._bridge.guard(
            "run", lambda: self._enter(told["run_id"], told.get("parent_run_id")), None
        )

    def on_tool_start(self, *_args: Any, **told: Any) -> None:
        """Note which run is inside which."""
        self._bridge.guard(
            "run", lambda: self._enter(told["run_id"], told.get("parent_run_id")), None
        )

    def on_chain_end(self, *_args: Any, **told: Any) -> None:
        """Forget a run that is over."""
        self._bridge.guard("run", lambda: self._roots.take(told["run_id"]), None)

    on_chain_error = on_tool_end = on_tool_error = on_chain_end

    def on_chat_model_start(self, *_args: Any, **told: Any) -> None:
        """Note the scope of a call."""
        self._bridge.guard("call", lambda: self._begin(told), None)

    def on_llm_start(self, *_args: Any, **told: Any) -> None:
        """Note the scope of a call to a model for plain text."""
        self._bridge.guard("call", lambda: self._begin(told), None)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_told: Any) -> None:
        """Record an answer; of a stream it is the whole."""
        self._bridge.guard("answer", lambda: self._answered(run_id, response), None)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:
        """Record a call that failed, or a stream that broke off."""
        self._bridge.guard(
            "failure", lambda: self._failed(run_id, error, told.get("response")), None
        )

    def _enter(self, run_id: UUID, parent: UUID | None) -> None:
        self._roots.put(run_id, self._root(run_id, parent))

    def _root(self, run_id: UUID, parent: UUID | None) -> UUID:
        return run_id if parent is None else self._roots.get(parent) or parent

    def _begin(self, told: Json) -> None:
        run_id, parent = told["run_id"], told.get("parent_run_id")
        assert isinstance(run_id, UUID)
        metadata = told.get("metadata")
        run: dict[str, object] = {"run_id": str(parent or run_id)}
        if isinstance(parent, UUID) and (root := self._root(run_id, parent)) != parent:
            run["parent_run_id"] = str(root)
        call = _OpenCall(
            self._bridge.around(),
            self._bridge.now(),
            metadata if isinstance(metadata, Mapping) else {},
            run,
        )
        self._calls.put(run_id, call)

    def _answered(self, run_id: UUID, result: LLMResult) -> None:
        call = self._calls.take(run_id)
        message = _message(result)
        usage = getattr(message, "usage_metadata", None)
        if call is None or is_from_cache(usage):
            return
        self._count(call, message, result, partial=False)

    def _failed(self, run_id: UUID, error: BaseException, result: object) -> None:
        call = self._calls.take(run_id)
        if call is None:
            return
        message = _message(result) if isinstance(result, LLMResult) else None
        if type(message).__name__ == "AIMessageChunk":  # some of it came
            assert isinstance(result, LLMResult)
            self._count(call, message, result, partial=True)
            return
        self._bridge.failed(self._asked(call, {}), type(error).__name__)

    def _count(self, call: _OpenCall, message: Any, result: LLMResult, *, partial: bool) -> None:
        metadata = getattr(message, "response_metadata", None) or {}
        output = result.llm_output or {}
        model = model_of(metadata, output)
        line = line_of_message(getattr(message, "usage_metadata", None), output, model)
        body = {
            "id": response_id(metadata, getattr(message, "id", None), output),
            "service_tier": metadata.get("service_tier"),
        }
        lines = [flagged(line, PARTIAL) if partial else line]
        self._bridge.counted(self._asked(call, metadata), lines, stated(body))

    def _asked(self, call: _OpenCall, metadata: Json) -> Asked:
        return self._bridge.asked(
            provider_named(metadata, call.asked),
            "chat",
            self._bridge.attribution(call.around, call.run),
            occurred_at=call.occurred_at,
            model=call.asked.get("ls_model_name"),
        )


def _message(result: LLMResult) -> Any:
    """Return the first message of an answer; the others are of the same request."""
    first = next((generations for generations in result.generations if generations), [])
    return getattr(first[0], "message", None) if first else None
