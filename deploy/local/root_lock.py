"""One stack per folder."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.errors import StackError
from deploy.local.guardian import is_running

LOCK_NAME = "stack.lock"
LEAVING_SECONDS_MAX = 20.0
POLL_SECONDS = 0.1


class RootLock:
    """An exclusive lock on a stack's folder, held as long as the file is open.

    The guardian inherits the open file: after a kill of the stack the lock stays until everything
    that it had started is gone.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / LOCK_NAME
        self.descriptor = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._acquire()
        except BaseException:
            os.close(self.descriptor)
            raise
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)

    def _acquire(self) -> None:
        deadline = time.monotonic() + LEAVING_SECONDS_MAX
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(self.descriptor, 32, 0).decode() or "0"
                if (holder != "0" and is_running(int(holder))) or time.monotonic() > deadline:
                    raise StackError(
                        "stack_already_running",
                        f"Process {holder} runs a stack in {self._path.parent}; stop it, or give "
                        "another folder.",
                    ) from None
                # The holder was killed; its guardian is still ending its servers.
                time.sleep(POLL_SECONDS)
            else:
                return
