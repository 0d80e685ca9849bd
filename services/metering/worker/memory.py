"""What a worker remembers of its partitions; all of it can be read back from Postgres."""

from dataclasses import dataclass, field

from services.metering.repository.counting import KnownRows
from services.metering.repository.identities import Target, Tenant
from services.metering.worker.identity import SegmentCache


@dataclass
class Memory:
    """Valid while the compare-and-set of offsets says that nobody else counts the partitions.

    `waiting` has the targets that corrections wait for, by partition, once they have been read.
    """

    segments: SegmentCache = field(default_factory=SegmentCache)
    tenant_numbers: dict[Tenant, int] = field(default_factory=dict)
    waiting: dict[int, set[Target]] = field(default_factory=dict)
    rows: KnownRows = field(default_factory=KnownRows)

    def clear(self) -> None:
        """Drop everything: a flush that failed may have left what was never committed."""
        self.segments.clear()
        self.tenant_numbers.clear()
        self.waiting.clear()
        self.rows.clear()

    def forget(self, partition: int) -> None:
        """Drop what is known of a partition that somebody else counts from now on."""
        self.segments.forget(partition)
        self.waiting.pop(partition, None)
