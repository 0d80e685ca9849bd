"""What all bridges have in common: whose scope an event is in, and what waits for its end."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Generic, TypeVar, cast

from tallyroll.bridges.providers import identifier
from tallyroll.context import Attribution
from tallyroll.default import default_agent
from tallyroll.locks import ForkLock
from tallyroll.meter import Meter
from tallyroll.recording.asked import Asked
from tallyroll.recording.recorder import recorder_of
from tallyroll.usage.lines import UsageLine
from tallyroll.usage.surface import Json

Value = TypeVar("Value")

OPEN_MAX = 10_000
"""What began and has not ended yet is kept for this many; beyond it the oldest is forgotten."""


class Open(Generic[Value]):
    """What began and has not ended, by its key. Bounded, since some things never end."""

    def __init__(self) -> None:
        self._values: OrderedDict[object, Value] = OrderedDict()
        self._lock = ForkLock()

    def put(self, key: object, value: Value) -> None:
        """Keep what begins."""
        with self._lock:
            self._values[key] = value
            while len(self._values) > OPEN_MAX:
                self._values.popitem(last=False)

    def get(self, key: object) -> Value | None:
        """Return what is open under this key."""
        return self._values.get(key)

    def take(self, key: object) -> Value | None:
        """Return what ends, and forget it."""
        with self._lock:
            return self._values.pop(key, None)


class Bridge:
    """Records for one framework on one meter. Nothing raises into the framework.

    (A strict meter's InvalidEventError does come through, as everywhere.)
    """

    def __init__(self, meter: Meter, instrument: str, agent: str | None) -> None:
        """`agent` acts where neither a scope nor the framework names one."""
        self.meter, self.instrument = meter, instrument
        self._recorder = recorder_of(meter)
        self._agent = agent or default_agent()

    def guard(self, what: str, action: Callable[[], Value], otherwise: Value) -> Value:
        """Return what the action does; `otherwise` if it fails, which the framework never sees."""
        return self._recorder.guard(what, action, otherwise)

    def flush(self, seconds: float = 30.0) -> bool:
        """Deliver what the meter has; see `Meter.flush()`."""
        return self._recorder.guard("flush", lambda: self.meter.flush(seconds), otherwise=False)

    def now(self) -> datetime:
        """Return the time by the meter's clock."""
        return self._recorder.now()

    def around(self) -> Attribution:
        """Return the scope of the program here."""
        return self.meter.attribution()

    def attribution(self, around: Attribution, *found: Mapping[str, object]) -> Attribution:
        """Return whose the event is: as the program's scope says, then as each of `found` does.

        A run and its parent come from the same place, since they belong together.
        """
        whole: dict[str, object] = {}
        tags: dict[str, object] = {}
        for told in (around, *found):
            has_run = "run_id" in whole
            for name, value in told.items():
                if value and name != "tags" and not (has_run and name.endswith("run_id")):
                    whole.setdefault(name, value)
            given = told.get("tags")
            if isinstance(given, Mapping):
                tags = {**given, **tags}
        whole.setdefault("agent", self._agent)
        if tags:
            whole["tags"] = tags
        return cast("Attribution", whole)

    def asked(
        self,
        provider: str,
        api_surface: str,
        attribution: Attribution,
        *,
        occurred_at: datetime | None = None,
        model: object = None,
        counts_as: str | None = None,
    ) -> Asked:
        """Return what was asked, as this framework saw it."""
        return Asked(
            provider=provider,
            api_surface=api_surface,
            instrument=self.instrument,
            occurred_at=occurred_at or self.now(),
            attribution=attribution,
            model=model if isinstance(model, str) and model else None,
            counts_as=counts_as,
        )

    def counted(self, asked: Asked, lines: Sequence[UsageLine], body: Json) -> None:
        """Record lines; `body` has the response's `id`, `service_tier` … if the framework does."""
        self._recorder.lines(asked, lines, [body])

    def answered(self, asked: Asked, body: Json) -> None:
        """Record an answer as its provider gave it."""
        self._recorder.answered(asked, body)

    def failed(self, asked: Asked, error: str) -> None:
        """Record a request that got no answer."""
        self._recorder.failed(asked, identifier(error) or "error")

    def unmetered(self, name: str) -> None:
        """Count a call that nobody here knows to meter."""
        self._recorder.unmetered(name)
