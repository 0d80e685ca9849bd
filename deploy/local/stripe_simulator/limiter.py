"""Stripe's documented rate limits in test mode: 25 requests a second per endpoint and 100 in all.

Token buckets that hold one second's worth, by the simulator's clock.
"""

from deploy.local.stripe_simulator.settings import Settings


class RateLimiter:
    """One bucket per account and endpoint (method and path without ids), one per account."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def admits(self, account: str, endpoint: str, *, settings: Settings, now: float) -> bool:
        """Take a token from both buckets, or from none; `now` is in seconds."""
        if not settings.rate_limits:
            return True
        limits = {
            (account, endpoint): settings.rate_per_endpoint,
            (account, ""): settings.rate_global,
        }
        held = {key: self._tokens(key, rate, now) for key, rate in limits.items()}
        if min(held.values()) < 1:
            return False
        self._buckets.update({key: (tokens - 1, now) for key, tokens in held.items()})
        return True

    def _tokens(self, key: tuple[str, str], rate: int, now: float) -> float:
        tokens, at = self._buckets.get(key, (float(rate), now))
        return min(float(rate), tokens + max(0.0, now - at) * rate)

    def clear(self) -> None:
        self._buckets.clear()
