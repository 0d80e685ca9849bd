"""Values of meters that do not add up on a real database: asked for, waited for, billed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.pricing.handlers.meter_values import store_meter_value
from services.pricing.handlers.meters import remember_meter
from services.pricing.handlers.usage import store_usage
from services.pricing.repository.meter_values import forget_live
from shared.database import Database
from shared.events.meter_wanted import MeterWanted
from shared.events.usage_aggregated import MeterDefined, MeterValued, UsageRow
from tests.support.pricing_service import NOW, Metering
from tests.support.pricing_usage import usage_row

from .billing_api import (
    FIRST_VERSION,
    TERMS,
    Headers,
    days_of,
    execute,
    publish,
    seal,
    statements_of,
)

PEOPLE = "meter:people@1"
NOVEMBER, DECEMBER, JANUARY = date(2023, 11, 1), date(2023, 12, 1), date(2024, 1, 1)
THROUGH_NOVEMBER = days_of(NOVEMBER, date(2023, 11, 30))
THROUGH_DECEMBER = days_of(DECEMBER, date(2023, 12, 31))


def book(**values: Any) -> dict[str, Any]:
    """Return a book whose plan sells people at 5.00 each, and tokens."""
    charges = [
        charge("people", "5.00", PEOPLE) | values,
        charge("output", "0.01", "output_text"),
    ]
    plan = {"key": "support", "name": "Support", "charges": ["people", "output"]}
    return {"currency": "USD", "charges": charges, "plans": [plan]}


def charge(key: str, amount: str, kind: str) -> dict[str, Any]:
    usage = {"kinds": [kind]}
    return {
        "key": key,
        "name": key,
        "model": "per_unit",
        "unit_amount": amount,
        "usage": usage,
    }


async def define(
    store: Database, vendor: str, name: str = "people", *, is_additive: bool = False
) -> None:
    message = MeterDefined(
        vendor_id=vendor, mode="test", name=name, meter_version=1, is_additive=is_additive
    )
    async with store.transaction() as connection:
        await remember_meter(connection, message)


@pytest.fixture(name="sold")
async def _sold(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> Database:
    """Return the database of a vendor with globex on the plan, and a tenant without meters."""
    await define(store, vendor)
    await client.put(FIRST_VERSION, json=book(), headers=headers)
    published = await publish(client, headers)
    assert 200 == published.status_code, published.text
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    return store


async def wanted(store: Database, vendor: str) -> list[MeterWanted]:
    """Return the questions in the outbox, in their order."""
    query = text(
        "select payload from pricing.outbox where headers->>'type' = 'MeterWanted' "
        "order by position"
    )
    async with store.transaction() as connection:
        rows = (await connection.execute(query)).all()
    read = [MeterWanted.model_validate_json(row.payload) for row in rows]
    return [message for message in read if message.vendor_id == vendor]


def valued(question: MeterWanted, value: str, **values: Any) -> MeterValued:
    """Return what metering answers."""
    asked = {
        name: getattr(question, name)
        for name in MeterWanted.model_fields
        if name in MeterValued.model_fields
    }
    answer: dict[str, Any] = {
        "value_exact": value,
        "events": 9,
        "content_hash": f"hash-of-{value}",
        "offsets": {0: 7},
        "as_of": NOW,
    }
    return MeterValued.model_validate(asked | answer | values)


async def answer(store: Database, *messages: MeterValued) -> None:
    for message in messages:
        async with store.transaction() as connection:
            await store_meter_value(connection, message)


async def use(store: Database, vendor: str, *rows: UsageRow) -> None:
    async with store.transaction() as connection:
        await store_usage(connection, Metering("", vendor).usage("globex", list(rows)))


def amounts(statement: Any) -> list[tuple[str, str, bool]]:
    return [
        (line["charge"], line["amount_exact"], line["adjusts"] is not None)
        for line in statement["lines"]
    ]


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


async def bill_of(client: httpx.AsyncClient, headers: Headers) -> Any:
    answered = await client.get("/v1/tenants/globex/bill", headers=headers)
    assert 200 == answered.status_code, answered.text
    return answered.json()["subscriptions"][0]


async def test_the_running_bill_says_what_it_does_not_know(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """Without a value the line says so; then it is provisional, with the instant it is true for.

    However often it is read, metering is asked once a minute.
    """
    unknown = await bill_of(client, headers)
    await bill_of(client, headers)
    (question,) = await wanted(sold, vendor)
    newer = NOW + timedelta(minutes=2)
    await answer(
        sold,
        valued(question, "6", as_of=newer),
        valued(question, "5", as_of=NOW, content_hash="older"),
    )
    known = await bill_of(client, headers)
    older = {"vendor": vendor}
    await execute(
        sold,
        "update pricing.live_meter set asked_at = asked_at - interval '1 minute' "
        "where vendor_id = :vendor",
        older,
    )
    await bill_of(client, headers)

    assert question.booked_before is None
    assert [("people", "0", "missing")] == told_of(unknown)
    assert [("people", "30", "provisional")] == told_of(known)
    as_of = datetime.fromisoformat(known["lines"][0]["meters"][0]["as_of"])
    assert newer == as_of.astimezone(UTC)
    assert 2 == len(await wanted(sold, vendor))
    assert [] == await statements_of(client, headers)


def told_of(bill: Any) -> list[tuple[str, str, str]]:
    return [
        (line["charge"], line["amount_exact"], used["state"])
        for line in bill["lines"]
        for used in line.get("meters", [])
    ]


async def test_a_live_bill_keeps_what_was_billed_until_it_knows_better(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """Late usage of a billed period: its last value stands in, so no difference is made up."""
    await seal(sold, vendor, *THROUGH_NOVEMBER)
    (question,) = await wanted(sold, vendor)
    await answer(sold, valued(question, "3"))
    late = usage_row(date(2023, 11, 16), "output_text", 100, booked_day=date(2023, 12, 3))
    await use(sold, vendor, late)

    before = await bill_of(client, headers)
    live = [one for one in await wanted(sold, vendor) if one.booked_before is None]
    await answer(
        sold,
        *(
            valued(one, "5", as_of=NOW + timedelta(days=1))
            for one in live
            if one.period_start == NOVEMBER
        ),
    )
    after = await bill_of(client, headers)

    assert {NOVEMBER, DECEMBER} == {one.period_start for one in live}
    assert [("output", "1", True)] == [row for row in amounts(before) if row[2]]
    assert [("people", "10", True), ("output", "1", True)] == [
        row for row in amounts(after) if row[2]
    ]


async def test_what_waits_too_long_is_told_and_asked_again(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """After a quarter of an hour a person is told; after an hour the next seal asks again."""
    await seal(sold, vendor, *THROUGH_NOVEMBER)
    quiet = await codes(client, headers)
    await execute(
        sold,
        "update pricing.meter_question set first_asked_at = first_asked_at - interval '2 hours', "
        "asked_at = asked_at - interval '2 hours' where vendor_id = :vendor",
        {"vendor": vendor},
    )
    loud = await codes(client, headers)
    await seal(sold, vendor, DECEMBER)
    asked = await wanted(sold, vendor)
    await answer(sold, valued(asked[0], "1"))

    assert ([], ["meter_value_missing"]) == (quiet, loud)
    assert [asked[0], asked[0]] == asked
    assert [] == await codes(client, headers)


async def codes(client: httpx.AsyncClient, headers: Headers) -> list[str]:
    answered = await client.get("/v1/attention", headers=headers)
    return [item["code"] for item in answered.json()["items"]]


async def test_live_values_are_forgotten(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """Nobody has looked for a month: the row goes."""
    await bill_of(client, headers)
    async with sold.transaction() as connection:
        early = await forget_live(connection, NOW, limit=9)
        late = await forget_live(connection, NOW + timedelta(seconds=1), limit=9_999)

    assert 0 == early
    assert late > 0


async def test_a_trial_takes_given_values(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """Values stand beside given or past usage; without one the line says so."""
    asked = {
        "price_book": "demo",
        "version": 1,
        "start": "2023-11-01",
        "end": "2023-12-01",
        "tenant": "globex",
    }

    async def evaluated(**values: Any) -> Any:
        return (await client.post("/v1/evaluate", json=asked | values, headers=headers)).json()

    given = await evaluated(meters={PEOPLE: "7"})
    missing = await evaluated()
    twice = await evaluated(
        tenant=None, usage=[{"kind": PEOPLE, "quantity": "1"}], meters={PEOPLE: "7"}
    )
    misnamed = await evaluated(meters={"people": "7"})

    assert ("35", ["given"]) == (given["total_exact"], [state for *_, state in told_of(given)])
    assert [("people", "0", "missing")] == told_of(missing)
    assert ["meter_given_twice"] == [fault["code"] for fault in twice["faults"]]
    assert 1 == len(misnamed["faults"])


async def test_a_trial_over_past_usage_takes_what_is_known(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """The tenant's newest value, unless another is given; what adds up is usage."""
    await bill_of(client, headers)
    (question,) = await wanted(sold, vendor)
    await answer(sold, valued(question, "6"))
    await define(sold, vendor, "actions", is_additive=True)
    asked = {
        "price_book": "demo",
        "version": 1,
        "start": "2023-11-01",
        "end": "2023-12-01",
        "tenant": "globex",
    }
    adding_up = {"meter:actions@1": "7"}

    known = (await client.post("/v1/evaluate", json=asked, headers=headers)).json()
    refused = await client.post("/v1/evaluate", json=asked | {"meters": adding_up}, headers=headers)

    assert [("people", "30", "provisional")] == told_of(known)
    assert (400, "meters.meter:actions@1") == (
        *(refused.status_code, refused.json()["faults"][0]["path"]),
    )


