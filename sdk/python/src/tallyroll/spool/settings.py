"""Where the spool is, what it holds at most, and how hard it is written."""

import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from tallyroll.spool.folder import FOLDER_MODE

Fsync = Literal["never", "interval", "always"]
SPOOL_BYTES_MAX = 256 * 1024 * 1024
SEGMENT_BYTES = 4 * 1024 * 1024
FORMAT = "v1"
_MODE = re.compile(r"tr_[a-z]+_")


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


def destination_folder(spool: Spool, endpoint: str, api_key: str) -> Path:
    """Return the folder of all writers whose events go to the same place for the same account."""
    # Not at the top: it is needed once, and costs more than all else here.
    from hashlib import sha256  # noqa: PLC0415

    mode = _MODE.match(api_key)
    account = spool.account or os.environ.get("TALLYROLL_SPOOL_ACCOUNT")
    # Test usage never goes out under a live key, whatever the account is called.
    owner = f"account:{mode[0] if mode else ''}{account}" if account else f"key:{api_key}"
    endpoint = endpoint.strip().rstrip("/").lower()
    digest = sha256(f"{endpoint}\0{owner}".encode()).hexdigest()[:16]
    host = re.sub(r"[^a-z0-9.]+", "-", urlsplit(endpoint).netloc)[:60]
    return _directory(spool) / FORMAT / f"{host}-{digest}"


def _directory(spool: Spool) -> Path:
    named = spool.directory or os.environ.get("TALLYROLL_SPOOL_DIR")
    if named:
        return Path(named)
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        directory = Path(state) / "tallyroll" / "spool"
        directory.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or not ours to write
        return _temporary_directory()
    return directory if os.access(directory, os.W_OK) else _temporary_directory()


def _temporary_directory() -> Path:
    """Return a folder below the temporary one that nobody else can have prepared."""
    directory = Path(tempfile.gettempdir()) / f"tallyroll-{os.getuid()}"
    directory.mkdir(mode=FOLDER_MODE, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise OSError("the temporary folder of the spool belongs to somebody else")
    return directory
