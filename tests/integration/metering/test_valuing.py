"""Questions for values of meters: answered once, from what is sealed, whatever fails meanwhile."""

import dataclasses
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from aiokafka.errors import KafkaConnectionError
from pydantic import SecretStr

from services.metering import valuing
from services.metering.attention import ATTEMPTS_MAX, Moment, list_attention
from services.metering.consumers import add_consumers
from services.metering.event_source import EventSelection
from services.metering.handlers.meter_requests import remember_question
from services.metering.handlers.meter_values import value_of
from services.metering.handlers.meters import create_meter
from services.metering.repository import seals
from services.metering.schemas import MeterWrite
from services.metering.settings import MeteringSettings
from services.metering.valuing import MeterValuer
from shared.accounts.repository import Account
from shared.broker import create_broker, create_producer
from shared.clock import FrozenClock
from shared.events.meter_wanted import MeterWanted
from shared.events.usage_aggregated import MeterValued
from shared.outbox import Outgoing
from shared.topics import METER_WANTED
from tests.support.database import TestDatabase
from tests.support.pricing_service import eventually
from tests.support.stack import StackAddress

from .conftest import Ledger, make_event
from .test_meters import MemorySource

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@dataclasses.dataclass
class FailingSource:
    """Events that cannot be read for some accounts, as often as told."""

    inner: MemorySource
    failures: dict[str, int]
    read: list[EventSelection] = dataclasses.field(default_factory=list)

    async def events(self, selection: EventSelection) -> pl.DataFrame:
        self.read.append(selection)
        vendor = selection.account.vendor_id
        if self.failures.get(vendor, 0):
            self.failures[vendor] -= 1
            raise KafkaConnectionError
        return await self.inner.events(selection)


@dataclasses.dataclass
class Asked:
    """A vendor whose questions are answered from a ledger's log."""

    ledger: Ledger
    clock: FrozenClock
    source: FailingSource

    @property
    def account(self) -> Account:
        return Account(self.ledger.vendor_id, "live")

    @property
    def valuer(self) -> MeterValuer:
        return MeterValuer(self.ledger.database, self.source, self.clock)

    async def define(self, name: str, **definition: Any) -> None:
        written = MeterWrite(name=name, definition=definition)
        async with self.ledger.database.transaction() as connection:
            await create_meter(connection, self.account, written, self.clock.now())

    async def seal(self, first: date, through: date) -> None:
        days = [first + timedelta(days=i) for i in range((through - first).days + 1)]
        async with self.ledger.database.transaction() as connection:
            await seals.insert_seals(
                connection,
                self.account,
                days,
                offsets=self.ledger.offsets,
                sealed_at=self.clock.now(),
            )

    def question(self, request_id: str, name: str = "people", **values: Any) -> MeterWanted:
        fixed = {
            "vendor_id": self.ledger.vendor_id,
            "mode": "live",
            "tenant_id": "acme",
            "request_id": f"{self.ledger.vendor_id}-{request_id}",
            "name": name,
            "meter_version": 1,
            "period_start": JANUARY,
            "period_end": FEBRUARY,
            "booked_before": FEBRUARY,
        }
        return MeterWanted.model_validate(fixed | values)

    async def ask(self, *questions: MeterWanted) -> None:
        for question in questions:
            async with self.ledger.database.transaction() as connection:
                await remember_question(connection, question, self.clock.now())

    async def told(self) -> list[MeterValued]:
        published = await self.ledger.publish()
        return [message for _, message in published if isinstance(message, MeterValued)]

    async def waiting(self) -> list[tuple[str, int, str | None]]:
        rows = await self.ledger.query(
            "select request_id, attempts, failure from metering.meter_request "
            "where vendor_id = :vendor order by request_id"
        )
        prefix = f"{self.ledger.vendor_id}-"
        return [(row[0].removeprefix(prefix), row[1], row[2]) for row in rows]


@pytest.fixture(name="asked")
async def _asked(ledger: Ledger) -> Asked:
    await ledger.query("delete from metering.meter_request")
    asked = Asked(ledger, FrozenClock(NOW), FailingSource(MemorySource(ledger), {}))
    await asked.define("people", aggregation="unique", unique_by="user")
    return asked


