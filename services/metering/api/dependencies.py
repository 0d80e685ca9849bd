"""What the routes work with, and who may call them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import StringConstraints

from services.metering.archive.drill_down import DrillDown
from services.metering.archive.lookup import EventLookup
from services.metering.event_source import EventSource
from services.metering.handlers.events import Needs as JudgingNeeds
from services.metering.ingest.gather import Gatherer
from services.metering.ingest.log import LogEnds
from services.metering.repository.tenants import KnownTenants
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.clock import Clock
from shared.database import Database
from shared.ids import IDENTIFIER_PATTERN

EventsWriter = Annotated[Caller, Depends(requires(Scope.EVENTS_WRITE))]
UsageReader = Annotated[Caller, Depends(requires(Scope.USAGE_READ))]
CatalogWriter = Annotated[Caller, Depends(requires(Scope.CATALOG_WRITE))]
AccountsWriter = Annotated[Caller, Depends(requires(Scope.ACCOUNTS_WRITE))]
Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN.replace(r"\Z", "$"))]
Name = Annotated[str, Query(pattern=IDENTIFIER_PATTERN.replace(r"\Z", "$"))]


@dataclass(frozen=True)
class Dependencies:
    """What the routes work with; put together in `app.py`."""

    database: Database
    gatherer: Gatherer
    ends: LogEnds
    tenants: KnownTenants
    clock: Clock
    partitions: int
    drill_down: DrillDown
    events: EventSource
    lookup: EventLookup

    @property
    def judging(self) -> JudgingNeeds:
        """What judging a body needs."""
        return JudgingNeeds(self.tenants, self.clock, self.partitions)


def get_dependencies(request: Request) -> Dependencies:
    """Return what the running app was put together from."""
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


Needs = Annotated[Dependencies, Depends(get_dependencies)]
