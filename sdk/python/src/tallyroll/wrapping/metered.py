"""A metered copy of a client: the same connections and settings, some methods of our own."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

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
    only plain settings come along, since the rest would lead back to the client. The client is not
    changed.
    """
    kind = type(client)
    body = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        **methods,
        MARK: session,
    }
    metered: Any = type(kind.__name__, (kind,), body)
    clone = metered.__new__(metered)  # no `copy.copy()`: botocore's clients cannot bear it
    for name, value in vars(client).items():
        computed = isinstance(getattr(kind, name, None), functools.cached_property)
        if not computed or value is None or isinstance(value, str):
            clone.__dict__[name] = value
    return cast("Client", clone)
