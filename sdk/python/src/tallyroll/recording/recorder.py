"""Turns what was seen of answers into events of a meter, and never breaks whoever is watched."""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import NAMESPACE_URL, uuid5

from msgspec.structs import replace

from tallyroll.budgets.decision import BudgetExceededError
from tallyroll.diagnostics import KindLog
from tallyroll.event import InvalidEventError
from tallyroll.locks import ForkLock
from tallyroll.meter import Meter
from tallyroll.recording.asked import Asked
from tallyroll.recording.events import failed_fields_of, fields_of
from tallyroll.recording.terms import response_id_of
from tallyroll.usage import PARTIAL, UNRECONCILED, UsageError, UsageLine, normalise
from tallyroll.usage.surface import Json

Value = TypeVar("Value")

INTERRUPTED_KEPT_MAX = 1_000
UNMETERED_NAMES_MAX = 200


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A response that broke off: its event may be replaced by what it was in truth."""

    event_id: str
    provider: str
    model: str | None
    response_id: str | None
    occurred_at: datetime
    requested: str | None = None
    """What the caller asked for, if a budget put another model in its place."""


class Recorder:
    """Records answers of providers on one meter. Get it by `recorder_of()`.

    No method raises: what goes wrong inside is logged once per kind, and counted in `faults`. (What
    the user asked the meter for does come through: a strict one's InvalidEventError, and
    BudgetExceededError for a request that is not to be made.)
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.interrupted: deque[Interrupted] = deque(maxlen=INTERRUPTED_KEPT_MAX)
        self.unmetered_calls: dict[str, int] = {}
        """How often something was called that nobody here knows to meter, by its name."""
        self.faults = 0
        self._log = KindLog()
        self._open: OrderedDict[tuple[str, str], Interrupted] = OrderedDict()
        self._lock = ForkLock()

    def answered(self, asked: Asked, body: Json, *, once: str | None = None) -> list[str]:
        """Record one whole answer; return the ids of its events.

        `once` makes the ids out of this text, for an answer that can be fetched again: recorded
        twice, in whatever process, it counts once.
        """
        return self.guard("answer", lambda: self._record(asked, [body], _whole, once), [])

    def streamed(
        self, asked: Asked, chunks: Sequence[Json], *, once: str | None = None
    ) -> list[str]:
        """Record a stream by all chunks that came; if it broke off, its lines are partial."""
        return self.guard("stream", lambda: self._record(asked, chunks, _chunked, once), [])

    def lines(self, asked: Asked, lines: Sequence[UsageLine], parts: Sequence[Json]) -> list[str]:
        """Record usage that was counted elsewhere; `parts` are what is known of the answer.

        Nothing of it stays open: of a response that broke off, others know no more later.
        """
        return self.guard("usage", lambda: self._record_counted(asked, lines, parts), [])

    def failed(self, asked: Asked, error: BaseException | str) -> None:
        """Record a request that got no answer; it counts nothing, and says that it was made."""
        name = error if isinstance(error, str) else type(error).__name__
        fields = failed_fields_of(asked, name)
        self.guard("failure", lambda: self._keep(fields), "")

    def unmetered(self, name: str) -> None:
        """Count a call that nobody here knows to meter, and log its name once."""
        with self._lock:
            if name in self.unmetered_calls or len(self.unmetered_calls) < UNMETERED_NAMES_MAX:
                self.unmetered_calls[name] = self.unmetered_calls.get(name, 0) + 1
        self._log.warn(f"unmetered:{name}", f"{name} is not metered")

    def warn(self, kind: str, message: str) -> None:
        """Log something that the user can change, once per kind."""
        self._log.warn(kind, message)

    def now(self) -> datetime:
        """Return the time by the meter's clock: when a request begins."""
        return self.meter.now()

    def guard(self, what: str, action: Callable[[], Value], otherwise: Value) -> Value:
        """Return what the action does; `otherwise` if it fails, which nobody else shall notice."""
        try:
            return action()
        except (InvalidEventError, BudgetExceededError):  # what the user of the meter asked for
            raise
        except Exception as error:  # noqa: BLE001  the program that is metered goes on
            self.faults += 1
            kind = f"{what}:{type(error).__name__}"
            self._log.warn(kind, f"a provider's {what} could not be recorded: {kind}")
            return otherwise

    def _record(
        self, asked: Asked, parts: Sequence[Json], lines_of: "LinesOf", once: str | None
    ) -> list[str]:
        lines = lines_of(asked, parts)
        response_id = response_id_of(parts)
        return [self._record_line(asked, line, parts, response_id, once) for line in lines]

    def _record_counted(
        self, asked: Asked, lines: Sequence[UsageLine], parts: Sequence[Json]
    ) -> list[str]:
        return [self._keep(fields_of(asked, line, parts)) for line in lines]

    def _record_line(
        self,
        asked: Asked,
        line: UsageLine,
        parts: Sequence[Json],
        response_id: str | None,
        once: str | None,
    ) -> str:
        if once is not None:
            event_id = str(uuid5(NAMESPACE_URL, f"{once}#{line.line}"))
            return self._keep(fields_of(asked, line, parts), event_id=event_id)
        before = self._take_open(asked, response_id) if line.line == 0 else None
        if before is not None:
            # The response that broke off, seen whole: the same event again, in a later state.
            whole = replace(asked, requested=before.requested)
            fields = fields_of(whole, line, parts)
            fields["revision"] = 1
            fields["occurred_at"] = before.occurred_at
            return self._keep(fields, event_id=before.event_id)
        event_id = self._keep(fields_of(asked, line, parts))
        if PARTIAL in line.flags and line.line == 0:
            self._remember(asked, line, response_id, event_id)
        return event_id

    def _keep(self, fields: Mapping[str, object], event_id: str | None = None) -> str:
        # In an empty context: the answer may come in a scope that its request was not made in.
        return Context().run(self.meter.record, event_id=event_id, **fields)  # type: ignore[arg-type]

    def _remember(
        self, asked: Asked, line: UsageLine, response_id: str | None, event_id: str
    ) -> None:
        model = line.model or asked.model
        at, requested = asked.occurred_at, asked.requested
        one = Interrupted(event_id, asked.provider, model, response_id, at, requested)
        self.interrupted.append(one)
        if response_id is not None:
            with self._lock:
                self._open[asked.provider, response_id] = one
                while len(self._open) > INTERRUPTED_KEPT_MAX:
                    self._open.popitem(last=False)

    def _take_open(self, asked: Asked, response_id: str | None) -> Interrupted | None:
        if response_id is None or not self._open:
            return None
        with self._lock:
            return self._open.pop((asked.provider, response_id), None)

    def is_open(self, provider: str, response_id: str | None) -> bool:
        """Tell whether this response has been recorded as one that broke off."""
        return response_id is not None and (provider, response_id) in self._open


