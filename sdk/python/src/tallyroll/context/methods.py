"""What a meter offers to say once for many events: the scope, the run, the way to others."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import copy_context
from decimal import Decimal
from typing import Any, Literal, ParamSpec, TypeVar, Unpack, cast
from uuid import UUID

from tallyroll.context.attribution import Attribution, ContextFields
from tallyroll.context.entering import Context
from tallyroll.context.scope import Scopes
from tallyroll.diagnostics import KindLog
from tallyroll.event import OutcomeFields, RecordedFields

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")
Function = TypeVar("Function", bound=Callable[..., Any])
Headers = TypeVar("Headers", bound=MutableMapping[str, str])

OUTCOME_UNIT = "outcomes"
"""What an outcome without usage counts none of, since an event counts something; it costs 0."""
NO_MODEL = "-"
"""Model and provider of an outcome that came of no request."""


class InContext(ABC):
    """The part of `Meter` that knows where in the program it is called."""

    _strict: bool
    _log: KindLog

    def __init__(self) -> None:
        self._scopes = Scopes()

    @abstractmethod
    def record(
        self, *, event_id: str | UUID | None = None, **fields: Unpack[RecordedFields]
    ) -> str:
        """Keep one event for delivery."""

    def context(
        self,
        *,
        tenant: str | None = None,
        agent: str | None = None,
        run: str | None = None,
        parent_run: str | None = None,
        user: str | None = None,
        team: str | None = None,
        purpose: Literal["production", "explore", "eval"] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Context:
        """Return a scope for `with` or `async with`: events in it take what they leave out from it.

        What an event says itself wins, then the inner scope, then the outer; tags are added key by
        key. A `run` inside another is its child, unless `parent_run` says otherwise; `""` takes a
        text back. Values are checked when events are recorded. Asyncio tasks inherit the scope,
        threads by `wrap_thread`. A plain generator that enters a scope and yields in it leaves it
        open for its caller meanwhile: that is how Python's generators are. Use `agent()` there.
        """
        given = {
            "tenant": tenant,
            "agent": agent,
            "run_id": run,
            "parent_run_id": parent_run,
            "user": user,
            "team": team,
            "purpose": purpose,
            "tags": _kept(tags),
        }
        return Context(self._scopes, given)

    def agent(self, name: str, **given: Unpack[ContextFields]) -> Callable[[Function], Function]:
        """Return a decorator: each call is a new run of this agent, a child of the run around it.

        For functions, coroutine functions, generator functions and async generator functions. A
        generator belongs to the scope that it was called in, whoever goes through it and where, and
        what is open in it is open for itself only. Exceptions pass unchanged.
        """
        from tallyroll.context.agents import in_own_run  # noqa: PLC0415  `inspect` takes its time

        fixed = {**given, "agent": name, "tags": _kept(given.get("tags"))}
        return lambda function: in_own_run(self._scopes, fixed, function)

    def attribution(self) -> Attribution:
        """Return what an event would inherit here: tenant, agent, run_id …, if set."""
        return cast("Attribution", dict(self._scopes.attribution()))

    def wrap_thread(self, function: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
        """Return the function as it would run here, for a thread or an executor.

            pool.submit(meter.wrap_thread(work), item)

        It gets a copy of all context variables of this moment, for each call anew.
        """
        here = copy_context()

        @functools.wraps(function)
        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
            return here.copy().run(function, *args, **kwargs)

        return call

    def inject(self, headers: Headers) -> Headers:
        """Add the scope to outgoing headers as W3C baggage; return the same headers.

        What others put there stays. Beyond 64 members or 8,192 bytes tags are left out first, then
        all; that is logged once. Tenant and user are in it: only for services of your own.
        """
        from tallyroll.context import baggage  # noqa: PLC0415  for those who need it

        try:
            attribution = self._scopes.attribution()
            if attribution and not baggage.put(headers, attribution):
                self._log.warn("baggage_full", "baggage has no room for all of the scope")
        except Exception as error:
            if self._strict:
                raise
            self._log.warn("inject_failed", f"no baggage: {type(error).__name__}")
        return headers

    def extract(self, headers: object) -> Context:
        """Return the scope that incoming headers tell of, for `with` or `async with`.

        `headers` is a mapping or pairs, of text or bytes, names in any case. What cannot be read is
        left out. It is believed: only for callers of your own, or with the tenant named inside it.
        """
        from tallyroll.context import baggage  # noqa: PLC0415  for those who need it

        try:
            found = baggage.read(baggage.header_of(headers))
        except Exception as error:
            if self._strict:
                raise
            self._log.warn("extract_failed", f"no baggage: {type(error).__name__}")
            found = Attribution()
        return Context(self._scopes, found)

    def outcome(
        self,
        name: str,
        *,
        value: Decimal | int | str | None = None,
        source: str | None = None,
        event_id: str | UUID | None = None,
        **fields: Unpack[OutcomeFields],
    ) -> str:
        """Record what came of the run: a named result, for cost per outcome. Return the event's id.

        `value` is exact, 1 if left out; `source` is who says so: `measured`, `self_reported` or
        `modelled`, alone or as in `measured:crm`. It counts no usage unless `fields` have tokens or
        units: `units={"tickets_resolved": 1}` makes it billable. An agent is needed, of
        the scope or of `fields`. Otherwise like `record()`.
        """
        told = {"name": name, "value": value, "source": source}
        event: dict[str, Any] = {key: entry for key, entry in fields.items() if entry is not None}
        event["outcome"] = {key: entry for key, entry in told.items() if entry is not None}
        event = {"model": NO_MODEL, "provider": NO_MODEL, **event}
        if not event.get("tokens") and not event.get("units"):
            event["units"] = {OUTCOME_UNIT: 0}
        return self.record(event_id=event_id, **cast("RecordedFields", event))


def _kept(tags: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return tags that later changes cannot reach; what is no mapping as it is."""
    return dict(tags) if isinstance(tags, Mapping) else tags
