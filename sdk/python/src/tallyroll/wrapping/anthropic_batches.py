"""Results of Anthropic's message batches: each that is fetched is an event.

A batch says nothing of usage but in its results, which can be fetched for weeks, in any program.
So the ids of their events are made of the messages' ids: fetched twice, they count once.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from msgspec.structs import replace

from tallyroll.recording.asked import Asked
from tallyroll.usage.surface import Json
from tallyroll.wrapping.picking import picked, read
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.session import Session
from tallyroll.wrapping.streams import See, SeenAsyncStream, SeenStream

BATCHES_KEPT_MAX = 1_000
_PATH = re.compile(r"/v1/messages/batches/([^/?]+)(/results)?(?:\?|$)")


class _Download(Request):
    """Results on their way; each is told by itself, so their end says nothing."""

    def ended(self) -> None:
        """Tell nothing."""


class _Batches:
    """When batches were made, of those that this client asked about."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: OrderedDict[str, datetime] = OrderedDict()

    def seen(self, found: re.Match[str], answer: Any) -> Any:
        """Return a batch as it is, or the results of one, watched."""
        batch, results = found.groups()
        if results is None:
            self._remember(batch, read(answer, "created_at"))
            return answer
        if hasattr(answer, "__next__"):
            return SeenStream(answer, self._download(), self._see(batch))
        if hasattr(answer, "__anext__"):
            return SeenAsyncStream(answer, self._download(), self._see(batch))
        return answer

    def _remember(self, batch: str, made: object) -> None:
        if isinstance(made, datetime) and made.tzinfo is not None:
            self._made[batch] = made
            while len(self._made) > BATCHES_KEPT_MAX:
                self._made.popitem(last=False)

    def _download(self) -> Request:
        return _Download(self._session.recorder, self._asked(None))

    def _asked(self, batch: str | None) -> Asked:
        """Return what is known of all requests of a batch: they were made with it, not now."""
        asked = self._session.begin("messages", None, batch=True).asked
        made = self._made.get(batch) if batch else None
        return asked if made is None else replace(asked, occurred_at=made)

    def _see(self, batch: str) -> See:
        asked, recorder = self._asked(batch), self._session.recorder

        def see(line: Any) -> tuple[Json | None, bool]:
            message = read(read(line, "result"), "message")  # of one that failed there is none
            if message is not None:
                said = picked(message, "id", "model", "usage")
                once = f"{asked.provider} {said['id']}" if "id" in said else None
                recorder.answered(replace(asked, model=said.get("model")), said, once=once)
            return None, False

        return see


def watching_get(kind: Any, session: Session) -> Callable[..., Any]:
    """Return `get()` of a metered client, sync or async as that of its class is.

    What the SDK parses passes through the `post_parser` of its options, whether it parses at once
    or when the caller of `with_raw_response` says so.
    """
    original, batches = kind.get, _Batches(session)

    @wraps(original)
    def get(self: Any, path: str, **arguments: Any) -> Any:
        if (found := _PATH.search(path)) is not None:
            options = arguments.get("options") or {}
            arguments["options"] = {**options, "post_parser": parser(found, options)}
        return original(self, path, **arguments)

    def parser(found: re.Match[str], options: Any) -> Callable[[Any], Any]:
        given = options.get("post_parser")

        def seen(parsed: Any) -> Any:
            answer = session.recorder.guard("batch", lambda: batches.seen(found, parsed), parsed)
            return given(answer) if callable(given) else answer

        return seen

    return get
