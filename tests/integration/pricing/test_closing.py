"""From counted usage to a rated statement, through Kafka and Postgres."""

from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from examples.demo.catalog import price_book
from services.pricing.repository import dead_letters
from services.pricing.repository.locks import ALL_PARTITIONS
from services.pricing.repository.sealing import read_sealed_through
from services.pricing.settings import PricingSettings
from shared.accounts.repository import Account
from shared.broker import create_producer
from shared.database import Database
from shared.events.statement_rated import StatementRated
from shared.ids import length_prefixed
from shared.topics import STATEMENT_RATED, USAGE_AGGREGATED
from tests.support.database import TestDatabase
from tests.support.pricing_service import (
    Metering,
    eventually,
    fresh_vendor,
    pricing_settings,
    running,
    start_at_the_end,
    vendor_key,
)
from tests.support.pricing_usage import tenant_day, usage_row
from tests.support.stack import StackAddress

FIRST = date(2023, 11, 1)
DAYS = [FIRST + timedelta(days=index) for index in range(30)]
DECEMBER = date(2023, 12, 1)
USED_ON = date(2023, 11, 16)
ROWS = [
    usage_row(USED_ON, "input_uncached", 22_361_870),
    usage_row(USED_ON, "output_text", 4_088_665),
]


@pytest.fixture(scope="module", name="settings")
async def _settings(stack: StackAddress, database: TestDatabase) -> PricingSettings:
    group = f"pricing-{uuid4().hex}"
    await start_at_the_end(stack.kafka_bootstrap, group)
    return pricing_settings(stack, database, group=group)


@pytest.fixture(name="vendor")
def _vendor() -> str:
    return fresh_vendor()


@pytest.fixture(name="headers")
async def _headers(database: TestDatabase, vendor: str) -> dict[str, str]:
    return await vendor_key(database, vendor)


@pytest.fixture(name="metering")
def _metering(stack: StackAddress, vendor: str) -> Metering:
    return Metering(stack.kafka_bootstrap, vendor, copies=2)


