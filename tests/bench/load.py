"""The load generator: a process of its own, keep-alive connections, bodies encoded beforehand.

Reads a `Load` as JSON from standard input, prints a `Sent` as JSON. It says `ready` on standard
error before the first request and waits for a line on standard input to begin.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import cast

import msgspec
import uvloop

from tests.bench.events import Shape, make_bodies

STATUS_AT = slice(9, 12)


class Load(msgspec.Struct):
    """What to send: `events_per_second` 0 is as fast as the answers come."""

    host: str
    port: int
    key: str
    events: int
    batch: int
    connections: int
    keys: int = 5_000
    seed: int = 1
    events_per_second: float = 0.0


class Sent(msgspec.Struct):
    """What came back; latencies in milliseconds, per request."""

    accepted: int
    refused: int
    seconds: float
    p50: float
    p99: float
    cpu_seconds: float


class _Connection(asyncio.Protocol):
    """One request at a time, over and over."""

    def __init__(self, source: Iterator[bytes], pace: float, tally: list[float]) -> None:
        self.accepted = self.refused = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._source, self._pace, self._latencies = source, pace, tally
        self._buffer = b""
        self._began = self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def begin(self) -> None:
        self._due = time.perf_counter()
        self._next()

    def _next(self) -> None:
        request = next(self._source, None)
        if request is None:
            self._transport.close()
            self.done.set_result(None)
            return
        now = time.perf_counter()
        if self._pace and self._due > now:
            asyncio.get_running_loop().call_later(self._due - now, self._send, request)
            return
        self._send(request)

    def _send(self, request: bytes) -> None:
        self._began = time.perf_counter()
        self._due += self._pace
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        begin = self._buffer.lower().find(b"content-length: ") + 16
        length = int(self._buffer[begin : self._buffer.find(b"\r", begin)])
        if len(self._buffer) < head + 4 + length:
            return
        self._latencies.append(time.perf_counter() - self._began)
        if self._buffer[STATUS_AT] == b"202":
            self.accepted += self._buffer.count(b'"accepted"', head)
        else:
            self.refused += 1
        self._buffer = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("closed by the server"))


def _requests(load: Load) -> list[bytes]:
    bodies = make_bodies(load.events, load.batch, Shape(load.keys), seed=load.seed)
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: {load.host}\r\nAuthorization: Bearer {load.key}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    return [head + b"%d\r\n\r\n" % len(body) + body for body in bodies]


async def send(load: Load) -> Sent:
    """Send it all; every connection takes the next request when its last is answered."""
    requests = _requests(load)
    loop = asyncio.get_running_loop()
    source, latencies = iter(requests), list[float]()
    rate = load.events_per_second
    pace = load.batch * load.connections / rate if rate else 0.0
    connections = [
        (await loop.create_connection(
            lambda: _Connection(source, pace, latencies), load.host, load.port
        ))[1]
        for _ in range(load.connections)
    ]  # fmt: skip
    sys.stderr.write("ready\n")
    sys.stderr.flush()
    await loop.run_in_executor(None, sys.stdin.readline)
    began, cpu = time.perf_counter(), time.process_time()
    for connection in connections:
        connection.begin()
    await asyncio.gather(*(connection.done for connection in connections))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    latencies.sort()
    return Sent(
        accepted=sum(c.accepted for c in connections),
        refused=sum(c.refused for c in connections),
        seconds=seconds,
        p50=latencies[len(latencies) // 2] * 1000,
        p99=latencies[len(latencies) * 99 // 100] * 1000,
        cpu_seconds=cpu,
    )


def main() -> None:
    """Read the load, send it, print what came back."""
    load = msgspec.json.decode(sys.stdin.readline(), type=Load)
    sent = uvloop.run(send(load))
    sys.stdout.buffer.write(msgspec.json.encode(sent))


if __name__ == "__main__":
    main()
