"""Where hints come from: the seam, and what is said through it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from tallyroll.budgets.decision import Hint


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """All hints that hold; whatever was known before is forgotten."""

    hints: Sequence[Hint]
    at: datetime
    """The source's own clock when it answered: ages are taken by it, not by this machine's."""
    etag: str | None = None
    tenant: str | None = None
    """Whose the calls are that name no tenant."""
    waited: bool = False
    """The source answers when there is news, if it is asked again at once."""


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """What was fetched under the etag still holds, as of a later time."""

    as_of: datetime
    at: datetime
    waited: bool = False


class HintsUnavailableError(Exception):
    """Hints cannot be read now; `retry_after` is in seconds."""

    def __init__(self, code: str, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code, self.retry_after = code, retry_after


class HintSource(Protocol):
    """Asked by one thread of each process: every ten seconds, or again at once if it waits."""

    def fetch(self, since_etag: str | None) -> Fetched | Confirmed:
        """Return the hints, or that those of the etag still hold.

        Any exception means that they cannot be read now: what is known goes stale meanwhile, and
        then calls are allowed. A HintsUnavailableError says how long to wait.
        """
        ...