@pytest.fixture(name="rated")
async def _rated(stack: StackAddress) -> AsyncIterator[AIOKafkaConsumer]:
    """Read `statement.rated` from here on."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka_bootstrap)
    await consumer.start()
    partitions = [
        TopicPartition(STATEMENT_RATED.name, p) for p in range(STATEMENT_RATED.partitions)
    ]
    consumer.assign(partitions)
    await consumer.seek_to_end()
    for partition in partitions:
        await consumer.position(partition)
    yield consumer
    await consumer.stop()


async def messages_of(consumer: AIOKafkaConsumer, vendor: str) -> list[StatementRated]:
    """Return what is on the topic for a vendor, up to its present end."""
    partitions = list(consumer.assignment())
    ends = await consumer.end_offsets(partitions)
    found, ours = [], length_prefixed(vendor)
    while any([await consumer.position(p) < ends[p] for p in partitions]):
        batches = await consumer.getmany(timeout_ms=200)
        found += [
            StatementRated.model_validate_json(record.value)
            for records in batches.values()
            for record in records
            # Others write to the topic of a shared stack, some of it broken on purpose.
            if (record.key or b"").startswith(ours)
        ]
    return found


async def put(client: httpx.AsyncClient, headers: dict[str, str], path: str, body: Any) -> Any:
    answer = await client.put(path, json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


async def set_up_catalog(
    client: httpx.AsyncClient,
    headers: dict[str, str],
    effective_on: str = "2023-11-01",
    *,
    content: Any = None,
) -> None:
    """Create the tenant and the published book of the demo."""
    await put(client, headers, "/v1/tenants/globex", {"name": "Globex"})
    await put(client, headers, "/v1/price-books/demo", {"name": "Demo"})
    await put(client, headers, "/v1/price-books/demo/versions/1", content or price_book())
    path = "/v1/price-books/demo/versions/1/publish"
    answer = await client.post(path, json={"effective_on": effective_on}, headers=headers)
    assert answer.is_success, answer.text


async def subscribe(client: httpx.AsyncClient, headers: dict[str, str], **values: Any) -> None:
    terms = {"tenant_id": "globex", "price_book": "demo", "plan": "support"}
    body = {**terms, "starts_on": "2023-11-01", **values}
    await put(client, headers, "/v1/subscriptions/globex-main", body)


async def statements(client: httpx.AsyncClient, headers: dict[str, str]) -> list[Any]:
    answer = await client.get("/v1/statements", headers=headers)
    found: list[Any] = answer.json()["statements"]
    return found


async def sealed_days(settings: PricingSettings, vendor: str) -> list[date]:
    """Return how far each partition is sealed."""
    account = Account(vendor, "test")
    database = Database(settings.pricing_database_url.get_secret_value(), connections=1)
    async with database.transaction() as connection:
        days = [await read_sealed_through(connection, account, p) for p in ALL_PARTITIONS]
    await database.close()
    return [day or date.min for day in days]


async def attention(client: httpx.AsyncClient, headers: dict[str, str]) -> list[Any]:
    answer = await client.get("/v1/attention", headers=headers)
    found: list[Any] = answer.json()["items"]
    return found


def november(metering: Metering) -> list[Any]:
    """Return the usage of the month and its seals, in the order in which metering sends them."""
    usage = metering.usage("globex", ROWS)
    sent: list[Any] = [(metering.partition("globex"), usage)]
    for day in DAYS:
        tenants = [tenant_day("globex", ROWS)] if day == USED_ON else []
        sent += metering.seals(day, tenants)
    return sent


async def test_a_month_is_one_statement_however_often_it_is_delivered(
    settings: PricingSettings,
    vendor: str,
    headers: dict[str, str],
    metering: Metering,
    rated: AIOKafkaConsumer,
) -> None:
    """Every message twice, and all of them again after a restart: one statement, one message."""
    async with running(settings) as client:
        await set_up_catalog(client, headers)
        await subscribe(client, headers)
        sent = november(metering)
        await metering.send(sent)
        await eventually(lambda: statements(client, headers), lambda found: len(found) == 1)
        await metering.send(sent[:10])
    async with running(settings) as client:
        await metering.send([*sent, *metering.seals(DECEMBER, [])])
        await eventually(lambda: sealed_days(settings, vendor), lambda days: min(days) == DECEMBER)
        found = await statements(client, headers)

    messages = await messages_of(rated, vendor)
    assert [("2023-11-01", "2023-12-01", "655.68158")] == [
        (row["period_start"], row["period_end"], row["total_exact"]) for row in found
    ]
    # The relay may send a message again; its identity says that it is the same one.
    assert {found[0]["statement_id"]} == {message.statement_id for message in messages}


async def test_an_opening_is_one_statement_however_often_it_is_delivered(
    settings: PricingSettings,
    vendor: str,
    headers: dict[str, str],
    metering: Metering,
    rated: AIOKafkaConsumer,
) -> None:
    """A fee in advance: every seal twice, and again after a restart, opens and closes once."""
    content = deepcopy(price_book())
    for charge in content["charges"]:
        if charge["model"] == "flat":
            charge["timing"] = "in_advance"
    sent = [
        *metering.seals(FIRST - timedelta(days=1), []),
        *(seal for day in DAYS for seal in metering.seals(day, [])),
    ]
    async with running(settings) as client:
        await set_up_catalog(client, headers, content=content)
        await subscribe(client, headers)
        await metering.send(sent)
        await eventually(lambda: statements(client, headers), lambda found: len(found) == 2)
    async with running(settings) as client:
        await metering.send([*sent, *metering.seals(DECEMBER, [])])
        await eventually(lambda: sealed_days(settings, vendor), lambda days: min(days) == DECEMBER)
        found = await statements(client, headers)

    messages = await messages_of(rated, vendor)
    assert [("opening", "500"), ("period", "500")] == [
        (row["kind"], row["total_exact"]) for row in found
    ]
    assert {row["statement_id"] for row in found} == {one.statement_id for one in messages}


async def test_a_subscription_made_after_the_seals_is_closed_at_once(
    settings: PricingSettings, vendor: str, headers: dict[str, str], metering: Metering
) -> None:
    """Whatever a period waited for last closes it, here the subscription; two months at once."""
    async with running(settings) as client:
        await set_up_catalog(client, headers, "2023-09-01")
        await metering.send(november(metering))
        await eventually(lambda: sealed_days(settings, vendor), lambda days: min(days) == DAYS[-1])
        await subscribe(client, headers, starts_on="2023-09-25", anchor_day=20)
        found = await statements(client, headers)

    # The first period has 25 of 30 days: five sixths of the fee, an endless decimal.
    assert [
        ("2023-09-25", "2023-10-20", "1250/3"),
        ("2023-10-20", "2023-11-20", "655.68158"),
    ] == [(row["period_start"], row["period_end"], row["total_exact"]) for row in found]


async def test_the_running_bill_is_what_the_statement_will_be(
    settings: PricingSettings, headers: dict[str, str], metering: Metering
) -> None:
    """The bill before the seal and the statement after it have the same lines and hashes."""

    async def bill() -> Any:
        return (await client.get("/v1/tenants/globex/bill", headers=headers)).json()

    usage, *seals = november(metering)
    async with running(settings) as client:
        await set_up_catalog(client, headers)
        await subscribe(client, headers)
        await metering.send([usage])
        before = await eventually(bill, lambda found: found["watermark"] is not None)
        await metering.send(seals)
        found = await eventually(lambda: statements(client, headers), lambda found: len(found) == 1)
        path = f"/v1/statements/{found[0]['statement_id']}"
        statement = (await client.get(path, headers=headers)).json()
        after = await bill()

    (running_bill,) = before["subscriptions"]
    names = ("lines", "total_exact", "input_hash", "rating_hash", "period_start", "unrated")
    assert {n: statement[n] for n in names} == {n: running_bill[n] for n in names}
    assert ("2023-12-02T00:00:00Z", "500") == (
        before["as_of"],
        after["subscriptions"][0]["total_exact"],
    )


async def test_a_lost_message_parks_the_tenant_until_it_comes(
    settings: PricingSettings, vendor: str, headers: dict[str, str], metering: Metering
) -> None:
    """A copy that is not what the seal says is never rated; the lost rows release it."""
    usage, *seals = november(metering)
    async with running(settings) as client:
        await set_up_catalog(client, headers)
        await subscribe(client, headers)
        await metering.send(seals)
        await eventually(lambda: sealed_days(settings, vendor), lambda days: min(days) == DAYS[-1])
        parked = await attention(client, headers)
        unrated = await statements(client, headers)
        await metering.send([usage])
        found = await eventually(lambda: statements(client, headers), lambda found: len(found) == 1)
        released = await attention(client, headers)

    assert [("parked_tenant", "globex")] == [(i["code"], i["subject"]) for i in parked]
    assert ([], []) == (unrated, released)
    assert ["655.68158"] == [row["total_exact"] for row in found]


async def test_lost_first_seals_are_a_gap(
    settings: PricingSettings, vendor: str, headers: dict[str, str], metering: Metering
) -> None:
    """A copy that begins in the middle of a month never bills that month until the rest comes.

    That a partition's first message is the first there was would bill the fee alone.
    """
    lost, *rest = november(metering)
    begun = [m for m in rest if m[1].day > USED_ON]
    async with running(settings) as client:
        await set_up_catalog(client, headers)
        await subscribe(client, headers)
        await metering.send(begun)
        await eventually(lambda: sealed_days(settings, vendor), lambda days: min(days) > date.min)
        told = await eventually(lambda: attention(client, headers), bool)
        unrated = await statements(client, headers)
        await metering.send([lost, *rest])
        found = await eventually(lambda: statements(client, headers), lambda found: len(found) == 1)
        await eventually(lambda: attention(client, headers), lambda items: not items)

    assert [("missing_seal", "2023-11-01")] == [(i["code"], i["subject"]) for i in told]
    assert [] == unrated
    assert ["655.68158"] == [row["total_exact"] for row in found]


async def test_without_the_check_a_lost_message_would_be_billed_short(
    settings: PricingSettings,
    vendor: str,
    headers: dict[str, str],
    metering: Metering,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check is what keeps a lost message from the bill: without it the fee alone is stated."""

    async def trust(*_arguments: Any, **_named: Any) -> None:
        return

    monkeypatch.setattr("services.pricing.handlers.usage._judge", trust)
    _lost, *seals = november(metering)
    async with running(settings) as client:
        await set_up_catalog(client, headers)
        await subscribe(client, headers)
        await metering.send(seals)
        found = await eventually(lambda: statements(client, headers), lambda found: len(found) == 1)

    assert ["500"] == [row["total_exact"] for row in found]


