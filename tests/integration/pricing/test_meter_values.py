"""Values of meters that do not add up on a real database: asked for, waited for, billed."""

from datetime import date

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from shared.database import Database
from shared.events.meter_wanted import MeterWanted
from tests.support.pricing_service import Metering
from tests.support.pricing_usage import usage_row

from .billing_api import (
    TERMS,
    Headers,
    execute,
    seal,
    statements_of,
)
from .meter_values_api import (
    DECEMBER,
    JANUARY,
    NOVEMBER,
    THROUGH_DECEMBER,
    THROUGH_NOVEMBER,
    amounts,
    answer,
    charge,
    use,
    valued,
    wanted,
)


async def test_a_period_waits_for_its_value_and_others_do_not(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """One question, in the transaction of the seal; its answer closes the period, once."""
    plain = charge("output", "0.01", "output_text")
    other = {"key": "tokens", "name": "Tokens", "charges": ["output"]}
    content = {"currency": "USD", "charges": [plain], "plans": [other]}
    path = "/v1/price-books/plain"
    await client.put(path, json={"name": "Plain"}, headers=headers)
    await client.put(f"{path}/versions/1", json=content, headers=headers)
    body = {"effective_on": "2023-11-01"}
    await client.post(f"{path}/versions/1/publish", json=body, headers=headers)
    tenant = next(
        name
        for name in (f"other-{number}" for number in range(100))
        if Metering("", vendor).partition(name) == Metering("", vendor).partition("globex")
    )
    await client.put(f"/v1/tenants/{tenant}", json={"name": "Other"}, headers=headers)
    terms = TERMS | {"tenant_id": tenant, "price_book": "plain", "plan": "tokens"}
    await client.put("/v1/subscriptions/plain", json=terms, headers=headers)
    await seal(sold, vendor, *THROUGH_NOVEMBER)
    before = await statements_of(client, headers)
    (question,) = await wanted(sold, vendor)
    # A later seal, and every other thing that closes periods, asks nothing again.
    await seal(sold, vendor, DECEMBER)

    answered = valued(question, "42")
    await answer(sold, answered, answered)
    after = await statements_of(client, headers)

    assert [tenant] == [one["tenant_id"] for one in before]
    assert [question] == await wanted(sold, vendor)
    assert (NOVEMBER, DECEMBER, DECEMBER) == (
        *(question.period_start, question.period_end, question.booked_before),
    )
    assert [tenant, "globex"] == [one["tenant_id"] for one in after]
    assert [("people", "210", False)] == amounts(after[1])
    (told,) = after[1]["lines"][0]["meters"]
    assert ("people", 1, "42", "final", "hash-of-42") == tuple(
        told[name] for name in ("meter", "version", "value_exact", "state", "content_hash")
    )
    assert "people@1 is 42, of 9 events with the hash hash-of-42" in [
        step["description"] for step in after[1]["lines"][0]["steps"]
    ]


async def test_a_value_may_come_before_its_seal(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """What was stored before is there when the period becomes due: nothing is asked."""
    question = MeterWanted(
        vendor_id=vendor,
        mode="test",
        tenant_id="globex",
        request_id="of-another-day",
        name="people",
        meter_version=1,
        period_start=NOVEMBER,
        period_end=DECEMBER,
        booked_before=DECEMBER,
    )
    await answer(sold, valued(question, "3"))
    early = await statements_of(client, headers)

    await seal(sold, vendor, *THROUGH_NOVEMBER)

    (made,) = await statements_of(client, headers)
    assert ([], [("people", "15", False)]) == (early, amounts(made))
    assert [] == await wanted(sold, vendor)


async def test_the_value_is_an_input_of_the_statement(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """It is stored for good: another answer to the same question changes nothing, anywhere."""
    await seal(sold, vendor, *THROUGH_NOVEMBER)
    (question,) = await wanted(sold, vendor)
    await answer(sold, valued(question, "7"), valued(question, "8"))
    (made,) = await statements_of(client, headers)
    named = {"vendor": vendor}

    assert "35" == made["total_exact"]
    for change in ("update pricing.meter_value set value = '8'", "delete from pricing.meter_value"):
        with pytest.raises(DBAPIError, match="immutable"):
            await execute(sold, f"{change} where vendor_id = :vendor", named)


async def test_later_periods_of_the_tenant_wait_behind(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """Two months behind: each asks when its turn has come, and statements keep their order."""
    await seal(sold, vendor, *THROUGH_NOVEMBER, *THROUGH_DECEMBER)
    first = await wanted(sold, vendor)
    await answer(sold, valued(first[0], "1"))
    both = await wanted(sold, vendor)
    await answer(sold, valued(both[1], "2"))

    made = await statements_of(client, headers)

    assert [NOVEMBER] == [question.period_start for question in first]
    assert [NOVEMBER, DECEMBER] == [question.period_start for question in both]
    assert ["5", "10"] == [one["total_exact"] for one in made]


async def test_other_subscriptions_of_the_tenant_wait_behind(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """The order of a tenant's statements decides what credits pay: it is not the network's."""
    second = charge("images", "1", "images")
    plan = {"key": "extra", "name": "Extra", "charges": ["images"]}
    content = {"currency": "USD", "charges": [second], "plans": [plan]}
    path = "/v1/price-books/extra"
    await client.put(path, json={"name": "Extra"}, headers=headers)
    await client.put(f"{path}/versions/1", json=content, headers=headers)
    body = {"effective_on": "2023-11-01"}
    await client.post(f"{path}/versions/1/publish", json=body, headers=headers)
    terms = TERMS | {"price_book": "extra", "plan": "extra"}
    made = await client.put("/v1/subscriptions/next-to-main", json=terms, headers=headers)
    assert made.is_success, made.text

    await seal(sold, vendor, *THROUGH_NOVEMBER)
    before = await statements_of(client, headers)
    (question,) = await wanted(sold, vendor)
    await answer(sold, valued(question, "1"))
    after = await statements_of(client, headers)

    assert [] == before
    assert ["main", "next-to-main"] == [one["subscription_id"] for one in after]


async def test_late_usage_asks_again_and_bills_the_difference(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """The closed period's value is asked for as it was booked by the end of the next one."""
    await seal(sold, vendor, *THROUGH_NOVEMBER)
    (question,) = await wanted(sold, vendor)
    await answer(sold, valued(question, "3"))
    late = usage_row(date(2023, 11, 16), "output_text", 100, booked_day=date(2023, 12, 3))
    await use(sold, vendor, late)
    await seal(sold, vendor, *THROUGH_DECEMBER)
    again = (await wanted(sold, vendor))[1:]
    values = {NOVEMBER: "4", DECEMBER: "2"}

    await answer(sold, valued(again[0], values[again[0].period_start]))
    between = await statements_of(client, headers)
    await answer(sold, valued(again[1], values[again[1].period_start]))

    made = await statements_of(client, headers)
    assert {(NOVEMBER, JANUARY), (DECEMBER, JANUARY)} == {
        (one.period_start, one.booked_before) for one in again
    }
    assert 1 == len(between)
    assert [("people", "10", False), ("people", "5", True), ("output", "1", True)] == amounts(
        made[1]
    )
    assert ["4"] == [used["value_exact"] for used in made[1]["lines"][1]["meters"]]
