"""The scopes of a meter: where each thread and task stands, by `contextvars`."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

import msgspec

from tallyroll.context.attribution import Attribution, narrowed

DEPTH_MAX = 1_000
"""Deeper nesting than Python's own stack has; so deep are only tasks that start the next one."""


class Scope(msgspec.Struct, frozen=True, eq=False):
    """One open scope; it never changes. `opened_by` is who will end it, and knows it by that."""

    attribution: Attribution
    opened_by: object
    outer: "Scope | None"
    depth: int = 1


_NOWHERE: Mapping[str, object] = MappingProxyType({})
_NO_SCOPES: Mapping["Scopes", Scope] = MappingProxyType({})
_current: ContextVar[Mapping["Scopes", Scope]] = ContextVar("tallyroll", default=_NO_SCOPES)
"""By meter, so that two meters in one program do not mix. One variable for all: a context keeps
every variable that it ever held. The mapping is replaced, never changed: contexts share it."""


class Scopes:
    """One meter's scopes. A thread or task sees its own, or what it was started with."""

    def current(self) -> Scope | None:
        """Return the innermost open scope here."""
        return _current.get().get(self)

    def attribution(self) -> Mapping[str, object]:
        """Return what events inherit here; not to be changed."""
        scope = _current.get().get(self)
        return _NOWHERE if scope is None else scope.attribution

    def put(self, scope: Scope | None) -> None:
        """Make this the innermost scope here."""
        scopes = dict(_current.get())
        if scope is None:
            scopes.pop(self, None)
        else:
            scopes[self] = scope
        _current.set(scopes)

    def inside(self, given: Mapping[str, object], opened_by: object) -> Scope:
        """Return a scope inside the current one, not entered yet.

        A run that is opened inside another is its child, unless `given` names the parent; one
        that is open already keeps the parent it has.
        """
        outer = self.current()
        attribution = narrowed(_NOWHERE if outer is None else outer.attribution, given)
        if given.get("run_id") is not None and given.get("parent_run_id") is None:
            attribution.pop("parent_run_id", None)
            if parent := _parent(outer, given["run_id"]):
                attribution["parent_run_id"] = parent
        if outer is not None and outer.depth >= DEPTH_MAX:
            outer = Scope(outer.attribution, outer.opened_by, None)
        return Scope(attribution, opened_by, outer, 1 if outer is None else outer.depth + 1)

    def find(self, opened_by: object) -> Scope | None:
        """Return the innermost scope here that was opened by this, if it is open here."""
        scope = self.current()
        while scope is not None and scope.opened_by is not opened_by:
            scope = scope.outer
        return scope

    def leave(self, opened_by: object) -> None:
        """End the innermost scope here that was opened by this, with all inside it.

        None is no error: a scope may be ended elsewhere than it was opened, by another thread or
        by the garbage collector, and there is nothing to end there.
        """
        scope = self.find(opened_by)
        if scope is not None:
            self.put(scope.outer)


def _parent(outer: Scope | None, run_id: object) -> str | None:
    """Return the parent of a run that is opened here; None at the top, or for no run (`""`)."""
    scope = outer
    while scope is not None:
        if scope.attribution.get("run_id") == run_id:
            return scope.attribution.get("parent_run_id")
        scope = scope.outer
    return outer.attribution.get("run_id") if outer is not None and run_id else None
