"""When a failed delivery is tried again: ever later, never all together, as it is asked."""

from datetime import UTC, datetime

import pytest

from services.invoicing.domain.webhook_retry import (
    PAUSE_MS_MAX,
    RETRY_AFTER_MS_MAX,
    pause_ms,
    retry_after_ms,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_pauses_grow_fourfold_up_to_half_a_day() -> None:
    """5 s, 20 s, 80 s …; twelve of them are 2.8 days; no number of attempts overflows."""
    pauses = [pause_ms(attempt, jitter=0) for attempt in range(1, 13)]

    assert [5_000, 20_000, 80_000, 320_000] == pauses[:4]
    assert 2 < sum(pauses) / 86_400_000 < 3
    assert PAUSE_MS_MAX == pause_ms(10_000, jitter=0)


def test_jitter_only_lengthens_by_a_quarter_at_most() -> None:
    """What failed together comes back apart, and never sooner than planned."""
    assert [5_000, 5_625, 6_250] == [pause_ms(1, jitter=jitter) for jitter in (0, 500, 1_000)]


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120_000),
        (" 0 ", 0),
        ("9" * 5_000, RETRY_AFTER_MS_MAX),
        ("Sun, 01 Mar 2026 12:10:00 GMT", 600_000),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Fri, 01 Mar 2126 11:00:00 GMT", RETRY_AFTER_MS_MAX),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("١٢", None),
        ("Sun, 99 Mar 2026 12:10:00 GMT", None),
        ("Sun, 01 Mar 99999999999999999999 12:10:00 GMT", None),
        ("Sun, 01 Mar 2026 12:10:00 +99999999999999999999", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_and_bounded(header: str | None, wait: int | None) -> None:
    """Seconds or a date; nonsense is as if it were not there; nobody puts us off for years."""
    assert wait == retry_after_ms(header, NOW)
