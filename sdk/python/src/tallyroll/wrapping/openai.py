"""OpenAI's client and Groq's, and those of others who speak OpenAI's format at another address."""

from typing import Any

from tallyroll.usage.normaliser import SURFACES
from tallyroll.wrapping.hosts import SAYS_UNASKED, provider_at, region_at
from tallyroll.wrapping.metered import metered_copy
from tallyroll.wrapping.openai_routes import route_of
from tallyroll.wrapping.session import Place, Session
from tallyroll.wrapping.sockets import watched_resources
from tallyroll.wrapping.stainless import wrap_stainless

_AZURE_CLIENTS = ("AzureOpenAI", "AsyncAzureOpenAI")


def wrap_openai(client: Any, session: Session) -> Any:
    """Return a metered copy of an `OpenAI`, `AzureOpenAI` or `Groq`, sync or async.

    The provider is what the user says, else what the address is known for; nothing is guessed.
    """
    places: dict[str, Place] = {}

    def place_of(client: Any) -> Place:
        host = client.base_url.host
        if (place := places.get(host)) is None:
            place = places[host] = _place(client, host, session)
        return place

    metered = wrap_stainless(client, session, route_of, place_of)
    return metered_copy(metered, watched_resources(type(client), session.recorder), session)


def _place(client: Any, host: str, session: Session) -> Place:
    provider = session.provider if session.stated else _known(client, host)
    rules = session.counts_as or provider or host
    if rules not in SURFACES:
        session.recorder.warn(
            f"unknown_conventions:{rules}",
            f"the usage of {rules} is not measured, since its conventions are not known: say "
            "wrap(client, provider=…), or counts_as='openai' if it counts as OpenAI does",
        )
    asks = rules in SURFACES and rules not in SAYS_UNASKED
    return Place(provider or host, session.counts_as, asks=asks, region=region_at(host))


def _known(client: Any, host: str) -> str | None:
    if any(kind.__name__ in _AZURE_CLIENTS for kind in type(client).__mro__):
        return "azure.ai.openai"  # behind whatever gateway
    return provider_at(host)
