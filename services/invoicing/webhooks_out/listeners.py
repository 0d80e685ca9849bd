"""Which vendors have endpoints: asked for once a second, as most messages concern none of them."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.invoicing.repository.webhook_endpoints import list_vendors
from shared.clock import Clock
from shared.database import Database

logger = structlog.get_logger()

CACHE_LIFE = timedelta(seconds=1)
"""A new endpoint that another process made is heard of so late, at most."""


class Listeners:
    """A short-lived cache of vendors with endpoints."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._vendors: frozenset[str] = frozenset()
        self._read_at: datetime | None = None

    async def include(self, vendor_id: str) -> bool:
        """Tell whether a vendor has an endpoint; yes when nobody knows."""
        now = self._clock.now()
        if self._read_at is None or now - self._read_at >= CACHE_LIFE:
            try:
                async with self._database.transaction() as connection:
                    self._vendors = await list_vendors(connection)
            except (SQLAlchemyError, OSError) as error:
                # Whoever handles the message meets the same, and waits for Postgres.
                logger.warning("webhook_listeners_unknown", cause=type(error).__name__)
                return True
            self._read_at = now
        return vendor_id in self._vendors

    def forget(self) -> None:
        """Ask anew: this process has made an endpoint."""
        self._read_at = None
