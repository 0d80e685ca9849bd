"""A transport that keeps what it gets: nothing leaves the process, everything can be asked."""

import threading
from collections.abc import Sequence
from typing import Any, overload

import msgspec

from tallyroll.meter import Meter
from tallyroll.transport import Response


def accept_all(body: bytes) -> Response:
    """Return the server's answer that takes every event of a batch."""
    events = msgspec.json.decode(body)["events"]
    results = [
        {"index": index, "event_id": event["event_id"], "status": "accepted"}
        for index, event in enumerate(events)
    ]
    return Response(202, {}, msgspec.json.encode({"results": results}))


class CapturingTransport:
    """Keeps every body and accepts all events, unless told otherwise.

        transport = CapturingTransport()
        with Meter(transport=transport) as meter:
            run_the_agent(meter)
        transport.assert_one(response_id="resp_1")

    `answers` are given first, one per request: a Response, or an exception to raise.
    """

    def __init__(self, *answers: Response | Exception) -> None:
        self._lock = threading.Lock()
        self._answers = list(answers)
        self._bodies: list[bytes] = []

    def send(self, body: bytes) -> Response:
        """Keep the body and answer it."""
        with self._lock:
            self._bodies.append(body)
            answer = self._answers.pop(0) if self._answers else accept_all(body)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[bytes]:
        """Every body in order, retries included."""
        with self._lock:
            return list(self._bodies)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The decoded events, each id once, in order of first arrival."""
        by_id: dict[str, dict[str, Any]] = {}
        for body in self.bodies:
            for event in msgspec.json.decode(body)["events"]:
                by_id.setdefault(event["event_id"], event)
        return list(by_id.values())

    def matching(self, **fields: object) -> list[dict[str, Any]]:
        """Return the events that have all these values."""
        return [e for e in self.events if all(e.get(name) == v for name, v in fields.items())]

    def assert_one(self, **fields: object) -> dict[str, Any]:
        """Return the one event with these values; AssertionError if there are none or several."""
        found = self.matching(**fields)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} events match {fields}, expected one")
        return found[0]


class CapturedEvents(Sequence[dict[str, Any]]):
    """What a meter on a CapturingTransport has recorded up to the moment of each question."""

    def __init__(self, meter: Meter, transport: CapturingTransport) -> None:
        self._meter, self._transport = meter, transport

    def _events(self) -> list[dict[str, Any]]:
        self._meter.flush()
        return self._transport.events

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return self._events()[index]

    def __len__(self) -> int:
        return len(self._events())

    def __eq__(self, other: object) -> bool:
        return self._events() == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._events())

    def matching(self, **fields: object) -> list[dict[str, Any]]:
        """Return the events that have all these values."""
        self._meter.flush()
        return self._transport.matching(**fields)

    def assert_one(self, **fields: object) -> dict[str, Any]:
        """Return the one event with these values; AssertionError if there are none or several."""
        self._meter.flush()
        return self._transport.assert_one(**fields)
