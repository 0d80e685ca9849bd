"""`@meter.agent("planner")`: each call is a run of its own, a child of the run around it."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from types import TracebackType
from typing import Any, TypeVar, cast

from tallyroll.context.entering import Context
from tallyroll.context.scope import Scope, Scopes
from tallyroll.event import new_event_id

Function = TypeVar("Function", bound=Callable[..., Any])


def in_own_run(scopes: Scopes, given: Mapping[str, object], function: Function) -> Function:
    """Return the function, coroutine function or (async) generator function with a run per call.

    It stays one of its kind for whoever inspects it, but for generators: what is called returns a
    generator and is none, since the run belongs to where the call is, not to where somebody first
    asks for an item.
    """
    wrapped: Callable[..., Any]
    if inspect.isasyncgenfunction(function):
        wrapped = _async_generator(scopes, given, function)
    elif inspect.isgeneratorfunction(function):
        wrapped = _generator(scopes, given, function)
    elif inspect.iscoroutinefunction(function):
        wrapped = _coroutine(scopes, given, function)
    else:
        wrapped = _plain(scopes, given, function)
    return cast("Function", functools.wraps(function)(wrapped))


def _new_run(given: Mapping[str, object]) -> dict[str, object]:
    return {**given, "run_id": new_event_id()}


def _plain(
    scopes: Scopes, given: Mapping[str, object], function: Callable[..., Any]
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with Context(scopes, _new_run(given)):
            return function(*args, **kwargs)

    return call


def _coroutine(
    scopes: Scopes, given: Mapping[str, object], function: Callable[..., Any]
) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        with Context(scopes, _new_run(given)):
            return await function(*args, **kwargs)

    return call


def _generator(
    scopes: Scopes, given: Mapping[str, object], function: Callable[..., Any]
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        return _steps(_Stepwise(scopes, _new_run(given)), function(*args, **kwargs))

    return call


def _async_generator(
    scopes: Scopes, given: Mapping[str, object], function: Callable[..., Any]
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        return _async_steps(_Stepwise(scopes, _new_run(given)), function(*args, **kwargs))

    return call


class _Stepwise:
    """The scope of a generator: entered for each step, with what the last step left open in it."""

    def __init__(self, scopes: Scopes, given: Mapping[str, object]) -> None:
        self._scopes = scopes
        self._own: Scope | None = scopes.inside(given, self)
        self._callers: Scope | None = None

    def __enter__(self) -> None:
        self._callers = self._scopes.current()
        self._scopes.put(self._own)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        callers = self._callers
        self._callers = None  # a generator that waits keeps nothing of who asked last
        if self._scopes.find(self) is not None:
            self._own = self._scopes.current()
            self._scopes.put(callers)


def _steps(scope: _Stepwise, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    step: Callable[[], Any] = functools.partial(next, inner)
    while True:
        try:
            with scope:
                item = step()
        except StopIteration as end:
            return end.value
        try:
            sent = yield item
        except GeneratorExit:
            with scope:
                inner.close()
            raise
        except BaseException as error:  # noqa: BLE001  it is the generator's, whatever it is
            step = functools.partial(inner.throw, error)
        else:
            step = functools.partial(inner.send, sent)


async def _async_steps(
    scope: _Stepwise, inner: AsyncGenerator[Any, Any]
) -> AsyncGenerator[Any, Any]:
    step: Callable[[], Any] = functools.partial(inner.asend, None)
    while True:
        try:
            with scope:
                item = await step()
        except StopAsyncIteration:
            return
        try:
            sent = yield item
        except GeneratorExit:
            with scope:
                await inner.aclose()
            raise
        except BaseException as error:  # noqa: BLE001  it is the generator's, whatever it is
            step = functools.partial(inner.athrow, error)
        else:
            step = functools.partial(inner.asend, sent)
