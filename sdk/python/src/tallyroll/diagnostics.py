"""Logging that cannot flood and cannot fail."""

import contextlib

from tallyroll.locks import ForkLock

KINDS_MAX = 200


class KindLog:
    """Warns once per kind of trouble. Texts hold codes and counts, never keys, bodies or names."""

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._seen: set[str] = set()

    def warn(self, kind: str, message: str) -> None:
        """Log the message if this kind is new; never raises."""
        with self._lock:
            if kind in self._seen or len(self._seen) >= KINDS_MAX:
                return
            self._seen.add(kind)
        with contextlib.suppress(Exception):  # a user's log handler must not break their program
            from logging import getLogger  # noqa: PLC0415  slow; urllib3 has it already

            getLogger("tallyroll").warning("%s [%s; logged once]", message, kind)
