"""Idempotency keys: a function of what the call is for, so that a restart repeats the same call."""

import hashlib
from datetime import datetime, timedelta
from typing import Literal

RESEND_AGE_MAX = timedelta(hours=20)
"""Stripe forgets keys after 24 hours at the earliest; after this age a blind resend could be a
second call."""


def idempotency_key(mode: Literal["test", "live"], material: str) -> str:
    """Return the key on the wire: 64 hexadecimal digits."""
    livemode = "true" if mode == "live" else "false"
    return hashlib.sha256(f"tallyroll/1/{livemode}/{material}".encode()).hexdigest()


def may_resend(first_attempted_at: datetime, now: datetime) -> bool:
    """Tell whether a call of unknown outcome may go out again with the same key and bytes."""
    return now - first_attempted_at < RESEND_AGE_MAX
