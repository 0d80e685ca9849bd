"""A real HTTP server on loopback that commits events like the real one, and can misbehave."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import msgspec

from tallyroll.compression import packings
from tallyroll.testing.capturing import accept_all
from tallyroll.transport import EVENTS_PATH, Response

Step = Callable[["RecordingServer", bytes], Response | None]
"""What to do with one request; None drops the connection without an answer."""


def answer(status: int, body: bytes = b"", **headers: str) -> Step:
    """Answer without committing; `retry_after="7"` becomes the header `retry-after`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _server, _body: Response(status, named, body)


def drop(_server: "RecordingServer", _body: bytes) -> None:
    """Close the connection before anything was committed."""


def commit_then_drop(server: "RecordingServer", body: bytes) -> None:
    """Commit the events, then close the connection: the client cannot know."""
    server.commit(body)


class RecordingServer:
    """Serves `POST /v1/events` until closed; use it as a context manager.

    `script` holds the steps of the next requests, one each; with none left, `judge` answers.
    `judge` takes a body and returns the answer, by default `commit` (accept everything).
    """

    def __init__(self) -> None:
        self.script: list[Step] = []
        self.judge: Callable[[bytes], Response] = self.commit
        self.bodies: list[bytes] = []
        """Every request body in order of arrival, unpacked."""
        self.headers: list[Mapping[str, str]] = []
        """The headers of each request, names in lower case."""
        self.commits: Counter[str] = Counter()
        """How often each event id was committed; its keys are what deduplication would keep."""
        self.packings = {packing.name: packing for packing in packings()}
        """The content encodings that it takes; it answers 415 to others."""
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def endpoint(self) -> str:
        """The URL for a meter."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def commit(self, body: bytes) -> Response:
        """Count the events of a body and return the answer that accepts them."""
        ids = [event["event_id"] for event in msgspec.json.decode(body)["events"]]
        with self._lock:
            self.commits.update(ids)
        return accept_all(body)

    def serve(self, body: bytes, headers: Mapping[str, str]) -> Response | None:
        """Handle one request."""
        with self._lock:
            self.bodies.append(body)
            self.headers.append(headers)
            step = self.script.pop(0) if self.script else None
        return step(self, body) if step else self.judge(body)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _handler_for(server: RecordingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # a client that was killed
                super().handle()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(body) != int(self.headers["Content-Length"]):
                self.close_connection = True  # the client was killed amid its request
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = Response(404, {}, b"")
            packing = headers.get("content-encoding")
            if packing is not None and packing not in server.packings:
                response = Response(415, {}, b'{"code":"unsupported_encoding"}')
            elif self.path == EVENTS_PATH:
                body = server.packings[packing].unpack(body) if packing else body
                found = server.serve(body, headers)
                if found is None:
                    self.close_connection = True
                    return
                response = found
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name upstream
            pass

    return Handler
