"""`wrap()`: a provider's client, metered."""

from tallyroll.wrapping.wrap import wrap

__all__ = ["wrap"]