async def test_the_same_question_has_the_same_answer(asked: Asked) -> None:
    """Asked again, later, with more events there: the stored value, and nothing is read."""
    await asked.ledger.count(make_event("1", user="a"), make_event("2", user="b"))
    await asked.seal(JANUARY, date(2026, 1, 31))
    question = asked.question("q")
    await asked.ask(question, question)
    first_time = await asked.valuer.answer_waiting()
    (first,) = await asked.told()
    await asked.ledger.count(make_event("3", user="late"))
    await asked.ask(question)
    await asked.valuer.answer_waiting()
    (second,) = await asked.told()

    assert 1 == first_time
    assert ("2", 2, FEBRUARY) == (first.value_exact, first.events, first.booked_before)
    assert first == second
    assert 1 == len(asked.source.read)
    assert [] == await asked.waiting()


async def test_what_came_late_is_in_a_later_answer_only(asked: Asked) -> None:
    """The bound picks the seal whose offsets decide: what is booked after it is not in."""
    await asked.ledger.count(make_event("1", user="a"))
    await asked.seal(JANUARY, date(2026, 1, 31))
    at_first = dict(asked.ledger.offsets)
    await asked.ledger.count(make_event("2", user="late"))
    await asked.seal(FEBRUARY, date(2026, 2, 28))
    await asked.ledger.count(make_event("3", user="later"))
    await asked.ask(
        asked.question("first"),
        asked.question("again", booked_before=MARCH),
        asked.question("live", booked_before=None),
    )

    await asked.valuer.answer_waiting()

    told = {message.booked_before: message for message in await asked.told()}
    assert {FEBRUARY: "1", MARCH: "2", None: "3"} == {
        bound: message.value_exact for bound, message in told.items()
    }
    assert at_first == told[FEBRUARY].offsets
    assert told[FEBRUARY].content_hash != told[MARCH].content_hash
    assert (NOW, True, False) == (
        *(told[FEBRUARY].as_of, told[FEBRUARY].is_final, told[None].is_final),
    )


async def test_one_reading_answers_many_and_keeps_tenants_apart(asked: Asked) -> None:
    """Questions of one account and bound share a reading of those tenants' events."""
    await asked.define("answers", aggregation="count", free_events=1)
    await asked.ledger.count(
        make_event("1", user="a"),
        make_event("2", user="b"),
        make_event("1", user="c", tenant_id="globex"),
        make_event("1", user="d", tenant_id="initech"),
    )
    await asked.seal(JANUARY, date(2026, 1, 31))
    await asked.ask(
        asked.question("1"),
        asked.question("2", "answers"),
        asked.question("3", tenant_id="globex"),
    )

    await asked.valuer.answer_waiting()

    assert {("people", "acme", "2"), ("answers", "acme", "1"), ("people", "globex", "1")} == {
        (message.name, message.tenant_id, message.value_exact) for message in await asked.told()
    }
    assert [frozenset({"acme", "globex"})] == [read.tenants for read in asked.source.read]


async def test_what_cannot_be_read_is_tried_again_and_blocks_nobody(asked: Asked) -> None:
    """One vendor's events are away: the other's question is answered, then, later, its own."""
    other = Asked(
        Ledger(asked.ledger.database, offsets=asked.ledger.offsets, log=asked.ledger.log),
        asked.clock,
        asked.source,
    )
    await other.define("people", aggregation="unique", unique_by="user")
    await asked.ledger.count(make_event("1", user="a"))
    other.ledger.offsets = asked.ledger.offsets
    await other.ledger.count(make_event("1", user="a"))
    for vendor in (asked, other):
        await vendor.seal(JANUARY, date(2026, 1, 31))
        await vendor.ask(vendor.question("q"))
    asked.source.failures[asked.ledger.vendor_id] = 1

    answered = await asked.valuer.answer_waiting()
    still = await asked.waiting()
    at_once = await asked.valuer.answer_waiting()
    asked.clock.advance(timedelta(seconds=2))
    later = await asked.valuer.answer_waiting()

    assert (1, 0, 1) == (answered, at_once, later)
    assert [("q", 1, "KafkaConnectionError")] == still
    assert [] == await asked.waiting() == await other.waiting()


