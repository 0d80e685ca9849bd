"""Meter what AI agents use: record token events, never lose one, never count one twice."""

from importlib import import_module
from types import ModuleType
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
    "usage",
]


def __getattr__(name: str) -> ModuleType:
    """Load `tallyroll.usage` when it is first asked for: not every program normalises."""
    if name != "usage":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("tallyroll.usage")
