"""Which client is whose, and how it is wrapped. No provider's SDK is imported here."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar, cast

from tallyroll.default import default_agent, default_meter
from tallyroll.meter import Meter
from tallyroll.recording.recorder import recorder_of
from tallyroll.wrapping.metered import is_metered
from tallyroll.wrapping.session import Session

Client = TypeVar("Client")

_WRAPPERS = {
    "anthropic": ("tallyroll.wrapping.anthropic", "wrap_anthropic", "anthropic"),
    "botocore": ("tallyroll.wrapping.bedrock", "wrap_bedrock", "aws.bedrock"),
    "cohere": ("tallyroll.wrapping.cohere", "wrap_cohere", "cohere"),
    "google.genai": ("tallyroll.wrapping.google_genai", "wrap_google_genai", "gcp.gemini"),
    "groq": ("tallyroll.wrapping.openai", "wrap_openai", "groq"),
    "mistralai": ("tallyroll.wrapping.mistral", "wrap_mistral", "mistral_ai"),
    "openai": ("tallyroll.wrapping.openai", "wrap_openai", "openai"),
    "xai_sdk": ("tallyroll.wrapping.x_ai", "wrap_x_ai", "x_ai"),
}
"""Package of the client's class → module and function that wrap it, and its provider."""


def wrap(
    client: Client,
    meter: Meter | None = None,
    *,
    provider: str | None = None,
    counts_as: str | None = None,
    agent: str | None = None,
) -> Client:
    """Return the client, metered: use it as before, and each answer becomes an event.

    The client itself stays as it is; what comes back shares its connections and is an instance of
    its class. Wrapping what is wrapped already returns it. Nothing that a provider answers or
    raises is changed.

    meter       who records; the one of the environment if left out, see `default_meter()`
    provider    of the events, if the client cannot tell: an address of one's own
    counts_as   whose conventions its usage follows, if it is none of ours: "openai" for a server
                of one's own that counts as OpenAI does
    agent       acts where no scope names one; TALLYROLL_AGENT or the program's name if left out

    Raises TypeError for a client that is none of a provider we know, ValueError as `Meter()` does.
    """
    if is_metered(client):
        return client
    module, function, known = _wrapper_of(client)
    session = Session(
        recorder=recorder_of(meter or default_meter()),
        instrument=f"wrap.{known}",
        provider=provider or known,
        agent=agent or default_agent(),
        counts_as=counts_as,
        stated=provider is not None,
    )
    wrapper = cast("Callable[[Any, Session], Any]", getattr(import_module(module), function))
    return cast("Client", wrapper(client, session))


def _wrapper_of(client: object) -> tuple[str, str, str]:
    for kind in type(client).__mro__:
        for package, wrapper in _WRAPPERS.items():
            if f"{kind.__module__}.".startswith(f"{package}."):
                return wrapper
    known = ", ".join(sorted(_WRAPPERS))
    raise TypeError(f"{type(client).__name__} is no client that can be wrapped; known are {known}")
