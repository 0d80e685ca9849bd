"""Questions of pricing for the values of meters."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository import meter_requests
from shared.events.meter_wanted import MeterWanted


async def remember_question(
    connection: AsyncConnection, message: MeterWanted, now: datetime
) -> None:
    """Have a question answered; twice is once, and one that was answered is answered again."""
    await meter_requests.store(connection, message, now)
