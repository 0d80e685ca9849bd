"""Spend alerts on a real database: each amount once a period, nothing invoiced."""

import httpx
import pytest
from sqlalchemy import select

from services.pricing.spend_alerting import SpendAlerter
from services.pricing.tables import outbox
from shared.clock import FrozenClock
from shared.database import Database
from shared.events.spend_crossed import SpendCrossed
from shared.topics import SPEND_CROSSED
from tests.support.pricing_service import NOW

from .billing_api import Headers, seal
from .progressive_api import grow
from .subscription_api import publish_book, statements_of, subscribe
from .test_progressive_billing import NOVEMBER, NOVEMBER_END


async def _sell(client: httpx.AsyncClient, headers: Headers, *amounts: str) -> str:
    """Put globex on a plan without thresholds; return the path of its alerts."""
    assert (await publish_book(client, headers)).is_success
    answer = await subscribe(client, headers)
    assert answer.is_success, answer.text
    path = f"/v1/subscriptions/{answer.json()['subscription_id']}/spend-alerts"
    answer = await client.put(path, json={"amounts": list(amounts)}, headers=headers)
    assert answer.is_success, answer.text
    return path


async def _look(store: Database) -> int:
    return await SpendAlerter(store, FrozenClock(NOW), interval_seconds=1).look()


async def _told(store: Database, vendor: str) -> list[SpendCrossed]:
    query = select(outbox.c.payload).where(outbox.c.topic == SPEND_CROSSED.name)
    async with store.transaction() as connection:
        payloads = (await connection.scalars(query.order_by(outbox.c.position))).all()
    read = map(SpendCrossed.model_validate_json, payloads)
    return [one for one in read if one.vendor_id == vendor]


async def test_each_amount_is_told_once_a_period(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """However usage moves: below, over several at once, back and over again; not by fees."""
    await _sell(client, headers, "150", "200", "1000")
    looks = []
    for version, thousands in enumerate((10, 100, 20, 150), start=1):
        await grow(store, vendor, version, thousands)
        looks += [await _look(store), await _look(store)]
    told = await _told(store, vendor)

    assert [0, 0, 2, 0, 0, 0, 0, 0] == looks
    assert [("150", "300"), ("200", "300")] == [(one.bound_exact, one.now_exact) for one in told]
    assert {("spend_threshold", NOVEMBER, None)} == {
        (one.kind, one.period_start, one.statement_id) for one in told
    }
    assert 2 == len({one.crossing_id for one in told})
    assert [] == await statements_of(client, headers)


async def test_a_new_amount_is_looked_at_without_new_usage(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Also when it goes and comes back: what was told of the period stays told."""
    path = await _sell(client, headers)
    await grow(store, vendor, 1, 100)
    looks = [await _look(store)]
    for amounts in (["100"], [], ["100"], ["100", "250"]):
        await client.put(path, json={"amounts": amounts}, headers=headers)
        looks.append(await _look(store))

    assert [0, 1, 0, 0, 1] == looks


async def test_the_next_period_begins_anew(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """The same amount is told of each period."""
    await _sell(client, headers, "100")
    await grow(store, vendor, 1, 100)
    first = await _look(store)
    await seal(store, vendor, NOVEMBER_END)
    between = await _look(store)
    december = NOVEMBER_END.replace(month=12, day=2)
    await grow(store, vendor, 2, 100, day=december)
    second = await _look(store)

    assert (1, 0, 1) == (first, between, second)
    assert 2 == len({one.period_start for one in await _told(store, vendor)})


@pytest.mark.parametrize("amounts", [["0"], ["-1"], ["x"], ["1"] * 21, "5", None])
async def test_amounts_are_above_zero_and_few(
    client: httpx.AsyncClient, headers: Headers, amounts: object
) -> None:
    """Anything else is refused, and nothing changes."""
    path = await _sell(client, headers, "20", "3", "20.0")

    refused = await client.put(path, json={"amounts": amounts}, headers=headers)

    assert (400, "invalid_request") == (refused.status_code, refused.json()["code"])
    assert ["3", "20"] == (await client.get(path, headers=headers)).json()["amounts"]


async def test_an_unknown_subscription_has_no_alerts(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Neither to read nor to write."""
    path = "/v1/subscriptions/nobody/spend-alerts"

    answers = [
        await client.get(path, headers=headers),
        await client.put(path, json={"amounts": ["1"]}, headers=headers),
    ]

    assert ["unknown_subscription"] * 2 == [one.json()["code"] for one in answers]
