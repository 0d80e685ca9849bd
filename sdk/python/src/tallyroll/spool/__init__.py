"""The durable spool: events on disk from `record()` to the server's final answer."""

from tallyroll.spool.settings import Spool

__all__ = ["Spool"]
