"""What all requests of one wrapped client have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tallyroll.context import Attribution
from tallyroll.recording.asked import Asked
from tallyroll.recording.recorder import Recorder
from tallyroll.wrapping.request import Request


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

    def begin(
        self,
        api_surface: str,
        model: object,
        *,
        batch: bool = False,
        provider: str | None = None,
        once: str | None = None,
    ) -> Request:
        """Return a request that begins now, in the scope of now."""
        asked = Asked(
            provider=provider or self.provider,
            api_surface=api_surface,
            instrument=self.instrument,
            occurred_at=self.recorder.now(),
            attribution=self.attribution(),
            model=model if isinstance(model, str) and model else None,
            counts_as=self.counts_as,
            batch=batch,
            terms=self.terms,
        )
        return Request(self.recorder, asked, once=once)

    def attribution(self) -> Attribution:
        """Return the scope here, with an agent whoever is around."""
        around = self.recorder.meter.attribution()
        around.setdefault("agent", self.agent)
        return around
