"""What a request to Gemini is, by the last part of its address, and how its answer is read."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tallyroll.usage.surface import Json, at, objects
from tallyroll.wrapping.picking import picked
from tallyroll.wrapping.routes import See


@dataclass(frozen=True)
class Call:
    """One kind of request."""

    api_surface: str
    read: Callable[[Any], Json]
    """Answer as JSON → its id, model, usage and ends; none of its content."""
    is_free: bool = False

    def watch(self) -> See:
        """Return how the chunks of one stream are seen: each makes the same answer more complete.

        The last usage wins, so a long stream keeps one of them.
        """
        so_far: dict[str, object] = {}

        def see(chunk: Any) -> tuple[Json | None, bool]:
            so_far.update(self.read(chunk))
            return so_far, False

        return see


def _read_content(answer: Any) -> Json:
    said: dict[str, object] = picked(answer, "responseId", "modelVersion", "usageMetadata")
    candidates = objects(at(answer, "candidates"))
    ends = [picked(one, "finishReason") for one in candidates if "finishReason" in one]
    blocked = at(answer, "promptFeedback", "blockReason")
    if ends:
        said["candidates"] = ends
    if blocked is not None:
        said["promptFeedback"] = {"blockReason": blocked}
    return said


def _read_embeddings(answer: Any) -> Json:
    return picked(answer, "usageMetadata")


def _read_predictions(answer: Any) -> Json:
    """Return the usage of Vertex AI's older models, which count each text for itself.

    Their numbers are those of protocol buffers' `Value`, so a count may come as 4.0.
    """
    counts = [
        at(one, "embeddings", "statistics", "token_count")
        for one in objects(at(answer, "predictions"))
    ]
    whole = [int(n) for n in counts if isinstance(n, int | float) and n == int(n)]
    if not counts or len(whole) != len(counts):
        return {}
    return {"usageMetadata": {"promptTokenCount": sum(whole)}}


CONTENT = Call("generate_content", _read_content)
EMBEDDINGS = Call("embeddings", _read_embeddings)
PREDICTIONS = Call("embeddings", _read_predictions)
FREE = Call("", dict, is_free=True)
_CALLS: dict[str, Call] = {
    "generateContent": CONTENT,
    "streamGenerateContent": CONTENT,
    "embedContent": EMBEDDINGS,
    "batchEmbedContents": EMBEDDINGS,
    "countTokens": FREE,
    "computeTokens": FREE,
    "files": FREE,
    "cancel": FREE,
    # What a batch used is in its results.
    "batchGenerateContent": FREE,
    "asyncBatchEmbedContent": FREE,
}


def call_of(url: str, body: Any) -> Call | None:
    """Return what a request to this address is, None if nobody here knows."""
    verb = verb_of(url)
    if verb == "predict" and all("content" in one for one in objects(at(body, "instances"))):
        return PREDICTIONS  # pictures are predicted from a `prompt`
    return _CALLS.get(verb)


def verb_of(url: str) -> str:
    """Return what is done there: "generateContent" of ".../gemini-2.5-flash:generateContent"."""
    place, _, verb = _last(url).rpartition(":")
    return verb if place else _last(url)


def model_of(url: str) -> str:
    """Return the model: "gemini-2.5-flash" of ".../gemini-2.5-flash:generateContent"."""
    return _last(url).rpartition(":")[0]


def renamed(http_request: Any, model: str) -> Any:
    """Return a copy of a request of the SDK that names this model, in its address and its body.

    A tuned model, or an endpoint of Vertex AI, has its place beside those of Google's own models.
    """
    path, mark, query = http_request.url.partition("?")
    place, _, last = path.rpartition("/")
    for own, public in _PLACES.items():
        place = place.removesuffix(own) + public if place.endswith(own) else place
    sent = copy(http_request)
    sent.url = f"{place}/{quote(model, safe='@')}:{last.rpartition(':')[2]}{mark}{query}"
    if texts := objects(at(sent.data, "requests")):  # embeddings, which name it each
        sent.data = {**sent.data, "requests": [_of_model(one, model) for one in texts]}
    return sent


_PLACES = {"/tunedModels": "/models", "/endpoints": "/publishers/google/models"}


def _of_model(one: Json, model: str) -> Json:
    return {**one, "model": f"models/{model}"} if "model" in one else one


def _last(url: str) -> str:
    return url.partition("?")[0].rstrip("/").rpartition("/")[2]
