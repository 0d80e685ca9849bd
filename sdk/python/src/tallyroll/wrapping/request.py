"""One metered request, from before it is made to the last of its answer."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from tallyroll.recording.asked import Asked
from tallyroll.recording.recorder import Recorder
from tallyroll.recording.terms import response_id_of
from tallyroll.usage.surface import Json
from tallyroll.wrapping.routes import Route


class Request:
    """Tells the recorder once what came of a request: an answer, a stream or a failure.

    Whichever comes first is told; any later call does nothing, since a stream can end, be closed
    and be collected. `route` says if the answer may be of something that outlives the request.
    """

    def __init__(
        self,
        recorder: Recorder,
        asked: Asked,
        *,
        once: str | None = None,
        route: Route | None = None,
    ) -> None:
        self.recorder, self.asked = recorder, asked
        self._once, self._route = once, route
        self._chunks: list[Json] = []
        self.reading = False
        """Whether the SDK is just getting the next part of its stream."""
        self._untold = [True]  # popped by who tells it: atomic, and without a lock in a finalizer

    @property
    def instead(self) -> str | None:
        """The model to send in place of the caller's; None: the caller's stays."""
        return None if self.asked.requested is None else self.asked.model

    @property
    def told(self) -> bool:
        """Whether the recorder knows what came of it."""
        return not self._untold

    def answered(self, body: Json) -> None:
        """The whole answer is here; `body` needs its id, model, usage and terms, no content."""
        if self._first():
            self._tell([body], lambda asked, once: self.recorder.answered(asked, body, once=once))

    def chunk(self, chunk: Json) -> None:
        """A part of a stream came that says something of usage, identity or price."""
        if not self._chunks or "type" in chunk or self._chunks[-1] != chunk:
            self._chunks.append(chunk)  # what is no event of its own may only repeat id and model

    def ended(self) -> None:
        """The stream is over: at its end, by an error, closed, or forgotten."""
        if self._first():
            chunks = self._chunks
            self._tell(chunks, lambda asked, once: self.recorder.streamed(asked, chunks, once=once))

    def failed(self, error: BaseException) -> None:
        """No answer came."""
        if self._first() and not (self._route and self._route.looks):
            self.recorder.failed(self.asked, error)

    def _tell(self, parts: Sequence[Json], record: Callable[[Asked, str | None], object]) -> None:
        route = self._route
        if route is None or (route.standing is None and not route.looks):
            record(self.asked, self._once)
        else:
            self.recorder.guard("standing", lambda: self._tell_standing(route, parts, record), None)

    def _tell_standing(
        self, route: Route, parts: Sequence[Json], record: Callable[[Asked, str | None], object]
    ) -> None:
        """Record what may outlive this request: at its end, and once, whoever sees that."""
        asked = self.asked
        standing = route.standing(parts) if route.standing else None
        if standing is None and route.looks:
            return
        if standing is not None and standing.once is not None:
            if standing.ended:
                at = standing.occurred_at or asked.occurred_at
                record(replace(asked, occurred_at=at), f"{asked.provider}:{standing.once}")
            return
        if not route.looks:
            record(asked, self._once)
        elif standing and standing.ended and self._completes(parts):
            record(asked, None)

    def _completes(self, parts: Sequence[Json]) -> bool:
        """Return whether this shows the end of a response that broke off in this process."""
        return self.recorder.is_open(self.asked.provider, response_id_of(parts))

    def _first(self) -> bool:
        try:
            return self._untold.pop()
        except IndexError:
            return False
