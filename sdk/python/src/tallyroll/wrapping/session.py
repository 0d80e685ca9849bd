"""What all requests of one wrapped client have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tallyroll.context import Attribution
from tallyroll.recording.asked import Asked
from tallyroll.recording.events import UNKNOWN_MODEL
from tallyroll.recording.recorder import Recorder
from tallyroll.wrapping.request import Request
from tallyroll.wrapping.routes import Route


@dataclass(frozen=True, slots=True)
class Place:
    """Whom a request goes to."""

    provider: str
    counts_as: str | None = None
    """Whose conventions its usage follows, if not those of `provider`."""
    asks: bool = True
    """Whether usage in streams has to be asked for."""
    region: str | None = None
    """Where it is served, if the address says so."""


@dataclass(frozen=True)
class Session:
    """How a wrapped client reports its requests."""

    recorder: Recorder
    instrument: str
    provider: str
    agent: str
    """Acts where no scope names an agent."""
    counts_as: str | None = None
    terms: Mapping[str, str] = field(default_factory=dict)
    """What holds of the price for all requests of this client, such as its `region`."""
    stated: bool = False
    """Whether `provider` is what the user said, not what the client is known for."""

    def begin(
        self,
        api_surface: str,
        model: object,
        *,
        batch: bool = False,
        provider: str | None = None,
        counts_as: str | None = None,
        region: str | None = None,
        once: str | None = None,
        route: Route | None = None,
    ) -> Request:
        """Return a request that begins now, in the scope of now.

        Budgets are asked first, unless the request only fetches what was used before (`batch`, and
        routes that look): it may have to name another model, see `Request.instead`. Raises
        BudgetExceededError if it is not to be made.
        """
        named = model if isinstance(model, str) and model else None
        around, to_send = self.attribution(), named
        if not batch and not (route and route.looks):
            admitted = self.recorder.meter.admit(named or UNKNOWN_MODEL, around)
            to_send = admitted if named else None
        asked = Asked(
            provider=provider or self.provider,
            api_surface=api_surface,
            instrument=self.instrument,
            occurred_at=self.recorder.now(),
            attribution=around,
            model=to_send,
            requested=named if to_send != named else None,
            counts_as=counts_as or self.counts_as,
            batch=batch,
            terms={**self.terms, "region": region} if region else self.terms,
        )
        return Request(self.recorder, asked, once=once, route=route)

    def attribution(self) -> Attribution:
        """Return the scope here, with an agent whoever is around."""
        around = self.recorder.meter.attribution()
        around.setdefault("agent", self.agent)
        return around
