"""Where the spool is: one folder for each endpoint and account."""

import os
import re
import stat
import tempfile
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from tallyroll.spool.folder import FOLDER_MODE
from tallyroll.spool.settings import Spool

FORMAT = "v1"
_MODE = re.compile(r"tr_[a-z]+_")


def destination_folder(spool: Spool, endpoint: str, api_key: str) -> Path:
    """Return the folder of all writers whose events go to the same place for the same account."""
    mode = _MODE.match(api_key)
    account = spool.account or os.environ.get("TALLYROLL_SPOOL_ACCOUNT")
    # Test usage never goes out under a live key, whatever the account is called.
    owner = f"account:{mode[0] if mode else ''}{account}" if account else f"key:{api_key}"
    endpoint = endpoint.strip().rstrip("/").lower()
    digest = sha256(f"{endpoint}\0{owner}".encode()).hexdigest()[:16]
    host = re.sub(r"[^a-z0-9.]+", "-", urlsplit(endpoint).netloc.rpartition("@")[2])[:60]
    return spool_directory(spool) / FORMAT / f"{host}-{digest}"


def spool_directory(spool: Spool) -> Path:
    """Return the folder of all spools of this user. OSError if there is nowhere to write."""
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