LinesOf = Callable[[Asked, Sequence[Json]], list[UsageLine]]


def _whole(asked: Asked, parts: Sequence[Json]) -> list[UsageLine]:
    return _lines(asked, {"payload": parts[0]})


def _chunked(asked: Asked, parts: Sequence[Json]) -> list[UsageLine]:
    return _lines(asked, {"chunks": parts})


def _lines(asked: Asked, given: dict[str, object]) -> list[UsageLine]:
    provider = asked.counts_as or asked.provider
    try:
        return normalise(
            provider=provider,
            api_surface=asked.api_surface,
            model=asked.model,
            **given,  # type: ignore[arg-type]
        )
    except UsageError as error:  # of a provider that nobody knows: told, never guessed
        return [UsageLine(asked.model, flags=frozenset({UNRECONCILED}), faults=tuple(error.faults))]


def recorder_of(meter: Meter) -> Recorder:
    """Return the meter's recorder: one for all clients and bridges that report to it."""
    recorder: Recorder = vars(meter).setdefault("_recorder", Recorder(meter))
    return recorder


def interrupted(meter: Meter) -> list[Interrupted]:
    """Return the latest responses that broke off, oldest first, at most INTERRUPTED_KEPT_MAX."""
    return list(recorder_of(meter).interrupted)


def unmetered_calls(meter: Meter) -> dict[str, int]:
    """Return how often wrapped clients were asked for what nobody here knows to meter, by name."""
    return dict(recorder_of(meter).unmetered_calls)
