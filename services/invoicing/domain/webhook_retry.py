"""When a delivery that failed is tried again. Times in milliseconds, jitter is given."""

from datetime import datetime
from email.utils import parsedate_to_datetime

FIRST_PAUSE_MS = 5_000
PAUSE_MS_MAX = 12 * 3_600_000
"""5 s, 20 s, 80 s, 5 min, 21 min, 1.4 h, 5.7 h, then every 12 h: 13 attempts take 2.8 days."""

RETRY_AFTER_MS_MAX = 24 * 3_600_000
"""No endpoint puts its deliveries off for longer."""

_EXPONENT_MAX = 16
"""Each pause is four times the one before, up to the longest."""


def pause_ms(attempt: int, *, jitter: int) -> int:
    """Return the pause after the `attempt`-th failed attempt, from 1.

    `jitter` in [0, 1000] lengthens it by up to a quarter, so that what failed together does not
    come back together.
    """
    pause = min(FIRST_PAUSE_MS << 2 * min(attempt - 1, _EXPONENT_MAX), PAUSE_MS_MAX)
    return pause + pause * jitter // 4_000


def retry_after_ms(header: str | None, now: datetime) -> int | None:
    """Return what `Retry-After` asks for: seconds or an HTTP date (RFC 9110, 10.2.3).

    None without one or when it cannot be read; never more than a day.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        # So many digits are more than a day, and int() takes no more than some thousand of them.
        seconds = int(text) if len(text) < len("100000000") else RETRY_AFTER_MS_MAX
        return min(seconds * 1000, RETRY_AFTER_MS_MAX)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        return None
    remaining = at - now
    milliseconds = remaining.days * 86_400_000 + remaining.seconds * 1000
    return min(max(milliseconds, 0), RETRY_AFTER_MS_MAX)
