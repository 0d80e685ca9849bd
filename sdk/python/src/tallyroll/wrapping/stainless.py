"""Clients that Stainless generates: OpenAI's, Anthropic's, Groq's.

All their requests go through `post()` of the client, whatever method began them: `create()`,
`parse()`, `stream()`, with or without `with_raw_response`. So that one is what is metered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tallyroll.wrapping.metered import metered_copy
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.routes import Route
from tallyroll.wrapping.session import Session
from tallyroll.wrapping.streams import See, SeenAsyncStream, SeenStream

Routes = Callable[[str], Route | None]
"""Path of a request → what it is; None: nothing that counts."""


@dataclass(frozen=True)
class _Call:
    """One request on its way through `post()`."""

    request: Request
    route: Route
    arguments: dict[str, Any]
    hides: bool

    def finish(self, result: Any) -> Any:
        """Return what the caller gets: the answer as it is, or its stream, watched."""
        recorder = self.request.recorder
        return recorder.guard("answer", lambda: self._finished(result), result)

    def _finished(self, result: Any) -> Any:
        if self.route.see is not None and hasattr(result, "__next__"):
            return SeenStream(result, self.request, self._see)
        if self.route.see is not None and hasattr(result, "__anext__"):
            return SeenAsyncStream(result, self.request, self._see)
        self.request.answered(self.route.pick(result))
        return result

    @property
    def _see(self) -> See:
        assert self.route.see is not None
        return self.route.see(self.hides)


def wrap_stainless(client: Any, session: Session, routes: Routes) -> Any:
    """Return a metered copy of a client, sync or async."""
    kind = type(client)
    is_async = hasattr(client, "__aenter__")
    return metered_copy(
        client,
        {"post": _async_post(kind.post, session, routes)}
        if is_async
        else {"post": _post(kind.post, session, routes)},
        session,
    )


def _post(original: Callable[..., Any], session: Session, routes: Routes) -> Callable[..., Any]:
    def post(self: Any, path: str, **arguments: Any) -> Any:
        call = _begun(session, routes, path, arguments)
        if call is None:
            return original(self, path, **arguments)
        try:
            result = original(self, path, **call.arguments)
        except BaseException as error:
            call.request.failed(error)
            raise
        return call.finish(result)

    return post


def _async_post(
    original: Callable[..., Any], session: Session, routes: Routes
) -> Callable[..., Any]:
    async def post(self: Any, path: str, **arguments: Any) -> Any:
        call = _begun(session, routes, path, arguments)
        if call is None:
            return await original(self, path, **arguments)
        try:
            result = await original(self, path, **call.arguments)
        except BaseException as error:
            call.request.failed(error)
            raise
        return call.finish(result)

    return post


def _begun(session: Session, routes: Routes, path: str, arguments: dict[str, Any]) -> _Call | None:
    """Return the request that begins, None if it is not metered."""

    def begin() -> _Call | None:
        route = routes(path)
        if route is None:
            session.recorder.unmetered(path)
            return None
        body = arguments.get("body")
        sent, hides = body, False
        if arguments.get("stream") and isinstance(body, dict):
            sent, hides = route.ask(body)
        model = body.get("model") if isinstance(body, dict) else None
        request = session.begin(route.api_surface, model)
        return _Call(request, route, {**arguments, "body": sent}, hides)

    return session.recorder.guard("request", begin, None)
