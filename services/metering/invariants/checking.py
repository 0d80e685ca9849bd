"""All rules over one snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.metering.ingest.log import LogEnds
from services.metering.invariants.identities import (
    CountedAreIdentities,
    CountedOrRejected,
    IdentitiesOnce,
)
from services.metering.invariants.offsets import (
    NothingAhead,
    OffsetsInLog,
    SealsContiguous,
    SealVectors,
)
from services.metering.invariants.rule import Finding, Rule, Scope
from services.metering.invariants.sums import RollupHoldsCounted, UserRollupAgrees
from shared.database import Database


@dataclass(frozen=True)
class Checked:
    """One rule's name and what it found."""

    name: str
    finding: Finding


async def verify(database: Database, log: LogEnds, scope: Scope) -> list[Checked]:
    """Check every rule in one snapshot, so that a worker may go on counting meanwhile."""
    async with database.transaction("REPEATABLE READ") as connection:
        own_rules: Sequence[Rule] = (
            NothingAhead(),
            CountedAreIdentities(),
            IdentitiesOnce(),
            CountedOrRejected(),
            RollupHoldsCounted(),
            UserRollupAgrees(),
            SealsContiguous(),
            SealVectors(),
        )
        checked = [Checked(r.name, await r.check(connection, scope)) for r in own_rules]
        # After the snapshot was taken: the log can only have grown.
        in_log = OffsetsInLog(await log.end_offsets())
        return [Checked(in_log.name, await in_log.check(connection, scope)), *checked]
