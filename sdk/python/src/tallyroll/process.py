"""What happens to meters when the process forks or ends."""

import atexit
import os
from collections.abc import Callable
from typing import NamedTuple


class _Hooks(NamedTuple):
    in_child: Callable[[], object]
    at_exit: Callable[[], object]


_followed: dict[int, _Hooks] = {}


def follow(owner: object, *, in_child: Callable[[], object], at_exit: Callable[[], object]) -> None:
    """Call back in every forked child and when the interpreter ends; keeps the owner alive."""
    _followed[id(owner)] = _Hooks(in_child, at_exit)


def leave(owner: object) -> None:
    """Call back no more."""
    _followed.pop(id(owner), None)


def _in_child() -> None:
    for hooks in list(_followed.values()):
        hooks.in_child()


def _at_exit() -> None:
    for hooks in list(_followed.values()):
        hooks.at_exit()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)
