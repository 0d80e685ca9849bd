"""Results of Gemini's batches: inside the job that is fetched, or in a file that it names."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from tallyroll.locks import ForkLock
from tallyroll.usage.surface import Json, at, objects
from tallyroll.wrapping.google_routes import CONTENT, EMBEDDINGS, Call
from tallyroll.wrapping.session import Session

KEPT_MAX = 1_000
"""Jobs that are remembered, and files whose job is known."""
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
_INLINED: tuple[tuple[str, Call], ...] = (
    ("inlinedResponses", CONTENT),
    ("inlinedEmbedContentResponses", EMBEDDINGS),
)


class BatchResults:
    """Records each result of a batch once, however often it is fetched."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._recorded: OrderedDict[str, None] = OrderedDict()
        self._files: OrderedDict[str, Json] = OrderedDict()
        self._lock = ForkLock()

    def look(self, http_request: Any, response: Any) -> None:
        """Look at an answer that is metered in no other way, if it is a batch."""
        if http_request.method.lower() == "get" and "/batches/" in http_request.url:
            guard = self._session.recorder.guard
            guard("batch", lambda: self._record(response.json), None)

    def look_at_file(self, path: str, content: bytes | None) -> None:
        """Look at a file, if it has the results of a batch; None: it went elsewhere."""
        guard = self._session.recorder.guard
        guard("batch", lambda: self._record_file(path.partition(":")[0], content), None)

    def _record(self, job: Json) -> None:
        state = str(at(job, "metadata", "state")).rpartition("_")[2]
        if not isinstance(at(job, "name"), str) or not (at(job, "done") or state in _ENDED):
            return
        for output in (at(job, "metadata", "output"), at(job, "response")):
            file = at(output, "responsesFile")
            if isinstance(file, str):
                _keep(self._files, file, job)
            for name, call in _INLINED:
                self._record_results(job, call, objects(at(output, name, "inlinedResponses")))

    def _record_file(self, name: str, content: bytes | None) -> None:
        job = self._files.get(name)
        if job is not None and content is not None:
            lines = (msgspec.json.decode(line) for line in content.splitlines() if line.strip())
            self._record_results(job, CONTENT, lines)
        elif job is not None or name.startswith("files/batch-"):
            self._session.recorder.unmetered("batch results")

    def _record_results(self, job: Json, call: Call, results: Iterable[Json]) -> None:
        """Record those that have an answer; an error is free."""
        answers = [(n, one["response"]) for n, one in enumerate(results) if one.get("response")]
        name = job["name"]
        assert isinstance(name, str)
        if not answers or not self._is_first(name):
            return
        model, began = at(job, "metadata", "model"), _time(at(job, "metadata", "createTime"))
        for place, answer in answers:
            request = self._session.begin(
                call.api_surface,
                model.removeprefix("models/") if isinstance(model, str) else None,
                batch=True,
                once=f"{self._session.provider}/{name}/{place}",
            )
            if began is not None:
                request.asked = replace(request.asked, occurred_at=began)
            request.answered(call.read(answer))

    def _is_first(self, name: str) -> bool:
        with self._lock:
            first = name not in self._recorded
            _keep(self._recorded, name, None)
        return first


def _keep(kept: OrderedDict[str, Any], name: str, value: Any) -> None:
    kept[name] = value
    while len(kept) > KEPT_MAX:
        kept.popitem(last=False)


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
