"""What waits for a person in metering, beside the days and dead letters of the other tests."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.metering.attention import Moment, list_attention
from shared.accounts.repository import Account
from shared.attention import AttentionItem

from .conftest import Ledger, make_event

GRACE = timedelta(hours=12)
FEBRUARY = datetime(2026, 2, 2, tzinfo=UTC)
SEAL = "insert into metering.seal values (:vendor, :mode, '2026-01-31', '{}', :recount, :sealed)"


async def _attention(
    ledger: Ledger, now: datetime = FEBRUARY, *, mode: str = "live"
) -> list[AttentionItem]:
    account = Account(ledger.vendor_id, "live" if mode == "live" else "test")
    async with ledger.database.transaction() as connection:
        return await list_attention(connection, account, Moment(now, GRACE))


async def test_days_before_going_live_wait_until_someone_closes_them(
    ledger: Ledger, writer: Any
) -> None:
    """Usage of days before `live_from` is sealed by nobody else: told from the next day on."""
    await writer(ledger.vendor_id, live_from=date(2026, 3, 1))
    await ledger.count(make_event("e-1"))
    too_early = await _attention(ledger, datetime(2026, 1, 31, 23, tzinfo=UTC))
    (item,) = await _attention(ledger)
    await ledger.query(
        "insert into metering.vendor_seal values (:vendor, 'live', cast('2026-01-31' as date))"
    )
    closed = await _attention(ledger)

    assert ([], []) == (too_early, closed)
    assert ("days_before_live", "2026-01-31", 1) == (item.code, item.subject, item.count)
    assert datetime(2026, 2, 1, tzinfo=UTC) == item.since
    close = f"tallyrollctl close --vendor {ledger.vendor_id} --mode live --through 2026-02-01"
    assert close == item.action.words


@pytest.mark.parametrize(
    ("recount", "hours", "codes"),
    [
        ("differs", 0, ["recount_differs"]),
        ("pending", 2, ["recount_pending"]),
        ("pending", 0, []),
        ("agreed", 9, []),
        ("off", 9, []),
    ],
)
async def test_recounts_wait_when_they_differ_or_do_not_come(
    ledger: Ledger, recount: str, hours: int, codes: list[str]
) -> None:
    """A recount that differs waits at once, one that does not come after an hour."""
    sealed = FEBRUARY - timedelta(hours=hours)
    await ledger.query(SEAL, mode="live", recount=recount, sealed=sealed)

    items = await _attention(ledger)
    of_the_other_half = await _attention(ledger, mode="test")

    assert (codes, []) == ([item.code for item in items], of_the_other_half)
    assert [sealed] * len(codes) == [item.since for item in items]
    assert all(
        item.action.words
        == f"tallyrollctl recount --vendor {ledger.vendor_id} --mode live --day 2026-01-31"
        for item in items
    )


async def test_conflicts_have_a_code_of_their_own(ledger: Ledger) -> None:
    """Two contents under one id are no dead letter to replay: someone sends them."""
    await ledger.count(make_event("e-1"), make_event("e-1", tokens={"output_text": 9}))

    (item,) = await _attention(ledger)

    assert ("conflicts", "conflicting_event") == (item.code, item.subject)
    assert item.since is not None
    assert item.since == item.newest
