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


def send(pid: int, number: int, *, group: bool) -> bool:
    """Send a signal; tell whether there was anybody to receive it. Signal 0 only asks."""
    try:
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_all(watched: Watched) -> None:
    """Signal every process, wait for them, kill those that stay."""
    for pid, (number, group) in watched.items():
        send(pid, number, group=group)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline:
        if not any(send(pid, 0, group=group) for pid, (_, group) in watched.items()):
            return
        time.sleep(POLL_SECONDS)
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
