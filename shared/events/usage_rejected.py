"""`usage.rejected`: events that were accepted and could not be counted, with the reason.

Guarantees: every acknowledged event is counted once or is here, never both. A rejection is unique
by where the event came from: (origin partition, offset, index). A rejected event claims no id.
"""

from typing import Any, ClassVar

from pydantic import Field

from shared.events.message import Message
from shared.topics import USAGE_REJECTED, Topic


class UsageRejected(Message):
    """One refused event; `event` is as much of it as could be read."""

    topic: ClassVar[Topic] = USAGE_REJECTED

    tenant_id: str
    event_id: str
    code: str
    field: str
    message: str
    origin_partition: int = Field(ge=0)
    origin_offset: int = Field(ge=0)
    origin_index: int = Field(ge=0, description="place of the event inside its envelope, from 0")
    event: dict[str, Any]

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id, self.event_id)
