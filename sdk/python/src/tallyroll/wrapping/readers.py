"""The body of an answer that its caller reads in their own way, seen as it is read."""

from collections.abc import Callable, Iterator
from typing import Any, Self

from tallyroll.recording.recorder import Recorder
from tallyroll.wrapping.proxy import Proxy

Tell = Callable[[bytes, bool], None]
"""Told once: all that was read, and whether that is known to be the whole."""


class SeenReader(Proxy):
    """The raw stream of an answer: nothing is read but what its caller reads.

    What was read is kept until it is told, for Bedrock at most 25 MB.
    """

    def __init__(self, target: Any, recorder: Recorder, tell: Tell) -> None:
        super().__init__(target)
        self._tallyroll_recorder, self._tallyroll_tell = recorder, tell
        self._tallyroll_parts: list[bytes] = []

    def read(self, amt: int | None = None, *more: Any, **options: Any) -> Any:
        """Read as the stream does."""
        part = self._tallyroll_pulled(lambda: self._tallyroll_target.read(amt, *more, **options))
        self._tallyroll_keep(part, ends=amt is None or amt < 0 or (not part and amt > 0))
        return part

    def read1(self, amt: int | None = None, *more: Any, **options: Any) -> Any:
        """Read what is there, as the stream does."""
        part = self._tallyroll_pulled(lambda: self._tallyroll_target.read1(amt, *more, **options))
        self._tallyroll_keep(part, ends=not part and amt != 0)
        return part

    def readinto(self, buffer: Any) -> Any:
        """Read into a buffer, as the stream does."""
        count = self._tallyroll_pulled(lambda: self._tallyroll_target.readinto(buffer))
        self._tallyroll_keep(bytes(memoryview(buffer)[:count]), ends=not count and len(buffer) > 0)
        return count

    def readline(self, *limit: Any) -> Any:
        """Read a line, as the stream does."""
        part = self._tallyroll_pulled(lambda: self._tallyroll_target.readline(*limit))
        self._tallyroll_keep(part, ends=not part)
        return part

    def readlines(self, *hint: Any) -> Any:
        """Read lines, as the stream does."""
        lines = self._tallyroll_pulled(lambda: self._tallyroll_target.readlines(*hint))
        self._tallyroll_keep(b"".join(lines), ends=not hint)
        return lines

    def stream(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        """Yield the rest piece by piece, as the stream does."""
        return self._tallyroll_passing(self._tallyroll_target.stream(*arguments, **options))

    def __iter__(self) -> Iterator[Any]:
        return self._tallyroll_passing(iter(self._tallyroll_target))

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def __enter__(self) -> Self:
        self._tallyroll_target.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        try:
            return self._tallyroll_target.__exit__(*error)
        finally:
            self._tallyroll_end(complete=False)

    def close(self) -> Any:
        """Close the stream; what was not read of it is not counted."""
        try:
            return self._tallyroll_target.close()
        finally:
            self._tallyroll_end(complete=False)

    def __del__(self) -> None:
        if "_tallyroll_parts" in self.__dict__:  # forgotten half-way: what came of it was used
            self._tallyroll_end(complete=False)

    def _tallyroll_pulled(self, pull: Callable[[], Any]) -> Any:
        try:
            return pull()
        except BaseException:
            self._tallyroll_end(complete=False)
            raise

    def _tallyroll_passing(self, parts: Iterator[Any]) -> Iterator[Any]:
        missing = object()
        while (part := self._tallyroll_pulled(lambda: next(parts, missing))) is not missing:
            self._tallyroll_keep(part, ends=False)
            yield part
        self._tallyroll_end(complete=True)

    def _tallyroll_keep(self, part: bytes, *, ends: bool) -> None:
        if part:
            self._tallyroll_parts.append(part)
        if ends:
            self._tallyroll_end(complete=True)

    def _tallyroll_end(self, *, complete: bool) -> None:
        """Tell what was read. The request tells it once, whatever comes after."""
        content, self._tallyroll_parts = b"".join(self._tallyroll_parts), []
        tell = self._tallyroll_tell
        self._tallyroll_recorder.guard("body", lambda: tell(content, complete), None)
