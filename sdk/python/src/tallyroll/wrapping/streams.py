"""Streams of a provider's SDK that are seen as they pass, chunk by chunk."""

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Self

from tallyroll.usage.surface import Json
from tallyroll.wrapping.proxy import Proxy
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.routes import See

__all__ = ["See", "SeenAsyncStream", "SeenStream"]


class _Seen(Proxy):
    """What both kinds of stream have: every chunk is seen, and the end is told once."""

    def __init__(self, target: Any, request: Request, see: See) -> None:
        super().__init__(target)
        self._tallyroll_request, self._tallyroll_see = request, see

    def _tallyroll_hides(self, chunk: Any) -> bool:
        """Keep what a chunk says; return whether the caller shall not get it."""
        request, see = self._tallyroll_request, self._tallyroll_see
        nothing: tuple[Json | None, bool] = (None, False)
        said, hidden = request.recorder.guard("chunk", lambda: see(chunk), nothing)
        if said is not None:
            request.chunk(said)
        return hidden

    def __del__(self) -> None:
        request = self.__dict__.get("_tallyroll_request")
        if request is not None:  # forgotten half-way: what came of it was used
            request.ended()


class SeenStream(_Seen):
    """A stream that is iterated."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        request = self._tallyroll_request
        request.reading = True
        try:
            chunk = next(self._tallyroll_iterator)
            while self._tallyroll_hides(chunk):
                chunk = next(self._tallyroll_iterator)
        except BaseException:  # its end, too
            request.ended()
            raise
        finally:
            request.reading = False
        return chunk

    @property
    def _tallyroll_iterator(self) -> Iterator[Any]:
        found: Iterator[Any] | None = self.__dict__.get("_tallyroll_started")
        if found is None:
            found = self._tallyroll_started = iter(self._tallyroll_target)
        return found

    def __enter__(self) -> Self:
        self._tallyroll_target.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        try:
            return self._tallyroll_target.__exit__(kind, error, traceback)
        finally:
            self._tallyroll_request.ended()

    def close(self) -> Any:
        """Close the stream; what it did not give any more is not counted."""
        try:
            return self._tallyroll_target.close()
        finally:
            self._tallyroll_request.ended()


class SeenAsyncStream(_Seen):
    """A stream that is iterated by `async for`."""

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        request = self._tallyroll_request
        request.reading = True
        try:
            chunk = await anext(self._tallyroll_iterator)
            while self._tallyroll_hides(chunk):
                chunk = await anext(self._tallyroll_iterator)
        except BaseException:  # its end, and a task that is cancelled
            request.ended()
            raise
        finally:
            request.reading = False
        return chunk

    @property
    def _tallyroll_iterator(self) -> AsyncIterator[Any]:
        found: AsyncIterator[Any] | None = self.__dict__.get("_tallyroll_started")
        if found is None:
            found = self._tallyroll_started = aiter(self._tallyroll_target)
        return found

    async def __aenter__(self) -> Self:
        await self._tallyroll_target.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        try:
            return await self._tallyroll_target.__aexit__(kind, error, traceback)
        finally:
            self._tallyroll_request.ended()

    async def close(self) -> Any:
        """Close the stream; what it did not give any more is not counted."""
        return await self._tallyroll_closed(self._tallyroll_target.close)

    async def aclose(self) -> Any:
        """Do what `close()` does, under the name that async generators have for it."""
        return await self._tallyroll_closed(self._tallyroll_target.aclose)

    async def _tallyroll_closed(self, close: Callable[[], Any]) -> Any:
        try:
            return await close()
        finally:
            self._tallyroll_request.ended()
