"""Where a worker stands in the partitions that it holds."""

from dataclasses import dataclass

from aiokafka import TopicPartition

from shared.topics import USAGE_RECORDED


class LogLostError(Exception):
    """The log and the stored offsets do not fit together: records are lost, a person must look."""


@dataclass
class Standing:
    """One partition: the stored offset, the next record to read, the first that is not counted.

    `stored` lies below `waiting_from` only while nothing was counted of a log that begins later.
    `progressed_at`, a time of the event loop, is when records were last counted.
    """

    stored: int
    next_read: int
    waiting_from: int
    progressed_at: float

    def count(self, new: int, *, now: float) -> None:
        """Note that everything below `new` is counted and stored."""
        self.stored = self.waiting_from = new
        self.progressed_at = now

    def is_counted_to(self, end: int) -> bool:
        """Tell whether all records below `end` are counted; read ahead is not counted."""
        return end <= self.waiting_from


def place_of(partition: int) -> TopicPartition:
    """Return a partition of `usage.recorded` as the consumer names it."""
    return TopicPartition(USAGE_RECORDED.name, partition)


def first_read(stored: int, begin: int, end: int) -> int:
    """Return the first offset to read of a log that holds [begin, end); `stored` are done with.

    A log that ends before the stored offset was replaced; one that begins after it lost records,
    unless nothing was ever read.
    """
    if end < stored:
        raise LogLostError(f"the log ends at {end}, read were {stored}")
    if begin > stored > 0:
        raise LogLostError(f"the log begins at {begin}, read were {stored}")
    return max(begin, stored)