async def test_dying_before_the_answer_is_out_leaves_the_question(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Value, message and the end of the question are one transaction."""
    await asked.ledger.count(make_event("1", user="a"))
    await asked.seal(JANUARY, date(2026, 1, 31))
    await asked.ask(asked.question("q"))

    async def die(*_arguments: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(valuing, "put", die)
        await asked.valuer.answer_waiting()
    stored = await asked.ledger.query(
        "select v.value from metering.meter_value v join metering.meter m on m.id = v.meter_id "
        "where m.vendor_id = :vendor"
    )
    asked.clock.advance(timedelta(seconds=2))
    await asked.valuer.answer_waiting()

    assert [] == stored
    assert ["1"] == [message.value_exact for message in await asked.told()]
    assert [] == await asked.waiting()


async def test_open_days_and_unknown_meters_wait(asked: Asked) -> None:
    """A final value of days that are open, or of a meter that is not there, is not made up."""
    await asked.ask(asked.question("open"))
    open_days = await asked.valuer.answer_waiting()
    await asked.seal(JANUARY, date(2026, 1, 31))
    await asked.ask(asked.question("unknown", "nobody"))
    unknown = await asked.valuer.answer_waiting()

    assert (0, 0) == (open_days, unknown)
    assert [("open", 1, "day_not_sealed"), ("unknown", 1, "unknown_meter")] == (
        await asked.waiting()
    )
    asked.clock.advance(timedelta(seconds=2))
    assert 1 == await asked.valuer.answer_waiting()


async def test_what_fails_for_a_minute_is_told(asked: Asked) -> None:
    """A person hears of it, with the reason, until the value is there."""
    await asked.ledger.count(make_event("1", user="a"))
    await asked.seal(JANUARY, date(2026, 1, 31))
    await asked.ask(asked.question("q"))
    asked.source.failures[asked.ledger.vendor_id] = ATTEMPTS_MAX

    async def told() -> list[tuple[str, str, int]]:
        moment = Moment(asked.clock.now(), timedelta(hours=12))
        async with asked.ledger.database.transaction() as connection:
            items = await list_attention(connection, asked.account, moment)
        return [(item.code, item.subject, item.count) for item in items]

    heard = []
    for _ in range(ATTEMPTS_MAX):
        heard.append(await told())
        await asked.valuer.answer_waiting()
        asked.clock.advance(timedelta(minutes=2))
    loud = await told()
    await asked.valuer.answer_waiting()

    assert [[]] * ATTEMPTS_MAX == heard
    assert [("meter_values_failing", "KafkaConnectionError", 1)] == loud
    assert [] == await told()


async def test_a_value_that_cannot_be_computed_holds_up_only_itself(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one reading, the tenant whose value fails waits; the others are told."""
    await asked.ledger.count(make_event("1"), make_event("1", tenant_id="globex"))
    await asked.seal(JANUARY, date(2026, 1, 31))
    await asked.ask(asked.question("1"), asked.question("2", tenant_id="globex"))

    def fail_for_acme(meter: Any, events: pl.DataFrame, span: Any) -> Any:
        if span.tenant_id == "acme":
            raise ArithmeticError
        return value_of(meter, events, span)

    monkeypatch.setattr(valuing, "value_of", fail_for_acme)
    await asked.valuer.answer_waiting()

    assert ["globex"] == [message.tenant_id for message in await asked.told()]
    assert [("1", 1, "not_computed")] == await asked.waiting()


async def test_a_newer_live_question_replaces_the_older(asked: Asked) -> None:
    """Nobody waits for what was true a minute ago."""
    await asked.ask(
        asked.question("old", booked_before=None), asked.question("new", booked_before=None)
    )

    assert [("new", 0, None)] == await asked.waiting()


async def test_questions_come_in_over_kafka(
    asked: Asked, stack: StackAddress, database: TestDatabase
) -> None:
    """What is no question is left behind, and the next one is heard."""
    settings = MeteringSettings(
        kafka_bootstrap=stack.kafka_bootstrap,
        secret_key=SecretStr("pepper-of-thirty-two-bytes-or-so"),
        metering_database_url=SecretStr(database.urls["metering"]),
        metering_consumer_group=f"metering-{uuid4().hex}",
    )
    broker = create_broker(stack.kafka_bootstrap, logger=None)
    add_consumers(broker, asked.ledger.database, asked.clock, settings)
    row = Outgoing(asked.question("heard")).row()
    async with create_producer(stack.kafka_bootstrap) as producer:
        await producer.send(METER_WANTED.name, b"no question", partition=0)
        await producer.send(METER_WANTED.name, row["payload"], partition=0)
    await broker.start()
    try:
        heard = await eventually(asked.waiting, bool)
    finally:
        await broker.stop()

    assert [("heard", 0, None)] == heard
