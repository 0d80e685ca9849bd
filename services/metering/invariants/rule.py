"""What a rule is, and what it finds."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

OFFENDING_SHOWN = 5


@dataclass(frozen=True)
class Scope:
    """Whose data is checked; None is everybody's."""

    vendor_id: str | None = None
    mode: str | None = None


@dataclass(frozen=True)
class Finding:
    """How many rows a rule looked at, and the keys of those that break it."""

    rows: int
    offending: list[str] = field(default_factory=list)


class Rule(Protocol):
    """One invariant. `check` reads in the caller's snapshot and changes nothing."""

    @property
    def name(self) -> str: ...

    async def check(self, connection: AsyncConnection, scope: Scope) -> Finding: ...


OF_SCOPE = (
    "(cast(:vendor as text) is null or vendor_id = :vendor) "
    "and (cast(:mode as text) is null or mode = :mode)"
)
"""The condition that goes with `read`."""


async def read(connection: AsyncConnection, statement: str, scope: Scope) -> list[Any]:
    """Return the rows of a statement with the parameters `vendor` and `mode`."""
    values = {"vendor": scope.vendor_id, "mode": scope.mode}
    return list((await connection.execute(text(statement), values)).all())
