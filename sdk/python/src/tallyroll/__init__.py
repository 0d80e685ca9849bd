"""Meter what AI agents use: record token events, never lose one, never count one twice."""

from importlib import import_module
from typing import TYPE_CHECKING

from tallyroll.budgets import BudgetExceededError, Decision, Hint, HintSource
from tallyroll.buffer import QueueFullError
from tallyroll.context import Attribution, Context
from tallyroll.event import EventFields, Fault, InvalidEventError
from tallyroll.meter import Meter
from tallyroll.spool import Spool
from tallyroll.stats import Rejection, Stats
from tallyroll.transport import DeliveryError, HTTPTransport, Response, Transport

if TYPE_CHECKING:
    from tallyroll import usage
    from tallyroll.recording.recorder import interrupted, unmetered_calls
    from tallyroll.wrapping.wrap import wrap

__version__ = "0.1.0"

__all__ = [
    "Attribution",
    "BudgetExceededError",
    "Context",
    "Decision",
    "DeliveryError",
    "EventFields",
    "Fault",
    "HTTPTransport",
    "Hint",
    "HintSource",
    "InvalidEventError",
    "Meter",
    "QueueFullError",
    "Rejection",
    "Response",
    "Spool",
    "Stats",
    "Transport",
    "__version__",
    "interrupted",
    "unmetered_calls",
    "usage",
    "wrap",
]


_LATER = {
    "interrupted": ("tallyroll.recording.recorder", "interrupted"),
    "unmetered_calls": ("tallyroll.recording.recorder", "unmetered_calls"),
    "usage": ("tallyroll.usage", None),
    "wrap": ("tallyroll.wrapping.wrap", "wrap"),
}
"""What is loaded when it is first asked for: module and name in it. Not every program needs it."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    path, attribute = _LATER[name]
    module = import_module(path)
    return module if attribute is None else getattr(module, attribute)
