"""From single events to an amount: metering with its archive, pricing, and what both tell.

Figures are worked out by hand. January 2026 of acme, four meters that do not add up:
* people, 5.00 each: a, b, c (d comes late).
* seats, the most at a time: 7, at 10.00 up to 5 and 8.00 above.
* storage, weighted by time, 0.31 for each gigabyte: 10 GB from December on, 40 GB from the 11th.
* answers, the first is free in the order in which they happened: 100 (free, though it came last),
  1 and 2, at 2.00 each.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.metering.event_source import HistoricEvents
from services.metering.handlers.meter_requests import remember_question
from services.metering.handlers.meters import create_meter
from services.metering.schemas import MeterWrite
from services.metering.sealing import Sealer
from services.metering.valuing import MeterValuer
from services.pricing.handlers.catalog import publish_version, write_draft
from services.pricing.handlers.meter_values import store_meter_value
from services.pricing.handlers.meters import remember_meter
from services.pricing.handlers.subscriptions import put_subscription
from services.pricing.handlers.usage import record_seal, store_usage
from services.pricing.repository import catalog
from services.pricing.schemas.subscription import SubscriptionWrite
from shared.database import Database
from shared.events.meter_wanted import MeterWanted
from shared.events.statement_rated import StatementRated
from shared.events.usage_aggregated import (
    DaySealed,
    MeterDefined,
    MeterValued,
    UsageAggregated,
)
from tests.support.database import TestDatabase
from tests.support.stack import StackAddress

from .conftest import Ledger, make_event
from .test_archive_verification import Archive, FixedEnds, _archive

__all__ = ["_archive"]

JANUARY, LAST_OF_JANUARY = date(2026, 1, 1), date(2026, 1, 31)
LAST_OF_FEBRUARY = date(2026, 2, 28)
UNIT = {"units": {"gigabytes": "1"}}
METERS: dict[str, dict[str, Any]] = {
    "people": {"aggregation": "unique", "unique_by": "user"},
    "seats": {"aggregation": "max", "source": {"units": {"seats": "1"}}},
    "storage": {"aggregation": "weighted_by_time", "source": UNIT},
    "answers": {
        "aggregation": "sum",
        "source": {"units": {"answers": "1"}},
        "free_events": 1,
    },
}
PRICES: dict[str, dict[str, Any]] = {
    "people": {"model": "per_unit", "unit_amount": "5.00"},
    "seats": {
        "model": "graduated",
        "tiers": [{"up_to": "5", "unit_amount": "10"}, {"up_to": None, "unit_amount": "8"}],
    },
    "storage": {"model": "per_unit", "unit_amount": "0.31"},
    "answers": {"model": "per_unit", "unit_amount": "2.00"},
}


def at(month: int, day: int, hour: int = 0) -> datetime:
    year = 2025 if month == 12 else 2026
    return datetime(year, month, day, hour, tzinfo=UTC)


def used(event_id: str, when: datetime, user: str, **units: str) -> Any:
    return make_event(event_id, occurred_at=when, user=user, tokens={}, units=units)


@dataclass
class Way:
    """Both services, and what lies between them: every message comes `copies` times."""

    archive: Archive
    pricing: Database
    kafka_bootstrap: str
    copies: int = 2

    @property
    def ledger(self) -> Ledger:
        return self.archive.ledger

    async def open_shop(self) -> None:
        """Define the meters, sell them, and put acme on the plan from January on."""
        account = self.archive.account
        for name, definition in METERS.items():
            written = MeterWrite(name=name, definition=definition)
            async with self.ledger.database.transaction() as connection:
                await create_meter(connection, account, written, self.archive.clock.now())
        await self.tell_pricing()
        charges = [
            {"key": name, "name": name, "usage": {"kinds": [f"meter:{name}@1"]}, **price}
            for name, price in PRICES.items()
        ]
        plan = {"key": "all", "name": "All", "charges": list(PRICES)}
        content = {"currency": "USD", "charges": charges, "plans": [plan]}
        terms = SubscriptionWrite.model_validate(
            {"tenant_id": "acme", "price_book": "shop", "plan": "all", "starts_on": "2026-01-01"}
        )
        now = self.archive.clock.now()
        async with self.pricing.transaction() as connection:
            await catalog.put_book(connection, account, "shop", name="Shop")
            await write_draft(connection, account, "shop", version=1, content=content)
            await publish_version(
                connection, account, "shop", version=1, effective_on=JANUARY, now=now
            )
            await put_subscription(connection, account, "main", terms)

    async def seal(self, through: date) -> None:
        """Archive what was counted, and seal."""
        await self.archive.catch_up()
        sealer = Sealer(self.ledger.database, FixedEnds(self.ledger.offsets), self.archive.clock)
        assert await sealer.close(self.archive.account, through) is not None

    async def tell_pricing(self) -> list[MeterValued]:
        """Deliver what metering has to say; return the values among it."""
        messages = await self.ledger.publish()
        for partition, message in messages:
            for _ in range(self.copies):
                async with self.pricing.transaction() as connection:
                    await _deliver(connection, partition, message)
        return [message for _, message in messages if isinstance(message, MeterValued)]

    async def ask_metering(self) -> list[MeterWanted]:
        """Deliver the questions of pricing."""
        async with self.pricing.transaction() as connection:
            rows = (
                await connection.execute(
                    text(
                        "delete from pricing.outbox where headers->>'type' = 'MeterWanted' "
                        "returning position, payload"
                    )
                )
            ).all()
        questions = [
            MeterWanted.model_validate_json(row.payload)
            for row in sorted(rows, key=lambda row: row.position)
        ]
        for question in questions * self.copies:
            async with self.ledger.database.transaction() as connection:
                await remember_question(connection, question, self.archive.clock.now())
        return questions

    async def answer(self) -> None:
        """Compute what is asked for, from the archive alone: everything is in it."""
        events = HistoricEvents(self.ledger.database, self.kafka_bootstrap, self.archive.storage)
        await MeterValuer(self.ledger.database, events, self.archive.clock).answer_waiting()

    async def statements(self) -> Sequence[StatementRated]:
        query = text(
            "select content from pricing.statement where vendor_id = :vendor order by position"
        )
        async with self.pricing.transaction() as connection:
            rows = await connection.execute(query, {"vendor": self.ledger.vendor_id})
            return [StatementRated.model_validate(row.content) for row in rows]


async def _deliver(connection: Any, partition: int, message: Any) -> None:
    if isinstance(message, UsageAggregated):
        await store_usage(connection, message)
    elif isinstance(message, DaySealed):
        await record_seal(connection, message, partition, accepted={"off"})
    elif isinstance(message, MeterDefined):
        await remember_meter(connection, message)
    elif isinstance(message, MeterValued):
        await store_meter_value(connection, message)


@pytest.fixture(name="way")
async def _way(
    archive: Archive, database: TestDatabase, stack: StackAddress, writer: Any
) -> AsyncIterator[Way]:
    await writer(archive.ledger.vendor_id, live_from=date(2030, 1, 1), tenants=["acme"])
    pricing = Database(database.urls["pricing"], connections=2)
    way = Way(archive, pricing, stack.kafka_bootstrap)
    await way.open_shop()
    yield way
    await pricing.close()


async def use_january(way: Way) -> None:
    """Let acme use things; the earliest answer comes last, one event comes twice."""
    await way.ledger.count(
        used("gb-1", at(12, 20), "a", gigabytes="10"),
        used("gb-2", at(1, 11), "a", gigabytes="40"),
        used("seats-1", at(1, 5, 9), "a", seats="3"),
        used("seats-2", at(1, 5, 10), "b", seats="7"),
        used("seats-3", at(1, 31, 23), "c", seats="5"),
        used("answer-2", at(1, 8, 12), "a", answers="1"),
        used("answer-3", at(1, 9), "b", answers="2"),
    )
    await way.ledger.count(
        used("seats-2", at(1, 5, 10), "b", seats="7"),
        used("answer-1", at(1, 8, 11), "c", answers="100"),
    )


def lines_of(statement: StatementRated) -> dict[str, str]:
    """Return amounts by charge, those of adjustments marked with a star."""
    return {
        line.charge + ("*" if line.adjusts else ""): line.amount_exact for line in statement.lines
    }


FIGURES = {"people": "15", "seats": "66", "storage": "9.4", "answers": "6"}


async def test_values_reach_the_statement(way: Way) -> None:
    """Counted, archived, sealed, asked, answered, rated: each message twice, each figure once."""
    await use_january(way)
    await way.seal(LAST_OF_JANUARY)
    await way.tell_pricing()
    waiting = await way.statements()
    questions = await way.ask_metering()
    await way.answer()
    values = {message.name: message for message in await way.tell_pricing()}

    (made,) = await way.statements()

    assert [] == waiting
    assert sorted(METERS) == sorted(question.name for question in questions)
    assert {"people": "3", "seats": "7", "storage": "940/31", "answers": "3"} == {
        name: message.value_exact for name, message in values.items()
    }
    assert FIGURES == lines_of(made)
    assert "96.4" == made.total_exact
    told = {line.charge: line.meters[0].content_hash for line in made.lines}
    assert {name: message.content_hash for name, message in values.items()} == told
    assert ["940/31"] == [line.quantity_exact for line in made.lines if line.quantity_exact]


async def test_the_same_statement_whatever_came_first(way: Way) -> None:
    """Values that are there before pricing hears of the seal make the same statement at once."""
    await use_january(way)
    await way.seal(LAST_OF_JANUARY)
    seals = await way.ledger.publish()
    for question in _questions(way):
        async with way.ledger.database.transaction() as connection:
            await remember_question(connection, question, way.archive.clock.now())
    await way.answer()
    await way.tell_pricing()
    before = await way.statements()
    for partition, message in seals:
        async with way.pricing.transaction() as connection:
            await _deliver(connection, partition, message)

    (made,) = await way.statements()

    assert [] == before
    assert FIGURES == lines_of(made)
    assert [] == await way.ask_metering()


def _questions(way: Way) -> list[MeterWanted]:
    return [
        MeterWanted(
            vendor_id=way.ledger.vendor_id,
            mode="live",
            tenant_id="acme",
            request_id=f"{way.ledger.vendor_id}-{name}",
            name=name,
            meter_version=1,
            period_start=JANUARY,
            period_end=date(2026, 2, 1),
            booked_before=date(2026, 2, 1),
        )
        for name in METERS
    ]


async def test_late_events_change_values_and_are_billed_as_the_difference(way: Way) -> None:
    """A fourth person with 60 GB on the 21st, told in February: 5.00, and 220/31 GB more.

    February has 60 GB all month, which nobody had said again.
    """
    await use_january(way)
    await way.seal(LAST_OF_JANUARY)
    await _settle(way)
    await way.ledger.count(used("gb-3", at(1, 21), "d", gigabytes="60"))
    await way.seal(LAST_OF_FEBRUARY)
    await _settle(way)

    _, february = await way.statements()

    assert {"storage": "18.6", "people*": "5", "storage*": "2.2"} == lines_of(february)
    assert "25.8" == february.total_exact
    assert {"4", "1160/31"} == {
        used_.value_exact for line in february.lines if line.adjusts for used_ in line.meters
    }


async def _settle(way: Way) -> None:
    """Let both sides talk until nothing is asked any more."""
    await way.tell_pricing()
    while await way.ask_metering():
        await way.answer()
        await way.tell_pricing()


async def test_a_question_lost_on_the_way_is_asked_again(way: Way) -> None:
    """The period waits, unrated and not at 0; asked again later it is closed."""
    await use_january(way)
    await way.seal(LAST_OF_JANUARY)
    await way.tell_pricing()
    async with way.pricing.transaction() as connection:
        await connection.execute(text("delete from pricing.outbox"))
        await connection.execute(
            text("update pricing.meter_question set asked_at = asked_at - interval '2 hours'")
        )
    await way.seal(LAST_OF_JANUARY + timedelta(days=1))

    await _settle(way)

    (made,) = await way.statements()
    assert FIGURES == lines_of(made)
