"""One POST to an endpoint: to a checked address, bounded in time and size, nothing followed."""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from services.invoicing.domain.webhook_address import Target, may_connect
from services.invoicing.webhooks_out.models import Answer

CONNECT_SECONDS_MAX = 5.0
ANSWER_BYTES_MAX = 64 * 1024
"""Read of an answer at most; then the connection is closed."""

ANSWER_CHARACTERS_KEPT = 500
CONNECTIONS_MAX = 512
ADDRESSES_MAX = 3
"""Of a host tried, within the time of the attempt."""

RESOLVING_THREADS = 32
"""Of their own: a slow name server holds up no other work of the process."""

Resolve = Callable[[str, int], Awaitable[list[str]]]

_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timeout"),
    (httpcore.TimeoutException, "timeout"),
    (httpcore.ConnectError, "connection_failed"),
    (httpcore.NetworkError, "connection_lost"),
    (httpcore.ProtocolError, "invalid_answer"),
)


class RefusedAddress(Exception):  # noqa: N818 - it says what the address is
    """The host's address is not one that a webhook may go to."""


class UnknownHost(Exception):  # noqa: N818 - it says what the host is
    """The host has no address."""


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name once, checks every address, and connects to those that it checked.

    As this is where connections are made, no later look-up can lead elsewhere (DNS rebinding).
    TLS then asks for a certificate of the name, not of the address.
    """

    def __init__(
        self, resolve: Resolve, network: httpcore.AsyncNetworkBackend, *, allow_loopback: bool
    ) -> None:
        self._resolve = resolve
        self._network = network
        self._allow_loopback = allow_loopback

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raise `UnknownHost`, `RefusedAddress`, or what the network raises."""
        found = [ip_address(text.partition("%")[0]) for text in await self._resolve(host, port)]
        if not found:
            raise UnknownHost(host)
        # One refused address among good ones is reason enough: nobody needs such a name.
        if not all(may_connect(host, one, allow_loopback=self._allow_loopback) for one in found):
            raise RefusedAddress(host)
        failure: Exception | None = None
        for address in found[:ADDRESSES_MAX]:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error  # such as an IPv6 address where there is no way to it
        assert failure is not None
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class Resolver:
    """The system's resolver, on threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVING_THREADS, thread_name_prefix="webhook-dns")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, the best first; none when it is unknown."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, _addresses, host, port)
        except (socket.gaierror, UnicodeError):
            return []
        return found

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(address[0]) for *_, address in found]


class WebhookSender:
    """Sends payloads. `resolve`, `network` and `ssl_context` are for tests."""

    def __init__(
        self,
        *,
        allow_loopback: bool,
        seconds_max: float,
        resolve: Resolve | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._seconds_max = seconds_max
        self._resolver = Resolver()
        guarded = GuardedNetwork(
            resolve or self._resolver,
            network or httpcore.AnyIOBackend(),
            allow_loopback=allow_loopback,
        )
        # No connection is kept: each delivery goes to an address that was checked for it.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context or httpx.create_ssl_context(),
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=0,
            network_backend=guarded,
        )

    async def post(self, target: Target, headers: Mapping[str, str], payload: str) -> Answer:
        """Send one payload; whatever happens is an answer."""
        began = time.monotonic()
        failure = None
        try:
            async with asyncio.timeout(self._seconds_max):
                status, text, retry_after = await self._exchange(target, headers, payload)
        except Exception as error:  # noqa: BLE001 - an endpoint's fault never ends the loop
            failure = _failure(error)
        latency_ms = round((time.monotonic() - began) * 1000)
        if failure is not None:
            return Answer(None, failure, latency_ms)
        return Answer(status, None, latency_ms, text, retry_after)

    async def _exchange(
        self, target: Target, headers: Mapping[str, str], payload: str
    ) -> tuple[int, str, str]:
        url = httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.path.encode(),
        )
        seconds = {"connect": CONNECT_SECONDS_MAX, "read": self._seconds_max}
        sent = {"Host": _host_header(target), **headers}
        async with self._pool.stream(
            "POST",
            url,
            headers=[(name.encode(), value.encode()) for name, value in sent.items()],
            content=payload.encode(),
            extensions={"timeout": seconds},
        ) as response:
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    break
        found = {name.lower(): value for name, value in response.headers}
        retry_after = found.get(b"retry-after", b"").decode("latin-1")
        return response.status, _shown(bytes(body)), retry_after

    async def close(self) -> None:
        self._resolver.close()
        await self._pool.aclose()


def _host_header(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    usual = {"https": 443, "http": 80}[target.scheme]
    return host if target.port == usual else f"{host}:{target.port}"


def _shown(body: bytes) -> str:
    """Return how an answer begins, as text that can be stored and looked at."""
    text = body[: 4 * ANSWER_CHARACTERS_KEPT].decode("utf-8", "replace")[:ANSWER_CHARACTERS_KEPT]
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _failure(error: Exception) -> str:
    if isinstance(error, RefusedAddress):
        return "address_refused"
    if isinstance(error, UnknownHost):
        return "unknown_host"
    if isinstance(error.__cause__ or error.__context__, ssl.SSLError):
        return "tls_failed"
    return next((code for kind, code in _FAILURES if isinstance(error, kind)), "not_sent")
