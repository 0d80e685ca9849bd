"""xAI's own client, which speaks gRPC.

All chats go through one stub, whose calls are attributes of it: `sample()`, `stream()`, `parse()`
and `defer()` of a chat alike. A copy of the client gets a stub with metered calls.
"""

# ruff: noqa: SLF001  the stub is private to the SDK

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from tallyroll.wrapping.metered import metered_copy
from tallyroll.wrapping.methods import answered, failed, telling_property
from tallyroll.wrapping.proxy import Proxy
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.session import Session
from tallyroll.wrapping.streams import SeenAsyncStream, SeenStream
from tallyroll.wrapping.x_ai_answers import read, watch
from tallyroll.wrapping.x_ai_streams import Answering, AsyncAnswering

_NOT_METERED = ("batch", "image", "video")
DEFERRED_KEPT_MAX = 1_000
Call = Callable[..., Any]


def wrap_x_ai(client: Any, session: Session) -> Any:
    """Return a metered copy of an `xai_sdk.Client` or `AsyncClient`."""
    kind = type(client)
    telling = {name: telling_property(kind, name, session) for name in _NOT_METERED}
    clone = metered_copy(client, telling, session)
    clone.chat = copy.copy(client.chat)
    calls = _AsyncCalls(session) if hasattr(client, "__aenter__") else _Calls(session)
    clone.chat._stub = calls.metered(client.chat._stub)
    return clone


class _Call(Proxy):
    """One call of a stub: it is made as `make` says, and has the rest from its target."""

    def __init__(self, target: Any, make: Call) -> None:
        super().__init__(target)
        self._tallyroll_make = make

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._tallyroll_make(self._tallyroll_target, *arguments, **named)


class _Calls:
    """How the calls of a stub are made and recorded."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._deferred: OrderedDict[str, Request] = OrderedDict()

    def metered(self, stub: Any) -> Any:
        """Return a copy of a stub, metered."""
        clone = copy.copy(stub)
        clone.GetCompletion = _Call(stub.GetCompletion, self.answer)
        clone.CompactContext = _Call(stub.CompactContext, self.answer)
        clone.GetCompletionChunk = _Call(stub.GetCompletionChunk, self.stream)
        clone.StartDeferredCompletion = _Call(stub.StartDeferredCompletion, self.start)
        clone.GetDeferredCompletion = _Call(stub.GetDeferredCompletion, self.fetch)
        return clone

    def answer(self, original: Call, asked: Any, *others: Any, **named: Any) -> Any:
        """Ask for one whole answer."""
        request, asked = self._begun(asked)
        try:
            answer = original(asked, *others, **named)
        except BaseException as error:
            failed(request, error)
            raise
        return _answered(request, answer)

    def stream(self, original: Call, asked: Any, *others: Any, **named: Any) -> Any:
        """Ask for a stream, whose refusal comes in place of its first chunk."""
        request, asked = self._begun(asked)
        stream = original(asked, *others, **named)
        return (
            stream if request is None else SeenStream(Answering(stream, request), request, watch())
        )

    def start(self, original: Call, asked: Any, *others: Any, **named: Any) -> Any:
        """Ask for an answer that is fetched later."""
        request, asked = self._begun(asked)
        try:
            ticket = original(asked, *others, **named)
        except BaseException as error:
            failed(request, error)
            raise
        return self._started(request, ticket)

    def fetch(self, original: Call, asked: Any, *others: Any, **named: Any) -> Any:
        """Look whether a deferred answer is there."""
        return self._fetched(asked, original(asked, *others, **named))

    def _begun(self, asked: Any) -> tuple[Request | None, Any]:
        """Return a request that begins, and the message that names the model it is admitted for."""
        guard, session = self._session.recorder.guard, self._session
        request = guard("request", lambda: session.begin("grpc", asked.model), None)
        if request is not None and request.instead is not None:
            sent = copy.deepcopy(asked)  # a chat sends its own message again and again
            sent.model = request.instead
            asked = sent
        return request, asked

    def _started(self, request: Request | None, ticket: Any) -> Any:
        if request is not None:
            self._deferred[ticket.request_id] = request
            while len(self._deferred) > DEFERRED_KEPT_MAX:
                self._deferred.popitem(last=False)
        return ticket

    def _fetched(self, asked: Any, found: Any) -> Any:
        if found.HasField("response"):
            _answered(self._deferred.pop(asked.request_id, None), found.response)
        return found


class _AsyncCalls(_Calls):
    """The same where a call is awaited."""

    async def answer(self, original: Call, asked: Any, *others: Any, **named: Any) -> Any:
        """Ask for one whole answer."""
        request, asked = self._begun(asked)
        try:
            answer = await original(asked, *others, **named)
        except BaseException as error:
            failed(request, error)
            raise
        return _answered(request, answer)

    def stream(self, original: Call, asked: Any, *others: Any, **named: Any) -> Any:
        """Ask for a stream, whose refusal comes in place of its first chunk."""
        request, asked = self._begun(asked)
        stream = original(asked, *others, **named)
        if request is None:
            return stream
        return SeenAsyncStream(AsyncAnswering(stream, request), request, watch())

    async def start(self, original: Call, asked: Any, *others: Any, **named: Any) -> Any:
        """Ask for an answer that is fetched later."""
        request, asked = self._begun(asked)
        try:
            ticket = await original(asked, *others, **named)
        except BaseException as error:
            failed(request, error)
            raise
        return self._started(request, ticket)

    async def fetch(self, original: Call, asked: Any, *others: Any, **named: Any) -> Any:
        """Look whether a deferred answer is there."""
        return self._fetched(asked, await original(asked, *others, **named))


def _answered(request: Request | None, answer: Any) -> Any:
    """Record an answer, and return it."""
    if request is not None:
        answered(request, lambda: {"model": request.asked.model, **read(answer)})
    return answer
