"""How a batch gets to the server, and the seam to put something else there."""

import encodings.idna  # noqa: F401  else the first connection imports it
import os
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Protocol

import httpx
import msgspec

USER_AGENT = "tallyroll-python/0.1.0"
EVENTS_PATH = "/v1/events"
CONNECT_SECONDS_MAX = 5.0


class Response(msgspec.Struct, frozen=True):
    """An HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Carries one batch to the server.

    The sender's promise: `body` is one JSON document, `{"events": [...]}`, complete and ready to
    send; on a retry the same batch comes again as the very same bytes. Only the sender's thread
    calls, one call at a time; in a forked child it is the child's own sender that calls.

    What is expected: the server's answer, whatever its status; any exception means "the outcome is
    unknown" and the sender retries. Delivering one body twice is harmless, since every event has
    an id, so a transport may wrap another one and repeat, delay, record or drop:

        class Twice:
            def __init__(self, inner: Transport) -> None:
                self.inner = inner

            def send(self, body: bytes) -> Response:
                self.inner.send(body)
                return self.inner.send(body)
    """

    def send(self, body: bytes) -> Response:
        """Deliver a batch and return the answer; raise if there is none."""
        ...


class HTTPTransport:
    """`POST {endpoint}/v1/events` with a bearer key, over kept-alive connections.

    Raises ValueError for an endpoint that is no http(s) URL or a key that cannot be a header; the
    message never holds the key. Requests to this machine never go through a proxy.
    """

    def __init__(self, endpoint: str, api_key: str, *, timeout: float = 10.0) -> None:
        self._url = _events_url(endpoint)
        api_key = api_key.strip()
        if not api_key or not api_key.isascii() or not api_key.isprintable():
            raise ValueError("the API key must be printable ASCII text")
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
        }
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS_MAX))
        # Opened here, not in the sender's thread: the first client imports modules, and a fork in
        # the middle of an import leaves the child with half a module for ever.
        self._client: httpx.Client | None = self._open()
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"HTTPTransport({self._url.host!r})"

    def send(self, body: bytes) -> Response:
        """Deliver a batch and return the answer; raise httpx.HTTPError if there is none."""
        answer = self._own_client().post(self._url, content=body, headers=self._headers)
        return Response(answer.status_code, dict(answer.headers), answer.content)

    def close(self) -> None:
        """Close the connections; a later send opens new ones."""
        if self._client is not None and self._process == os.getpid():
            self._client.close()
        self._client = None

    def _own_client(self) -> httpx.Client:
        # A forked child must not write into the parent's sockets.
        if self._client is None or self._process != os.getpid():
            self._client = self._open()
            self._process = os.getpid()
        return self._client

    def _open(self) -> httpx.Client:
        return httpx.Client(timeout=self._timeout, trust_env=not _is_local(self._url))


def _events_url(endpoint: str) -> httpx.URL:
    try:
        url = httpx.URL(endpoint.strip().rstrip("/") + EVENTS_PATH)
    except httpx.InvalidURL as error:
        raise ValueError("the endpoint is no URL") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("the endpoint must begin with http:// or https:// and name a host")
    return url


def _is_local(url: httpx.URL) -> bool:
    try:
        return ip_address(url.host).is_loopback
    except ValueError:
        return url.host == "localhost"
