"""One metered request, from before it is made to the last of its answer."""

from threading import Lock

from tallyroll.recording.asked import Asked
from tallyroll.recording.recorder import Recorder
from tallyroll.usage.surface import Json


class Request:
    """Tells the recorder once what came of a request: an answer, a stream or a failure.

    Whichever comes first is told; any later call does nothing, since a stream can end, be closed
    and be collected.
    """

    def __init__(self, recorder: Recorder, asked: Asked, *, once: str | None = None) -> None:
        self.recorder, self.asked = recorder, asked
        self._once = once
        self._chunks: list[Json] = []
        self._lock, self._told = Lock(), False

    def answered(self, body: Json) -> None:
        """The whole answer is here; `body` needs its id, model, usage and terms, no content."""
        if self._first():
            self.recorder.answered(self.asked, body, once=self._once)

    def chunk(self, chunk: Json) -> None:
        """A part of a stream came that says something of usage, identity or price."""
        if not self._chunks or self._chunks[-1] != chunk:  # most only repeat id and model
            self._chunks.append(chunk)

    def ended(self) -> None:
        """The stream is over: at its end, by an error, closed, or forgotten."""
        if self._first():
            self.recorder.streamed(self.asked, self._chunks, once=self._once)

    def failed(self, error: BaseException) -> None:
        """No answer came."""
        if self._first():
            self.recorder.failed(self.asked, error)

    def _first(self) -> bool:
        with self._lock:
            first, self._told = not self._told, True
        return first
