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
    _follow_multiprocessing()


def leave(owner: object) -> None:
    """Call back no more."""
    _followed.pop(id(owner), None)


def _in_child() -> None:
    for hooks in list(_followed.values()):
        hooks.in_child()
    _follow_multiprocessing()


def _follow_multiprocessing() -> None:
    """Be told of the end of its children, which leave by `os._exit()` after finalizers of its own.

    A child forgets those that exist when it begins. So one is made after that, whether the child
    has all of this from its parent, or imports it before or after it has begun.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is None:
        return
    if not _AtExit.registered:
        _AtExit.registered = True  # its registry outlives forks, unlike what it calls for
        util.register_after_fork(_AtExit, _AtExit.finalize_with)
    if sys.modules["multiprocessing.process"].parent_process() is not None:
        _AtExit.finalize_with()


class _AtExit:
    """What multiprocessing asks for: an object that it can hold weakly."""

    registered = False

    @staticmethod
    def finalize_with(_owner: object = None) -> None:
        util = sys.modules["multiprocessing.util"]
        util.Finalize(None, _at_exit, exitpriority=FINALIZER_PRIORITY)


def _at_exit() -> None:
    for hooks in list(_followed.values()):
        hooks.at_exit()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)
