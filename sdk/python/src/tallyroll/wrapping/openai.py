"""OpenAI's client, and those of others who speak its format at another address."""

from typing import Any

from tallyroll.usage.surface import Json
from tallyroll.wrapping.picking import picked, read
from tallyroll.wrapping.routes import Body, Route
from tallyroll.wrapping.session import Session
from tallyroll.wrapping.stainless import wrap_stainless
from tallyroll.wrapping.streams import See

_FIELDS = ("id", "model", "usage", "service_tier")


def wrap_openai(client: Any, session: Session) -> Any:
    """Return a metered copy of an `OpenAI`, `AsyncOpenAI`, `AzureOpenAI` or `AsyncAzureOpenAI`."""
    return wrap_stainless(client, session, ROUTES.get)


def ask_for_usage(body: Body) -> tuple[Body, bool]:
    """Ask for the chunk of usage at the end of a stream, which only comes when asked for."""
    options = body.get("stream_options")
    options = dict(options) if isinstance(options, dict) else {}
    if options.get("include_usage"):
        return body, False
    return {**body, "stream_options": {**options, "include_usage": True}}, True


def see_chat(hides: bool) -> See:
    """Return how a chunk of a chat is seen; the one that only we asked for is hidden."""

    def see(chunk: Any) -> tuple[Json | None, bool]:
        said = picked(chunk, *_FIELDS)
        choices = read(chunk, "choices") or []
        said["choices"] = [picked(choice, "index", "finish_reason") for choice in choices]
        return said, hides and not choices and "usage" in said

    return see


def pick(answer: Any) -> Json:
    """Return what counts of an answer."""
    return picked(answer, *_FIELDS)


ROUTES: dict[str, Route] = {
    "/chat/completions": Route("chat", pick, see_chat, ask_for_usage),
}
