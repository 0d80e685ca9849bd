"""`with meter.context(…)`."""

from collections.abc import Mapping
from types import TracebackType
from typing import cast

from tallyroll.context.attribution import Attribution
from tallyroll.context.scope import Scopes


class Context:
    """A scope to enter by `with` or `async with`, any number of times, in any thread or task.

    `as` gives what events inherit in it. It keeps no state of its own, so that tasks which enter
    the same one at the same time do not meet.
    """

    __slots__ = ("_given", "_scopes")

    def __init__(self, scopes: Scopes, given: Mapping[str, object]) -> None:
        self._scopes, self._given = scopes, given

    def __enter__(self) -> Attribution:
        scope = self._scopes.inside(self._given, self)
        self._scopes.put(scope)
        return cast("Attribution", dict(scope.attribution))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._scopes.leave(self)

    async def __aenter__(self) -> Attribution:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._scopes.leave(self)
