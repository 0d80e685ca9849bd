"""Metering methods that give a stream inside `with`, as raw clients of Fern do."""

# ruff: noqa: SLF001  the stream in an answer is private to the SDK

import copy
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from tallyroll.wrapping.methods import Method, begun, failed, finished
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.routes import Route
from tallyroll.wrapping.session import Session


def metered_managers(
    kind: type, session: Session, routes: Mapping[str, Route]
) -> dict[str, Method]:
    """Return metered versions of the methods of a class that `routes` names, sync or async."""
    return {
        name: _metered(getattr(kind, name), session, route)
        for name, route in routes.items()
        if hasattr(kind, name)
    }


def _metered(original: Callable[..., Any], session: Session, route: Route) -> Method:
    if inspect.isasyncgenfunction(inspect.unwrap(original)):
        return _asynchronous(original, session, route)
    return _synchronous(original, session, route)


def _synchronous(original: Callable[..., Any], session: Session, route: Route) -> Method:
    @functools.wraps(original)
    @contextmanager
    def stream(self: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        (request, named), entered = begun(session, route, named), False
        try:
            with original(self, *arguments, **named) as response:
                entered = True
                yield _seen(request, route, response)
        except BaseException as error:
            if not entered:
                failed(request, error)
            raise
        finally:
            _ended(request)

    return stream


def _asynchronous(original: Callable[..., Any], session: Session, route: Route) -> Method:
    @functools.wraps(original)
    @asynccontextmanager
    async def stream(self: Any, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
        (request, named), entered = begun(session, route, named), False
        try:
            async with original(self, *arguments, **named) as response:
                entered = True
                yield _seen(request, route, response)
        except BaseException as error:
            if not entered:
                failed(request, error)
            raise
        finally:
            _ended(request)

    return stream


def _seen(request: Request | None, route: Route, response: Any) -> Any:
    """Return the same response, whose stream is watched."""
    seen = copy.copy(response)
    seen._data = finished(request, route, response.data)
    return seen


def _ended(request: Request | None) -> None:
    if request is not None:
        request.ended()
