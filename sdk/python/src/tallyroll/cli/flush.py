"""`tallyroll spool flush`: deliver what dead processes left."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import Progress
from rich.text import Text

from tallyroll import Meter, Spool, Stats
from tallyroll.cli.options import Account, ApiKey, AsJson, Directory, Endpoint, Timeout
from tallyroll.cli.options import directory_of as directory_of_option
from tallyroll.cli.output import (
    ExitCode,
    console,
    end,
    is_hopeless,
    messages,
    print_json,
    progress,
    refuse_usage,
    total_line,
    trouble,
)
from tallyroll.spool.place import destination_folder
from tallyroll.spool.survey import Destination, WriterFolder, destinations_in, look_at

LOOK_SECONDS = 0.1


def flush(
    *,
    endpoint: Endpoint = None,
    api_key: ApiKey = None,
    account: Account = None,
    directory: Directory = None,
    timeout: Timeout = 60.0,
    as_json: AsJson = False,
) -> None:
    """Deliver what dead processes left for this endpoint and account.

    Can be interrupted and run again: what is answered stays answered, the rest waits. Events of
    living processes are delivered by those; they are not touched.
    """
    if not endpoint or not api_key:
        refuse_usage("flush needs --endpoint and --api-key, or TALLYROLL_ENDPOINT and …_API_KEY")
    root = directory_of_option(directory)
    spool = Spool(directory=root, account=account)
    mine = destination_folder(spool, endpoint, api_key)
    destinations = destinations_in(root)
    left = [w for d in destinations if d.path == mine for w in _left_behind(d)]
    started, code = Stats(), ExitCode.DONE
    if left:
        with _interrupts() as interrupted:
            try:
                meter = Meter(endpoint, api_key, spool=spool)
            except ValueError as error:
                refuse_usage(str(error))
            started, code = _deliver(meter, left, timeout, interrupted)
    _report(
        started,
        waiting=_waiting(left),
        others=_others(destinations, mine),
        code=code,
        as_json=as_json,
    )


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Note Ctrl-C for the next look: a meter delivers as soon as it is there, before we wait."""
    asked = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _left_behind(destination: Destination) -> list[WriterFolder]:
    return [w for w in destination.writers if w.state == "left_behind" and w.bytes]


def _others(destinations: list[Destination], mine: Path) -> list[str]:
    """Return the destinations that need another endpoint, key or account."""
    return [d.path.name for d in destinations if d.path != mine and _left_behind(d)]


def _deliver(
    meter: Meter, left: list[WriterFolder], timeout: float, interrupted: threading.Event
) -> tuple[Stats, ExitCode]:
    code = ExitCode.DONE
    try:
        with progress("events") as bar:
            if not _wait(meter, left, timeout, bar, interrupted):
                code = ExitCode.NOT_DONE
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    meter.close(0)
    stats = meter.stats()
    if code is ExitCode.NOT_DONE and stats.last_failure:
        held = Stats(held=1, last_failure=stats.last_failure)
        messages().print(Text(trouble(held), style="red"), soft_wrap=True)
    if code is ExitCode.DONE and (stats.rejected or stats.damaged):
        code = ExitCode.REFUSED
    return stats, code


def _wait(
    meter: Meter,
    left: list[WriterFolder],
    timeout: float,
    bar: Progress,
    interrupted: threading.Event,
) -> bool:
    """Wait until every folder is answered to its end; False if that comes no nearer.

    Raises KeyboardInterrupt at the next look after Ctrl-C.
    """
    total = sum(writer.bytes for writer in left)
    task = bar.add_task("delivering", total=total, events=0, trouble="")
    least, moved_at = total, time.monotonic()
    while remaining := _bytes_in(left):
        stats = meter.stats()
        if remaining < least:
            least, moved_at = remaining, time.monotonic()
        answered = stats.accepted + stats.rejected
        bar.update(
            task, completed=total - remaining, events=f"{answered:,}", trouble=trouble(stats)
        )
        if is_hopeless(stats) or time.monotonic() - moved_at > timeout:
            return False
        if interrupted.wait(LOOK_SECONDS):
            raise KeyboardInterrupt
    bar.update(task, completed=total, events=f"{meter.stats().accepted:,}", trouble="")
    return True


def _bytes_in(folders: list[WriterFolder]) -> int:
    """Return the unanswered bytes; a folder that is gone has none."""
    now = [look_at(writer.path) for writer in folders]
    return sum(writer.bytes for writer in now if writer is not None)


def _waiting(folders: list[WriterFolder]) -> int:
    now = [look_at(writer.path) for writer in folders]
    return sum(1 for writer in now if writer is not None for _ in writer.found())


def _report(
    stats: Stats, *, waiting: int, others: list[str], code: ExitCode, as_json: bool
) -> None:
    numbers: dict[str, Any] = {
        "accepted": stats.accepted,
        "rejected": stats.rejected,
        "lost": stats.lost,
        "waiting": waiting,
    }
    if as_json:
        print_json({**numbers, "other_destinations": others})
        end(code)
    labels = {"rejected": "rejected (see dead-letters.jsonl)", "waiting": "still waiting"}
    console().print(f"Flushed: {total_line({labels.get(n, n): v for n, v in numbers.items()})}")
    if waiting:
        console().print("Run it again to go on.")
    if others:
        told = f"Left for another endpoint, key or account: {', '.join(others)}"
        console().print(Text(told, style="yellow"), soft_wrap=True)
    end(code)
