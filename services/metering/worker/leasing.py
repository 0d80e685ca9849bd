"""A worker's share of the partitions: asked for between flushes, kept while one is under way."""

import asyncio
import os
import secrets
import socket

from services.metering.repository import leases
from services.metering.repository.leases import Member
from shared.database import Database
from shared.topics import Topic

RENEWALS_PER_LEASE = 3


class Leasing:
    """One worker's membership among those that count a topic."""

    def __init__(self, database: Database, topic: Topic, *, lease_seconds: float) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.member = Member(topic, name, lease_seconds)
        self._database = database

    async def balance(self) -> frozenset[int]:
        """Return the partitions to count from now on; call it only between two flushes."""
        async with self._database.transaction() as connection:
            return await leases.balance(connection, self.member)

    async def keep(self) -> None:
        """Renew until cancelled, also while a long flush is under way."""
        while True:
            await asyncio.sleep(self.member.lease_seconds / RENEWALS_PER_LEASE)
            async with self._database.transaction() as connection:
                await leases.renew(connection, self.member)

    async def leave(self) -> None:
        """Give all partitions back at once."""
        async with self._database.transaction() as connection:
            await leases.leave(connection, self.member)
