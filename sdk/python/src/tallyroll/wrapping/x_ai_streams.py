"""Streams of gRPC, which tell by their first message whether the request was taken at all."""

from typing import Any, Self

from tallyroll.wrapping.request import Request


class Answering:
    """A stream of gRPC; its error before the first message is that of the request."""

    def __init__(self, call: Any, request: Request) -> None:
        self._messages, self._request, self._taken = iter(call), request, False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            message = next(self._messages)
        except Exception as error:
            if not self._taken and not isinstance(error, StopIteration):
                self._request.failed(error)
            raise
        self._taken = True
        return message


class AsyncAnswering:
    """The same of `grpc.aio`."""

    def __init__(self, call: Any, request: Request) -> None:
        self._messages, self._request, self._taken = aiter(call), request, False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            message = await anext(self._messages)
        except Exception as error:
            if not self._taken and not isinstance(error, StopAsyncIteration):
                self._request.failed(error)
            raise
        self._taken = True
        return message
