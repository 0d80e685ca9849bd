"""What is known of a request before its answer comes."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from tallyroll.context import Attribution


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a provider, as whoever watches it saw it begin.

    `occurred_at` is its start in UTC; `attribution` is the scope it was made in, whatever scope its
    answer comes in.
    """

    provider: str
    """Of the event, in OpenTelemetry's spelling."""
    api_surface: str
    instrument: str
    """Who watched: of two that saw one response, the first to be counted owns it."""
    occurred_at: datetime
    attribution: Attribution = Attribution()
    model: str | None = None
    """What the provider is asked for."""
    requested: str | None = None
    """What the caller asked for, if a budget put `model` in its place."""
    counts_as: str | None = None
    """Whose conventions the usage follows, if not those of `provider`."""
    batch: bool = False
    terms: Mapping[str, str] = {}  # msgspec copies an empty default
    """What the request says of the price, for an answer that does not: `region` …"""
