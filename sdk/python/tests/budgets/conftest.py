"""A server that speaks the contract of budget hints, and can fail."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tallyroll import Hint
from tallyroll.budgets import Confirmed, Fetched, polling

WAIT_SECONDS = 20.0
FAST_SECONDS = 0.02
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def hint_of(state: str = "over", **changes: Any) -> Hint:
    """Return a hint for all calls, as of now and good for an hour."""
    values: dict[str, Any] = {
        "id": "budget-1",
        "scope": {},
        "state": state,
        "as_of": NOW,
        "expires_at": NOW + timedelta(hours=1),
    }
    return Hint(**(values | changes))


class FixedSource:
    """Says what it is told to say."""

    def __init__(self, *hints: Hint) -> None:
        self.hints, self.asked = list(hints), 0

    def fetch(self, since_etag: str | None) -> Fetched | Confirmed:  # noqa: ARG002  the seam's
        self.asked += 1
        return Fetched(hints=list(self.hints), at=NOW)


class HintServer:
    """Serves `GET /v1/budget-hints`; the etag changes with what is served.

    `clock` is the server's, `as_of` how old its knowledge is. `script` holds (status, headers,
    body) of the next answers, then it answers by itself. With `holds` it waits for `tell()` where
    nothing has changed.
    """

    def __init__(self) -> None:
        self.hints: list[dict[str, Any]] = []
        self.tenant: str | None = None
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.age = timedelta()
        self.script: list[tuple[int, Mapping[str, str], bytes]] = []
        self.requests: list[Mapping[str, str]] = []
        self.statuses: list[int] = []
        self.holds = False
        self._held = 0
        self._answered = threading.Condition()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def say(self, state: str = "over", **changes: Any) -> None:
        """Serve one hint, for all calls and one hour."""
        at = self.clock() - self.age
        self.hints = [
            {
                "id": "budget-1",
                "scope": {},
                "state": state,
                "as_of": at.isoformat(),
                "expires_at": (at + timedelta(hours=1)).isoformat(),
            }
            | changes
        ]

    def answer(self, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        self.requests.append(headers)
        if self.script:
            return self.script.pop(0)
        known = headers.get("if-none-match")
        if self.holds:
            with self._answered:
                self._held += 1
                self._answered.notify_all()
                assert self._answered.wait_for(lambda: self._tag() != known, WAIT_SECONDS)
                self._held -= 1
        body, tag, now = self._body(), self._tag(), self.clock()
        told = {
            "etag": tag,
            "date": format_datetime(now.astimezone(UTC), usegmt=True),
            "tallyroll-as-of": (now - self.age).isoformat(),
        }
        if self.holds:
            told["preference-applied"] = headers["prefer"]
        return (304, told, b"") if known == tag else (200, told, body)

    def _body(self) -> bytes:
        return json.dumps({"tenant": self.tenant, "hints": self.hints}).encode()

    def _tag(self) -> str:
        return f'"{hash(self._body())}"'

    def tell(self, state: str) -> None:
        """Serve one hint, also to those who wait."""
        with self._answered:
            self.say(state)
            self._answered.notify_all()

    def until_held(self) -> None:
        """Wait until a question is held."""
        self.until(lambda: self._held > 0)

    def noted(self, status: int) -> None:
        with self._answered:
            self.statuses.append(status)
            self._answered.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds after an answer."""
        with self._answered:
            assert self._answered.wait_for(condition, WAIT_SECONDS)

    def until_asked(self, times: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self.statuses) + times
        self.until(lambda: len(self.statuses) >= wanted)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def start(self) -> None:
        self._thread.start()


def _handler_for(server: HintServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            named = {name.lower(): value for name, value in self.headers.items()}
            status, headers, body = server.answer(named | {"path": self.path})
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            server.noted(status)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name upstream
            pass

    return Handler


@pytest.fixture(name="hint_server")
def _hint_server() -> Iterator[HintServer]:
    server = HintServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(name="fast")
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hints are asked for all the time."""
    monkeypatch.setattr(polling, "INTERVAL_SECONDS", FAST_SECONDS)
