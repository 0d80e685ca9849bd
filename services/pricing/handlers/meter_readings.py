"""The values of meters that ratings need: looked up, and asked for where they are not there."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.meters import MeterReading, MeterState, meter_of
from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.split.meter_spans import meter_spans
from services.pricing.domain.split.parts import Part
from services.pricing.repository import meter_values, meters
from services.pricing.repository.meter_values import Answer, Question
from services.pricing.tables import outbox
from shared.accounts.repository import Account
from shared.events.meter_wanted import MeterWanted
from shared.ids import length_prefixed
from shared.money import parse_exact
from shared.outbox import Outgoing, put


@dataclass
class MeterLookup:
    """Finds values for one rating, or one bill.

    `kinds` are those of the account's meters that do not add up. With `booked_before` values are
    final, and a rating with `missing` ones is none; without, they are the newest there are.
    `asked` are all questions, `missing` those without a value.
    """

    account: Account
    kinds: frozenset[str]
    booked_before: date | None = None
    asked: list[Question] = field(default_factory=list)
    missing: list[Question] = field(default_factory=list)

    async def read(
        self, connection: AsyncConnection, tenant_id: str, parts: Sequence[Part]
    ) -> list[Part]:
        """Return parts of a period with the values that stand in them."""
        read = list(parts)
        if not self.kinds:
            return read
        for span in meter_spans(parts, self.kinds):
            question = Question(tenant_id, span.kind, span.start, span.end, self.booked_before)
            reading = _reading(question, await self._find(connection, question))
            readings = read[span.place].readings
            found = {**readings.meters, span.kind: reading}
            read[span.place] = replace(read[span.place], readings=replace(readings, meters=found))
        return read

    async def _find(self, connection: AsyncConnection, question: Question) -> Answer | None:
        find = meter_values.read_final if self.booked_before else meter_values.read_newest
        answer = await find(connection, self.account, question)
        self.asked.append(question)
        if answer is None:
            self.missing.append(question)
        return answer


def _reading(question: Question, answer: Answer | None) -> MeterReading:
    """Return an answer as what a rating reads; it stands on the last of its days."""
    day = question.end - timedelta(days=1)
    if answer is None:
        return MeterReading(None, day, "missing")
    state: MeterState = "provisional" if question.booked_before is None else "final"
    return MeterReading(
        parse_exact(answer.value),
        day,
        state,
        answer.events,
        content_hash=answer.content_hash,
        as_of=answer.as_of,
    )


async def live_lookup(connection: AsyncConnection, account: Account) -> MeterLookup:
    """Return what finds the newest values, for what is shown and not billed."""
    return MeterLookup(account, await meters.read_singles(connection, account))


async def newest_readings(
    connection: AsyncConnection, lookup: MeterLookup, tenant_id: str, plan: Plan, period: Period
) -> Mapping[str, MeterReading]:
    """Return the newest values that a plan needs for a tenant's days, missing ones included."""
    (part,) = await lookup.read(connection, tenant_id, [Part(period, plan, "", "")])
    return part.readings.meters


async def ask(connection: AsyncConnection, account: Account, questions: Sequence[Question]) -> None:
    """Ask metering for final values, each once an hour at most until it is answered."""
    for question in dict.fromkeys(questions):
        if await meter_values.note_question(connection, account, question):
            await _send(connection, account, question, "final")


async def ask_live(
    connection: AsyncConnection, account: Account, questions: Sequence[Question], now: datetime
) -> None:
    """Ask metering for values as of now, each once a minute at most."""
    for question in dict.fromkeys(questions):
        if await meter_values.note_live_question(connection, account, question, now):
            await _send(connection, account, question, now.isoformat())


async def _send(
    connection: AsyncConnection, account: Account, question: Question, asked: str
) -> None:
    name, version = meter_of(question.kind)
    wanted = MeterWanted(
        vendor_id=account.vendor_id,
        mode=account.mode,
        tenant_id=question.tenant_id,
        request_id=_request_id(account, question, asked),
        name=name,
        meter_version=version,
        period_start=question.start,
        period_end=question.end,
        booked_before=question.booked_before,
    )
    await put(connection, outbox, [Outgoing(wanted)])


def _request_id(account: Account, question: Question, asked: str) -> str:
    """Return the SHA-256 of a question: the same one has the same id."""
    parts = (account.vendor_id, account.mode, *map(str, vars(question).values()), asked)
    return hashlib.sha256(length_prefixed(*parts)).hexdigest()
