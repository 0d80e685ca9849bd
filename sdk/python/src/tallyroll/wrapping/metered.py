"""A metered copy of a client: the same connections and settings, some methods of our own."""

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Client = TypeVar("Client")

MARK = "_tallyroll_session"
"""On the class of what is metered."""


def is_metered(client: object) -> bool:
    """Tell whether this has been wrapped."""
    return hasattr(type(client), MARK)


def metered_copy(
    client: Client, methods: Mapping[str, Callable[..., Any]], session: object
) -> Client:
    """Return a copy of `client` that shares all it holds, whose class has these `methods` first.

    It is an instance of the client's class (of a subclass under the same name), and so are its own
    copies (`with_options()`), which are metered too. Of what was computed from the client and kept
    nothing comes along, since that would lead back to the client. The client is not changed.
    """
    kind = type(client)
    body = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        **methods,
        MARK: session,
    }
    clone = copy.copy(client)
    for name in list(vars(clone)):
        if isinstance(getattr(kind, name, None), functools.cached_property):
            del clone.__dict__[name]
    clone.__class__ = type(kind.__name__, (kind,), body)
    return clone