@pytest.mark.parametrize(("recount", "accept"), [("off", False), ("differs", True)])
async def test_a_day_whose_recount_is_not_accepted_is_not_rated(
    settings: PricingSettings,
    headers: dict[str, str],
    metering: Metering,
    recount: str,
    accept: bool,
) -> None:
    """Unverified days are rated only where the deployment says so, days that differ never."""
    strict = settings.model_copy(update={"pricing_accept_unverified_days": accept})
    async with running(strict) as client:
        await set_up_catalog(client, headers)
        await subscribe(client, headers)
        await metering.send(metering.seals(FIRST, [], recount))
        for day in DAYS[1:]:
            await metering.send(metering.seals(day, [], "agreed"))
        await eventually(lambda: attention(client, headers), bool)
        await metering.send(metering.seals(FIRST, [], "agreed"))
        found = await eventually(lambda: statements(client, headers), lambda found: len(found) == 1)
        await eventually(lambda: attention(client, headers), lambda items: not items)

    assert ["500"] == [row["total_exact"] for row in found]


async def test_what_cannot_be_read_blocks_nothing(
    settings: PricingSettings,
    stack: StackAddress,
    vendor: str,
    headers: dict[str, str],
    metering: Metering,
) -> None:
    """A foreign type and a broken body become dead letters; what follows them is handled."""
    broken = [
        ("UsageAggregated", b"{"),
        ("UsageAggregated", b""),
        ("Nonsense", b"{}"),
        ("DaySealed", b'{"vendor_id": "\\u0000"}'),
    ]
    async with running(settings) as client, create_producer(stack.kafka_bootstrap) as producer:
        await set_up_catalog(client, headers)
        await subscribe(client, headers)
        for name, body in broken:
            await producer.send_and_wait(
                USAGE_AGGREGATED.name,
                body,
                partition=metering.partition("globex"),
                headers=[("type", name.encode()), ("x-test", vendor.encode())],
            )
        nul = metering.usage("globex", [usage_row(FIRST, "input_uncached", 1, agent="\x00")])
        await metering.send([(metering.partition("globex"), nul)])
        await metering.send(november(metering))
        found = await eventually(lambda: statements(client, headers), lambda found: len(found) == 1)

    assert ["655.68158"] == [row["total_exact"] for row in found]
    codes = await dead_letter_codes(settings)
    assert {"invalid_message", "unknown_type", "unstorable_value"} <= codes


async def dead_letter_codes(settings: PricingSettings) -> set[str]:
    database = Database(settings.pricing_database_url.get_secret_value(), connections=1)
    async with database.transaction() as connection:
        counts = await dead_letters.count(connection)
    await database.close()
    return set(counts)
