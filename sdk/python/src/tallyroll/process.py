"""What happens to meters when the process forks or ends."""

import atexit
import os
import sys
from collections.abc import Callable
from typing import NamedTuple


class _Hooks(NamedTuple):
    in_child: Callable[[], object]
    at_exit: Callable[[], object]


_followed: dict[int, _Hooks] = {}
FINALIZER_PRIORITY = 0
"""Among multiprocessing's own finalizers: after those that end the work."""


def follow(owner: object, *, in_child: Callable[[], object], at_exit: Callable[[], object]) -> None:
    """Call back in every forked child and when the interpreter ends; keeps the owner alive."""
    _followed[id(owner)] = _Hooks(in_child, at_exit)


def leave(owner: object) -> None:
    """Call back no more."""
    _followed.pop(id(owner), None)


def _in_child() -> None:
    for hooks in list(_followed.values()):
        hooks.in_child()
    # A child of multiprocessing leaves by `os._exit()`, after finalizers of its own. It forgets
    # those that exist at its beginning, so ours has to be made after that.
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None and not _AtExit.registered:
        _AtExit.registered = True  # its registry outlives forks, unlike what it calls for
        multiprocessing.register_after_fork(_AtExit, _AtExit.finalize_with)


class _AtExit:
    """What multiprocessing asks for: an object that it can hold weakly."""

    registered = False

    @staticmethod
    def finalize_with(_owner: object) -> None:
        multiprocessing = sys.modules["multiprocessing.util"]
        multiprocessing.Finalize(None, _at_exit, exitpriority=FINALIZER_PRIORITY)


def _at_exit() -> None:
    for hooks in list(_followed.values()):
        hooks.at_exit()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)