async def test_a_difference_in_money_takes_what_is_known_and_says_what_is_not(
    client: httpx.AsyncClient, headers: Headers, vendor: str, sold: Database
) -> None:
    """November's people at 5.00 and at 6.00; before their value is there, that it is not."""
    dearer = book(unit_amount="6.00")
    path = "/v1/price-books/demo/diff"
    before = (await client.post(path, json=dearer, headers=headers)).json()["money"]
    await seal(sold, vendor, *THROUGH_NOVEMBER)
    (question,) = await wanted(sold, vendor)
    await answer(sold, valued(question, "7"))

    after = (await client.post(path, json=dearer, headers=headers)).json()["money"]

    assert ("0", [PEOPLE]) == (
        before["total"]["after_exact"],
        before["subscriptions"][0]["meters_missing"],
    )
    assert ("35", "42", []) == (
        *(after["total"]["before_exact"], after["total"]["after_exact"]),
        after["subscriptions"][0]["meters_missing"],
    )


async def test_a_book_asks_no_more_of_a_single_value_than_it_tells(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A filter by model is a fault once the meter is known not to add up; the path says where."""
    await define(store, vendor)
    usage = {"kinds": [PEOPLE], "models": ["gpt-5"]}
    await client.put(FIRST_VERSION, json=book(usage=usage), headers=headers)

    refused = await publish(client, headers)

    assert 409 == refused.status_code
    assert [("meter_has_no_dimensions", "charges[0].usage.models")] == [
        (fault["code"], fault["path"]) for fault in refused.json()["faults"]
    ]
