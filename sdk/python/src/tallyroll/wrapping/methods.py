"""Metering single methods of a client, where an SDK has no narrower point that knows its errors."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tallyroll.usage.surface import Json
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.routes import Route
from tallyroll.wrapping.session import Session
from tallyroll.wrapping.streams import SeenAsyncStream, SeenStream

Method = Callable[..., Any]


def metered_methods(
    kind: type, session: Session, routes: Mapping[str, Route], *, async_suffix: str = ""
) -> dict[str, Method]:
    """Return metered versions of the methods of a class that `routes` names, sync or async.

    A name with `async_suffix` behind it stands for the same.
    """
    names = {**routes, **{f"{name}{async_suffix}": route for name, route in routes.items()}}
    return {
        name: metered_method(getattr(kind, name), session, route)
        for name, route in names.items()
        if hasattr(kind, name)
    }


def metered_method(original: Method, session: Session, route: Route) -> Method:
    """Return a method that does the same, and records what came of it."""
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def asynchronous(self: Any, *arguments: Any, **named: Any) -> Any:
            request, named = begun(session, route, named)
            try:
                result = await original(self, *arguments, **named)
            except BaseException as error:
                failed(request, error)
                raise
            return finished(request, route, result)

        return asynchronous

    @functools.wraps(original)
    def synchronous(self: Any, *arguments: Any, **named: Any) -> Any:
        request, named = begun(session, route, named)
        try:
            result = original(self, *arguments, **named)
        except BaseException as error:
            failed(request, error)
            raise
        return finished(request, route, result)

    return synchronous


def begun(
    session: Session, route: Route, named: dict[str, Any]
) -> tuple[Request | None, dict[str, Any]]:
    """Return a request that begins now, and the arguments to make it with.

    None if that failed, which the caller does not notice. Raises BudgetExceededError.
    """
    model = named.get("model")
    request = session.recorder.guard(
        "request", lambda: session.begin(route.api_surface, model), None
    )
    if request is not None and request.instead is not None:
        named = {**named, "model": request.instead}
    return request, named


def failed(request: Request | None, error: BaseException) -> None:
    """Record that no answer came."""
    if request is not None:
        request.failed(error)


def finished(request: Request | None, route: Route, result: Any) -> Any:
    """Return what the caller gets: the answer as it is, or its stream, watched."""
    if request is None:
        return result
    if route.see is not None and hasattr(result, "__next__"):
        return SeenStream(result, request, route.see(False))  # noqa: FBT003  nothing is hidden
    if route.see is not None and hasattr(result, "__anext__"):
        return SeenAsyncStream(result, request, route.see(False))  # noqa: FBT003
    answered(request, lambda: route.pick(result))
    return result


def answered(request: Request, read: Callable[[], Json]) -> None:
    """Record an answer; one that cannot be read was given all the same."""
    request.answered(request.recorder.guard("answer", read, {}))


def telling_property(kind: Any, name: str, session: Session) -> Any:
    """Return a property that says that what an attribute of a class leads to is not metered."""
    getter = getattr(getattr(kind, name, None), "fget", None)

    def read(self: Any) -> Any:
        session.recorder.unmetered(name)
        return vars(self)[name] if getter is None else getter(self)

    return property(read)
