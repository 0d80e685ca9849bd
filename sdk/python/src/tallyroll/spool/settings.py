"""What the user says about the spool."""

import os
from typing import Literal

import msgspec

Fsync = Literal["never", "interval", "always"]
SPOOL_BYTES_MAX = 256 * 1024 * 1024
SEGMENT_BYTES = 4 * 1024 * 1024


class Spool(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the spool.

    directory      default: TALLYROLL_SPOOL_DIR, else `tallyroll/spool` in the user's state folder
    bytes_max      unanswered events of this process on disk at most, those that it took over
                   included; one segment (4 MiB) comes on top
    fsync          what a power loss or a crash of the kernel may take. A process that is killed
                   loses nothing under any of the three.
                   "never": what the kernel has not written yet, typically the last 30 s;
                   "interval": what was recorded in the last `fsync_seconds`;
                   "always": nothing that `record()` has returned for, at the price of one
                   `fsync` a call
    account        for whom the events are. Events left behind are sent by processes of the same
                   endpoint and account. Default: the API key itself, so that usage never goes out
                   under the key of somebody else; name the account if keys get replaced
    """

    directory: str | os.PathLike[str] | None = None
    bytes_max: int = SPOOL_BYTES_MAX
    segment_bytes: int = SEGMENT_BYTES
    fsync: Fsync = "interval"
    fsync_seconds: float = 1.0
    account: str | None = None

    def __post_init__(self) -> None:
        if self.bytes_max < 1 or self.segment_bytes < 1:
            raise ValueError("bytes_max and segment_bytes must be at least 1")
        if self.fsync not in ("never", "interval", "always"):
            raise ValueError("fsync must be 'never', 'interval' or 'always'")
        if self.fsync_seconds <= 0:
            raise ValueError("fsync_seconds must be above 0")
