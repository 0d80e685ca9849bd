"""The file of the events that the server will never take, each with the reason."""

import contextlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from tallyroll.spool.folder import FOLDER_MODE
from tallyroll.spool.segments import Descriptor
from tallyroll.stats import Rejection

FILE_NAME = "dead-letters.jsonl"
FILE_BYTES_MAX = 64 * 1024 * 1024


class _DeadLetter(msgspec.Struct, omit_defaults=True):
    at: str
    event_id: str
    code: str
    field: str | None
    message: str | None
    event: msgspec.Raw


class DeadLetters:
    """`<spool>/v1/<destination>/dead-letters.jsonl`, shared by all writers, 64 MiB at most.

    One JSON object a line: `at`, `event_id`, `code`, `field`, `message`, `event` (as it was sent).
    A process that dies between this file and its acknowledgement writes an event twice.
    """

    def __init__(self, destination: Path, *, now: Callable[[], datetime]) -> None:
        self.path = destination / FILE_NAME
        self._now = now

    def keep(self, rejection: Rejection, frame: bytes) -> bool:
        """Append one; False if it could not be written. Never raises."""
        letter = _DeadLetter(
            at=self._now().isoformat(),
            event_id=rejection.event_id,
            code=rejection.code,
            field=rejection.field,
            message=rejection.message,
            event=msgspec.Raw(frame),
        )
        line = msgspec.json.encode(letter) + b"\n"
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            file = Descriptor(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            if os.fstat(file.number).st_size + len(line) <= FILE_BYTES_MAX:
                return os.write(file.number, line) == len(line)
        return False
