"""One server that answers each SDK as its own server does, and counts the events it has."""

import multiprocessing
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import uvicorn

from tallyroll.compression import packings
from tallyroll.testing.capturing import accept_all
from tests.bench.sdk.clients import SDKS, Sdk

DISTINCT = "/distinct"
ANSWERS: dict[str, tuple[int, bytes]] = {
    "posthog": (200, b'{"status":"Ok"}'),
    "segment": (200, b'{"success":true}'),
    "openmeter": (204, b""),
    "lago": (200, b'{"events":[]}'),
}
"""By the sources of these SDKs: any of these statuses is taken, no body is read."""


class CountingServer:
    """An ASGI application. `GET /distinct` tells the events since the last `DELETE /distinct`."""

    def __init__(self) -> None:
        self._sdks = {sdk.path: sdk for sdk in SDKS}
        self._packings = {packing.name: packing for packing in packings()}
        self._seen: set[str] = set()

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return  # killed amid its request
            body, more = body + message["body"], message.get("more_body", False)
        status, answer = self._answer(scope, body)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
        if scope["path"] == DISTINCT:
            if scope["method"] == "DELETE":
                self._seen.clear()
            return 200, b"%d" % len(self._seen)
        sdk = self._sdks[scope["path"]]
        packing = dict(scope["headers"]).get(b"content-encoding")
        if packing:
            body = self._packings[packing.decode()].unpack(body)
        self._count(sdk, body)
        if sdk.name in ANSWERS:
            return ANSWERS[sdk.name]
        answer = accept_all(body)
        return answer.status, answer.body

    def _count(self, sdk: Sdk, body: bytes) -> None:
        content = msgspec.json.decode(body)
        events = content[sdk.batch] if sdk.batch else [content]
        self._seen.update(event[sdk.identity] for event in events)


def _serve(pipe: Connection) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(CountingServer(), log_level="critical", lifespan="off")
    pipe.send(f"http://127.0.0.1:{listening.getsockname()[1]}")
    uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def running_server() -> Iterator[str]:
    """Yield the endpoint of a server in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # so that a process that dies first is an error, not a wait
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()
