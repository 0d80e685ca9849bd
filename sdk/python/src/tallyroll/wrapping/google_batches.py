"""Results of Gemini's batches, which come inside the job that is fetched."""

from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Any

from tallyroll.usage.surface import Json, at, objects
from tallyroll.wrapping.google_routes import CONTENT, EMBEDDINGS, Call
from tallyroll.wrapping.session import Session

RECORDED_KEPT_MAX = 1_000
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
_RESULTS: tuple[tuple[tuple[str, ...], Call], ...] = (
    (("inlinedResponses", "inlinedResponses"), CONTENT),
    (("inlinedEmbedContentResponses", "inlinedResponses"), EMBEDDINGS),
)


class BatchResults:
    """Records each result of a batch once, however often the job is fetched."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._recorded: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def look(self, http_request: Any, response: Any) -> None:
        """Look at an answer that is metered in no other way, if it is a batch."""
        if http_request.method.lower() == "get" and "/batches/" in http_request.url:
            guard = self._session.recorder.guard
            guard("batch", lambda: self._record(response.json), None)

    def _record(self, job: Any) -> None:
        name = at(job, "name")
        state = str(at(job, "metadata", "state")).rpartition("_")[2]
        if not isinstance(name, str) or not (at(job, "done") or state in _ENDED):
            return
        for path, call in _RESULTS:
            results = objects(at(job, "metadata", "output", *path)) or objects(
                at(job, "response", *path)
            )
            if results and self._is_first(name):
                self._record_all(job, name, call, results)

    def _record_all(self, job: Json, name: str, call: Call, results: list[Json]) -> None:
        model = at(job, "metadata", "model")
        model = model.removeprefix("models/") if isinstance(model, str) else None
        began = _time(at(job, "metadata", "createTime"))
        for place, result in enumerate(results):
            answer = result.get("response")
            if answer is None:  # an error, which is free
                continue
            once = f"{self._session.provider}/{name}/{place}"
            request = self._session.begin(call.api_surface, model, batch=True, once=once)
            if began is not None:
                request.asked = replace(request.asked, occurred_at=began)
            request.answered(call.read(answer))

    def _is_first(self, name: str) -> bool:
        with self._lock:
            first = name not in self._recorded
            self._recorded[name] = None
            while len(self._recorded) > RECORDED_KEPT_MAX:
                self._recorded.popitem(last=False)
        return first


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
