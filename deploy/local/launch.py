"""Become another program that dies with its parent.

Run as a script: `launch.py PARENT_PID DEATH_SIGNAL UID GID ARGV…`; UID and GID are -1 to stay who
we are. It replaces itself by ARGV, so the process id stays. It imports nothing of this project:
it starts in 30 ms, also where the program's user could not read the checkout.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
NOTHING_STARTED = 127


def drop_privileges(uid: int, gid: int) -> None:
    """Become the given user with that one group."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(parent: int, death_signal: int) -> None:
    """Ask Linux for `death_signal` when the parent dies; elsewhere the guardian alone watches."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        # It died before we asked.
        sys.exit(NOTHING_STARTED)


def main() -> None:
    """Set up and replace this process."""
    parent, death_signal, uid, gid = (int(word) for word in sys.argv[1:5])
    argv = sys.argv[5:]
    # A shell that starts us in the background may have left SIGINT ignored, for us and for ARGV.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    if uid >= 0:
        drop_privileges(uid, gid)
    # After the change of user, which clears it.
    die_with_parent(parent, death_signal)
    with contextlib.suppress(OSError):
        os.execvp(argv[0], argv)  # noqa: S606 - replacing this process is the purpose
    sys.stderr.write(f"cannot run {argv[0]}\n")
    sys.exit(NOTHING_STARTED)


if __name__ == "__main__":
    main()
