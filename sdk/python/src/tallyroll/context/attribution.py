"""What a scope says of the events in it, and how it meets what an event says itself."""

from collections.abc import Mapping
from typing import Literal, TypedDict, cast


class ContextFields(TypedDict, total=False):
    """What an agent can say of all events in it. Leaving one out, or None, inherits it."""

    tenant: str | None
    user: str | None
    team: str | None
    purpose: Literal["production", "explore", "eval"] | None
    tags: Mapping[str, str] | None
    """Added to those of the scopes around, key by key."""


class Attribution(TypedDict, total=False):
    """What events inherit, by the names of their fields."""

    tenant: str
    agent: str
    run_id: str
    parent_run_id: str
    user: str
    team: str
    purpose: Literal["production", "explore", "eval"]
    tags: Mapping[str, str]


def narrowed(outer: Mapping[str, object], given: Mapping[str, object]) -> Attribution:
    """Return what holds in a scope that says `given` inside one that says `outer`."""
    inner = dict(outer)
    inner.update((name, value) for name, value in given.items() if value is not None)
    if "tags" in inner:
        inner["tags"] = _added(outer.get("tags"), given.get("tags"))
    return cast("Attribution", inner)


def completed(fields: Mapping[str, object], around: Mapping[str, object]) -> Mapping[str, object]:
    """Return an event's fields with what it leaves out taken from the scope around it."""
    if not around:
        return fields
    whole = dict(fields)
    for name, value in around.items():
        if whole.get(name) is None:
            whole[name] = value
    if _other_run(fields, around) and fields.get("parent_run_id") is None:
        whole.pop("parent_run_id", None)  # it is the parent of the scope's run, not of this one
    if "tags" in around:
        whole["tags"] = _added(around["tags"], fields.get("tags"))
    return whole


def _other_run(fields: Mapping[str, object], around: Mapping[str, object]) -> bool:
    return fields.get("run_id") is not None and fields["run_id"] != around.get("run_id")


def _added(outer: object, inner: object) -> object:
    """Return tags of both, the inner ones win. What is no mapping stays, for the check to tell."""
    if inner is None:
        return outer
    if isinstance(outer, Mapping) and isinstance(inner, Mapping):
        return {**outer, **inner}
    return inner
