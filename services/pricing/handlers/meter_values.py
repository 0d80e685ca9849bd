"""Values of meters as they come from metering."""

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.meters import METER_PREFIX
from services.pricing.handlers.closing import close_periods
from services.pricing.repository import meter_values
from services.pricing.repository.locks import lock_closing, tenant_partition
from services.pricing.repository.meter_values import Answer, Question
from shared.accounts.repository import Account
from shared.events.usage_aggregated import MeterValued

logger = structlog.get_logger()


async def store_meter_value(connection: AsyncConnection, message: MeterValued) -> None:
    """Store a value; a final one that a period waited for closes it. Twice is once."""
    account = Account(message.vendor_id, message.mode)
    kind = f"{METER_PREFIX}{message.name}@{message.meter_version}"
    days = (message.period_start, message.period_end)
    question = Question(message.tenant_id, kind, *days, message.booked_before)
    answer = Answer(message.value_exact, message.events, message.content_hash, message.as_of)
    if not message.is_final:
        await meter_values.store_live(connection, account, question, answer)
        return
    partition = tenant_partition(account, message.tenant_id)
    await lock_closing(connection, account, [partition])
    offsets = message.offsets
    if await meter_values.store_final(connection, account, question, answer, offsets=offsets):
        await close_periods(connection, account, partition, message.tenant_id)
        return
    known = await meter_values.read_final(connection, account, question)
    if known is None or (known.value, known.content_hash) != (answer.value, answer.content_hash):
        # What was billed with stays; that metering says something else now is for a person.
        logger.error("meter_value_differs", vendor_id=account.vendor_id, **question.days)
