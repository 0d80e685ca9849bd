"""Locks of what lives on in forked children."""

import os
from threading import RLock
from weakref import WeakSet

_locks: "WeakSet[ForkLock]" = WeakSet()


class ForkLock:
    """A lock that a forked child finds open, whichever thread of its parent held it.

    It is re-entrant: a finalizer may come while its own thread is in here. What it guards must be
    sound after every single step, since a child may find it between two.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Forget who holds it."""
        self._lock = RLock()


def _in_child() -> None:
    for lock in list(_locks):
        lock.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)
