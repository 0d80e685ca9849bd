"""A consumer can get stuck without an error: whoever makes no progress must end."""

from collections.abc import Mapping

from services.metering.worker.standing import Standing


class StalledError(Exception):
    """There are records, and for too long none was counted."""


def stalled(
    positions: Mapping[int, Standing],
    lags: Mapping[int, int],
    *,
    now: float,
    seconds_max: float,
) -> None:
    """Raise `StalledError` for a partition with records and without progress for too long.

    Each partition is judged alone: one that is stuck must not hide behind the others. One that is
    counted to its end is on time, so its clock begins with the next record.
    """
    for partition, position in positions.items():
        idle = now - position.progressed_at
        if lags[partition] <= 0:
            position.progressed_at = now
        elif idle >= seconds_max:
            lag = lags[partition]
            message = f"partition {partition}: {lag} records wait, none counted for {idle:.0f} s"
            raise StalledError(message)
