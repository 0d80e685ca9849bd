"""Google's `google-genai`: the Gemini API and Vertex AI behind one client.

All that its methods send goes through `_request()` or `_async_request()` of the API client that
they share, retries inside: chats, and each request of automatic function calling, too. So a copy of
the client gets an API client of which those two are metered.
"""

# ruff: noqa: SLF001  what all methods of the SDK go through is private to it

import copy
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tallyroll.wrapping.google_batches import BatchResults
from tallyroll.wrapping.google_routes import Call, call_of, model_of, renamed, verb_of
from tallyroll.wrapping.metered import metered_copy
from tallyroll.wrapping.methods import answered, failed, telling_property
from tallyroll.wrapping.proxy import Proxy
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.session import Session
from tallyroll.wrapping.streams import SeenAsyncStream, SeenStream

VERTEX = "gcp.vertex_ai"
_NOT_METERED = ("interactions", "live")
"""Of a client, what goes other ways than its API client."""


def wrap_google_genai(client: Any, session: Session) -> Any:
    """Return a metered copy of a `genai.Client`, or of its `aio`."""
    api_client = client._api_client
    if api_client.vertexai:
        place = {"region": api_client.location} if api_client.location else {}
        provider = session.provider if session.stated else VERTEX
        session = replace(session, provider=provider, terms={**session.terms, **place})
    return _copied(client, _metered_api_client(api_client, session), session)


def _copied(client: Any, api_client: Any, session: Session) -> Any:
    """Return a copy of a client whose modules (`models`, `batches` …) use this API client."""
    kind, original = type(client), client._api_client
    methods = {
        name: telling_property(kind, name, session) for name in _NOT_METERED if hasattr(kind, name)
    }
    clone = metered_copy(client, {**methods, "__del__": _left_open}, session)
    clone._tallyroll_original = client
    for name, module in vars(client).items():
        if getattr(module, "_api_client", None) is not original:
            continue
        if hasattr(module, "models"):  # `aio`
            vars(clone)[name] = _copied(module, api_client, session)
        else:
            vars(clone)[name] = module_of_clone = copy.copy(module)
            module_of_clone._api_client = api_client
    clone._api_client = api_client
    return clone


def _left_open(_self: object) -> None:
    """Close nothing: the original does, which the copy keeps alive, and shares its connections."""


def _metered_api_client(api_client: Any, session: Session) -> Any:
    kind, batches = type(api_client), BatchResults(session)
    clone = metered_copy(
        api_client,
        {
            "_request": _request(kind._request, session, batches),
            "_async_request": _async_request(kind._async_request, session, batches),
            "download_file": _download(kind.download_file, batches),
            "async_download_file": _async_download(kind.async_download_file, batches),
            "__del__": _left_open,
        },
        session,
    )
    clone._tallyroll_original = api_client
    return clone


def _request(original: Callable[..., Any], session: Session, batches: BatchResults) -> Any:
    def request(
        self: Any, http_request: Any, http_options: Any = None, stream: bool = False
    ) -> Any:
        begun = _begun(session, http_request)
        sent = begun.sent if begun else http_request
        try:
            response = original(self, sent, http_options, stream=stream)
        except BaseException as error:
            failed(begun.request if begun else None, error)
            raise
        return _finished(begun, response, http_request, stream, batches)

    return request


def _async_request(original: Callable[..., Any], session: Session, batches: BatchResults) -> Any:
    async def request(
        self: Any, http_request: Any, http_options: Any = None, stream: bool = False
    ) -> Any:
        begun = _begun(session, http_request)
        sent = begun.sent if begun else http_request
        try:
            response = await original(self, sent, http_options, stream=stream)
        except BaseException as error:
            failed(begun.request if begun else None, error)
            raise
        return _finished(begun, response, http_request, stream, batches)

    return request


def _download(original: Callable[..., Any], batches: BatchResults) -> Any:
    def download_file(self: Any, path: str, **named: Any) -> Any:
        content = original(self, path, **named)
        batches.look_at_file(path, content)
        return content

    return download_file


def _async_download(original: Callable[..., Any], batches: BatchResults) -> Any:
    async def async_download_file(self: Any, path: str, **named: Any) -> Any:
        content = await original(self, path, **named)
        batches.look_at_file(path, content)
        return content

    return async_download_file


@dataclass(frozen=True)
class _Begun:
    """A request on its way."""

    request: Request
    call: Call
    sent: Any
    """The SDK's request, with the model that was admitted."""


def _begun(session: Session, http_request: Any) -> _Begun | None:
    """Return the request that begins, None if it is not metered."""

    def begin() -> _Begun | None:
        if http_request.method.lower() != "post":
            return None
        call = call_of(http_request.url, http_request.data)
        if call is None:
            session.recorder.unmetered(verb_of(http_request.url))
            return None
        if call.is_free:
            return None
        request = session.begin(call.api_surface, model_of(http_request.url))
        sent = http_request if request.instead is None else renamed(http_request, request.instead)
        return _Begun(request, call, sent)

    return session.recorder.guard("request", begin, None)


def _finished(
    begun: _Begun | None, response: Any, http_request: Any, stream: bool, batches: BatchResults
) -> Any:
    """Return what the SDK gets: the answer as it is, or its stream, watched."""
    if begun is None:
        batches.look(http_request, response)
        return response
    if stream:
        return _SeenResponse(response, begun)
    answered(begun.request, lambda: begun.call.read(response.json))
    return response


class _SeenResponse(Proxy):
    """A streamed response of the SDK, whose chunks are read off by `segments()` or `async for`."""

    def __init__(self, target: Any, begun: _Begun) -> None:
        super().__init__(target)
        self._tallyroll_begun = begun

    def segments(self) -> Iterator[Any]:
        """Return the chunks, each as JSON."""
        begun: _Begun = self._tallyroll_begun
        return SeenStream(self._tallyroll_target.segments(), begun.request, begun.call.watch())

    def __aiter__(self) -> AsyncIterator[Any]:
        begun: _Begun = self._tallyroll_begun
        chunks = self._tallyroll_target.async_segments()
        return SeenAsyncStream(chunks, begun.request, begun.call.watch())
