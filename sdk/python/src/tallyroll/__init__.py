"""Meter what AI agents use: record token events, never lose one, never count one twice."""

from tallyroll.event import EventFields, Fault, InvalidEventError
from tallyroll.meter import Meter
from tallyroll.stats import Rejection, Stats
from tallyroll.transport import HTTPTransport, Response, Transport

__version__ = "0.1.0"

__all__ = [
    "EventFields",
    "Fault",
    "HTTPTransport",
    "InvalidEventError",
    "Meter",
    "Rejection",
    "Response",
    "Stats",
    "Transport",
    "__version__",
]
