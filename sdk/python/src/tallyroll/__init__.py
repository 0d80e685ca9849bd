"""Meter what AI agents use: record token events, never lose one, never count one twice."""

from tallyroll.buffer import QueueFullError
from tallyroll.event import EventFields, Fault, InvalidEventError
from tallyroll.meter import Meter
from tallyroll.spool import Spool
from tallyroll.stats import Rejection, Stats
from tallyroll.transport import HTTPTransport, Response, Transport

__version__ = "0.1.0"

__all__ = [
    "EventFields",
    "Fault",
    "HTTPTransport",
    "InvalidEventError",
    "Meter",
    "QueueFullError",
    "Rejection",
    "Response",
    "Spool",
    "Stats",
    "Transport",
    "__version__",
]
