"""How a batch gets to the server, and the seam to put something else there."""

import os
import uuid
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import msgspec

from tallyroll.compression import SMALL_BODY_BYTES, packings

USER_AGENT = "tallyroll-python/0.1.0"
EVENTS_PATH = "/v1/events"
UNSUPPORTED_MEDIA_TYPE = 415
BAD_REQUEST = 400
LOSS_HEADER = "Tallyroll-Events-Lost"


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
    unknown" and the sender retries (a DeliveryError gives it a name). Delivering one body twice is
    harmless, since every event has an id, so a transport may wrap another one and repeat, delay,
    record or drop:

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


class DeliveryError(Exception):
    """There is no answer to a batch, for a reason with a name: `stats().last_failure` shows it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@runtime_checkable
class NamesAccount(Protocol):
    """A transport that says where its events go and whose they are, so that they can be spooled."""

    @property
    def destination(self) -> str:
        """A URL without a password; it stays the same over restarts."""
        ...

    @property
    def account(self) -> str:
        """Events of one account are never sent as another's."""
        ...


@runtime_checkable
class ReportsLoss(Protocol):
    """A transport that can tell the server how much was lost."""

    def report_loss(self, events: int) -> None:
        """Say with the next request that this process has lost so many events; 0: say nothing."""
        ...


class HTTPTransport:
    """`POST {endpoint}/v1/events` with a bearer key, over kept-alive connections.

    Bodies are packed by zstd if `tallyroll[zstd]` is installed, else by gzip; a server that takes
    neither gets them plain.

    Raises ValueError for an endpoint that is no http(s) URL or a key that cannot be a header; the
    message never holds the key. Requests to this machine never go through a proxy.
    """

    def __init__(self, endpoint: str, api_key: str, *, timeout: float = 10.0) -> None:
        # Here, not in the sender's thread: a fork in the middle of an import leaves the child with
        # half a module for ever.
        from tallyroll.connections import Connections  # noqa: PLC0415

        self._connections = Connections(endpoint.strip().rstrip("/") + EVENTS_PATH, timeout)
        self._headers = {
            "Authorization": f"Bearer {checked_key(api_key)}",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
        }
        self._packings = packings()
        self._loss: dict[str, str] = {}
        self._name, self._process = uuid.uuid4().hex, os.getpid()

    def __repr__(self) -> str:
        return f"HTTPTransport({self._connections.host!r})"

    def send(self, body: bytes) -> Response:
        """Deliver a batch and return the answer; raise urllib3's HTTPError if there is none."""
        if self._process != os.getpid():  # a forked child has lost nothing yet
            self._loss, self._name, self._process = {}, uuid.uuid4().hex, os.getpid()
        while self._packings and len(body) >= SMALL_BODY_BYTES:
            packing = self._packings[0]
            answer = self._post(packing.pack(body), {"Content-Encoding": packing.name})
            if not _refuses_packing(answer):
                return answer
            self._packings = self._packings[1:]
        return self._post(body, {})

    def report_loss(self, events: int) -> None:
        """Say in a header how many events this process has lost since it began; 0: nothing."""
        # Cumulative and under a name of the process's own: a request sent twice counts once.
        self._loss = {LOSS_HEADER: f"{events}; process={self._name}"} if events else {}

    def close(self) -> None:
        """Close the connections; a later send opens new ones."""
        self._connections.close()

    def _post(self, body: bytes, more: Mapping[str, str]) -> Response:
        status, headers, answer = self._connections.post(
            body, {**self._headers, **self._loss, **more}
        )
        return Response(status, headers, answer)


def _refuses_packing(answer: Response) -> bool:
    """Tell whether the server cannot unpack; the same body is then sent in another way."""
    if answer.status == BAD_REQUEST:
        return b'"invalid_encoding"' in answer.body
    return answer.status == UNSUPPORTED_MEDIA_TYPE


def checked_key(api_key: str) -> str:
    """Return a key as it stands in a header. ValueError, without the key, if it cannot."""
    api_key = api_key.strip()
    if not api_key or not api_key.isascii() or not api_key.isprintable():
        raise ValueError("the API key must be printable ASCII text")
    return api_key
