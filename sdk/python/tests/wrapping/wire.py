"""A local server that answers as a provider would: bytes that the test wrote, at real speed."""

import json
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """What the server says to one request.

    `parts` are sent one by one as they come; with `cut` the connection breaks after the last,
    without its end; with `hold` the end waits until that is set, at most ten seconds.
    """

    parts: Iterable[bytes]
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    hold: threading.Event | None = None


@dataclass(frozen=True)
class Asked:
    """What the server was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The body as JSON."""
        return json.loads(self.raw)


def whole(body: object, status: int = 200, **headers: str) -> Answer:
    """Return an answer of one JSON document."""
    return Answer((json.dumps(body).encode(),), status, headers=headers)


def sse(
    chunks: Iterable[object], *, done: bool = True, named: bool = False, cut: bool = False
) -> Answer:
    """Return a stream of server-sent events.

    `done` adds OpenAI's `[DONE]`, `named` the `event:` line of Anthropic and the Responses API.
    """
    parts = [_event(chunk, named=named) for chunk in chunks]
    if done and not cut:
        parts.append(b"data: [DONE]\n\n")
    return Answer(tuple(parts), content_type="text/event-stream", cut=cut)


def _event(chunk: Any, *, named: bool) -> bytes:
    name = f"event: {chunk['type']}\n" if named else ""
    return f"{name}data: {json.dumps(chunk)}\n\n".encode()


class _Listening(ThreadingHTTPServer):
    """A client that goes away in the middle is what tests want: nothing to print."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class WireServer:
    """Answers each path with what it was told to, the last answer again and again.

        with WireServer() as server:
            server.tell("/chat/completions", whole({...}))
            client = OpenAI(base_url=server.url, api_key="k")

    A path is matched by its end, without the query. What nobody told is 404.
    """

    def __init__(self) -> None:
        self._answers: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        self.arrived = threading.Event()
        self._server = _Listening(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    def tell(self, path: str, *answers: Answer) -> None:
        """Answer requests whose path ends like this with these, in order."""
        self._answers[path] = list(answers)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer_to(self, path: str) -> Answer:
        bare = path.partition("?")[0]
        for end, answers in self._answers.items():
            if bare.endswith(end):
                return answers.pop(0) if len(answers) > 1 else answers[0]
        return whole({"error": {"message": f"nobody told what {bare} answers"}}, 404)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                server.asked.append(Asked(self.command, self.path, dict(self.headers), raw))
                server.arrived.set()
                self._send(server._answer_to(self.path))

            do_GET = do_POST  # noqa: N815  the name that its base class looks for

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Transfer-Encoding", "chunked")
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for part in answer.parts:
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                        self.wfile.flush()
                    if answer.hold is not None:
                        answer.hold.wait(10)
                    if not answer.cut:
                        self.wfile.write(b"0\r\n\r\n")
                except OSError:  # the client has gone
                    pass
                self.close_connection = self.close_connection or answer.cut

            def log_message(self, *_args: object) -> None:
                pass

        return Handler
