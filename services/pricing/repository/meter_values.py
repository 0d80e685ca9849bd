"""Values of meters that do not add up: what was asked, what was answered, what is true by now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.meter_tables import live_meter, meter_question, meter_value
from services.pricing.repository.selection import keys, owned
from shared.accounts.repository import Account

ASKED_AGAIN_AFTER = timedelta(hours=1)
"""A final value that nobody answered for so long is asked for again, when its period comes up."""

LIVE_AGAIN_AFTER = timedelta(seconds=60)
"""Time between two questions for one live value, at least."""

DAYS = ("vendor_id", "mode", "tenant_id", "kind", "period_start", "period_end")


@dataclass(frozen=True)
class Question:
    """The value of a meter over a tenant's days `[start, end)`.

    With `booked_before` that of what was booked before that day, for good; None: as of now.
    """

    tenant_id: str
    kind: str
    start: date
    end: date
    booked_before: date | None

    @property
    def days(self) -> dict[str, Any]:
        """Return the columns that say which value it is."""
        return {
            "tenant_id": self.tenant_id,
            "kind": self.kind,
            "period_start": self.start,
            "period_end": self.end,
        }


@dataclass(frozen=True)
class Answer:
    """An exact value as text, and what it was computed from."""

    value: str
    events: int
    content_hash: str
    as_of: datetime


async def read_final(
    connection: AsyncConnection, account: Account, question: Question
) -> Answer | None:
    """Return the stored answer to a question for a final value."""
    query = select(meter_value).where(
        owned(meter_value, account, **question.days, booked_before=question.booked_before)
    )
    return _answer((await connection.execute(query)).mappings().one_or_none())


async def read_newest(
    connection: AsyncConnection, account: Account, question: Question
) -> Answer | None:
    """Return the newest value over these days, live or of a seal."""
    live = select(live_meter).where(
        owned(live_meter, account, **question.days), live_meter.c.value.is_not(None)
    )
    final = (
        select(meter_value)
        .where(owned(meter_value, account, **question.days))
        .order_by(meter_value.c.booked_before.desc())
        .limit(1)
    )
    rows = [(await connection.execute(query)).mappings().one_or_none() for query in (live, final)]
    found = [answer for row in rows if (answer := _answer(row)) is not None]
    return max(found, key=lambda answer: answer.as_of, default=None)


def _answer(row: RowMapping | None) -> Answer | None:
    if row is None:
        return None
    return Answer(row["value"], row["events"], row["content_hash"], row["as_of"])


async def note_question(connection: AsyncConnection, account: Account, question: Question) -> bool:
    """Note that a final value is asked for; False while an answer may still be on its way."""
    written = insert(meter_question).values(
        **keys(account), **question.days, booked_before=question.booked_before
    )
    result = await connection.execute(
        written.on_conflict_do_update(
            index_elements=[*DAYS, "booked_before"],
            set_={"asked_at": func.now()},
            where=meter_question.c.asked_at <= func.now() - ASKED_AGAIN_AFTER,
        ).returning(meter_question.c.kind)
    )
    return result.first() is not None


async def note_live_question(
    connection: AsyncConnection, account: Account, question: Question, now: datetime
) -> bool:
    """Note that a live value is asked for; False where that was done within the minute."""
    written = insert(live_meter).values(**keys(account), **question.days, asked_at=now)
    result = await connection.execute(
        written.on_conflict_do_update(
            index_elements=DAYS,
            set_={"asked_at": now},
            where=live_meter.c.asked_at <= now - LIVE_AGAIN_AFTER,
        ).returning(live_meter.c.kind)
    )
    return result.first() is not None


async def store_final(
    connection: AsyncConnection,
    account: Account,
    question: Question,
    answer: Answer,
    *,
    offsets: dict[int, int],
) -> bool:
    """Store a value for good; False where there is one: it stays."""
    written = insert(meter_value).values(
        **keys(account),
        **question.days,
        booked_before=question.booked_before,
        offsets={str(partition): offset for partition, offset in offsets.items()},
        **vars(answer),
    )
    result = await connection.execute(
        written.on_conflict_do_nothing().returning(meter_value.c.kind)
    )
    return result.first() is not None


async def store_live(
    connection: AsyncConnection, account: Account, question: Question, answer: Answer
) -> None:
    """Put a live value in place of an older one."""
    values = vars(answer)
    written = insert(live_meter).values(
        **keys(account), **question.days, **values, asked_at=answer.as_of
    )
    older = or_(live_meter.c.as_of.is_(None), live_meter.c.as_of <= answer.as_of)
    await connection.execute(
        written.on_conflict_do_update(index_elements=DAYS, set_=values, where=older)
    )


async def list_unanswered(
    connection: AsyncConnection, account: Account, *, longer_than: timedelta, limit: int
) -> Sequence[RowMapping]:
    """Return questions that periods have waited on for some time, the oldest first."""
    same = (meter_value.c[name] == meter_question.c[name] for name in (*DAYS, "booked_before"))
    query = (
        select(meter_question)
        .where(
            owned(meter_question, account),
            meter_question.c.first_asked_at <= func.now() - longer_than,
            ~exists().where(*same),
        )
        .order_by(meter_question.c.first_asked_at, *(meter_question.c[n] for n in DAYS[2:]))
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()


async def forget_live(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Delete live values that nobody has looked at since an instant; return how many."""
    old = select(*(live_meter.c[name] for name in DAYS)).where(live_meter.c.asked_at < before)
    rows = (await connection.execute(old.limit(limit))).mappings().all()
    for row in rows:
        same = (live_meter.c[name] == row[name] for name in DAYS)
        await connection.execute(live_meter.delete().where(*same))
    return len(rows)
