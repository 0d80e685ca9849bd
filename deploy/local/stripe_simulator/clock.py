"""The simulator's time: the injected clock plus an offset that the control API moves."""

from datetime import datetime, timedelta

from shared.clock import Clock


class MovableClock:
    """Stripe's business time. Webhook signatures use `base`, which receivers share."""

    def __init__(self, base: Clock, *, offset: timedelta = timedelta()) -> None:
        self.base = base
        self.offset = offset

    def now(self) -> datetime:
        return self.base.now() + self.offset

    def seconds(self) -> int:
        """Whole seconds since 1970, as Stripe writes times."""
        return int(self.now().timestamp())

    def move(self, offset: timedelta) -> None:
        self.offset = offset
