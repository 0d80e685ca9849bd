"""The watcher: ends what the stack started when the stack itself is gone.

Run as a script. It reads lines from its standard input, whose other end only the stack holds:
`+ PID SIGNAL GROUP` (GROUP is 1 where PID leads a process group) and `- PID`. When the input ends,
the stack has ended, killed or not: whatever is still registered gets its signal, and SIGKILL after
a bound. It may hold the lock of the stack's folder meanwhile, so that no second stack starts on
data that is still being left.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 10.0
POLL_SECONDS = 0.05

Watched = dict[int, tuple[int, bool]]


def is_running(pid: int) -> bool:
    """Tell whether a process runs. One that has ended and only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            state = file.read().rpartition(")")[2].split()[0]
    except OSError:
        # No /proc on this system: reaped by the system's first process, soon.
        return True
    return state not in {"Z", "X"}


def send(pid: int, number: int, *, group: bool) -> None:
    """Send a signal to a process or to the group that it leads, if there is any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def end_all(watched: Watched) -> None:
    """Signal every process, wait for them, kill those that stay."""
    for pid, (number, group) in watched.items():
        send(pid, number, group=group)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(map(is_running, watched)):
        time.sleep(POLL_SECONDS)
    # Those that stayed, and what an ended one has left in its group.
    for pid, (_, group) in watched.items():
        send(pid, signal.SIGKILL, group=group)


def watch() -> Watched:
    """Follow the registrations until the input ends; return what is registered then."""
    watched: Watched = {}
    for line in sys.stdin:
        verb, pid, *rest = line.split()
        if verb == "+":
            watched[int(pid)] = (int(rest[0]), rest[1] == "1")
        else:
            watched.pop(int(pid), None)
    return watched


def main() -> None:
    """Watch, then end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(OSError):
            signal.signal(number, signal.SIG_IGN)
    end_all(watch())


if __name__ == "__main__":
    main()
