"""What is known of one provider's surface, and how its answers become lines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tallyroll.event import Fault
from tallyroll.usage.fields import MAPPINGS, Fields, Findings, holds_numbers
from tallyroll.usage.lines import PARTIAL, UsageLine
from tallyroll.usage.tally import Tally

Json = Mapping[str, object]
Path = tuple[str, ...]


@dataclass(frozen=True)
class Folded:
    """What the chunks of a stream amount to: a body like that of an answer without streaming."""

    body: Json
    complete: bool
    """Whether the provider said that it is done, or has said all it had to say of usage."""


@dataclass(frozen=True)
class Surface:
    """Where usage stands in an answer of this surface, and what counts it."""

    count: Callable[[Tally], None]
    own: Path
    """Fields of which a usage object has one, and an answer has none: tells the two apart."""
    fold: Callable[[Sequence[Json]], list[Folded]] | None = None
    """None: the surface does not stream."""
    usage: tuple[Path, ...] = (("usage",), ("response", "usage"))
    model: tuple[Path, ...] = (("model",), ("response", "model"))
    camel: bool = False
    """Whether fields come in camelCase or, from the provider's SDK, in snake_case."""
    asked_model_first: bool = False
    """Whether the id that was asked for decides the price, not the name in the answer."""
    route: Callable[[Json], "Surface | None"] | None = None
    """Which other surface counts a message of this one, if any does."""


def lines_of(surface: Surface, body: Json, model: str | None, *, complete: bool) -> list[UsageLine]:
    """Return the lines of one answer, or of what is known of one that broke off."""
    if surface.route and (routed := surface.route(body)):
        surface, model = routed, None  # what was asked for is not what served this
    usage = _usage_of(surface, body)
    named = _first_text(body, surface.model)
    named = (model or named) if surface.asked_model_first else (named or model)
    if not complete and not holds_numbers(usage):
        return [UsageLine(named, flags=frozenset({PARTIAL}))]
    tally = Tally(_opened(surface, usage), named, body=body)
    if usage is None:
        fault = Fault("missing_usage", "usage", "is not in the response")
        tally.findings.unreadable.append(fault)
    elif isinstance(usage, MAPPINGS):
        surface.count(tally)
    lines = tally.lines()
    return lines if complete else [replace(one, flags=one.flags | {PARTIAL}) for one in lines]


def at(value: object, *path: str) -> object:
    """Return what stands at a path of objects, None if nothing does."""
    for name in path:
        if value is None:
            return None
        value = value.get(name) if isinstance(value, MAPPINGS) else None
    return value


def last(chunks: Sequence[Json], *path: str) -> object:
    """Return what stands at a path of the last chunk that has something there."""
    found = [value for chunk in chunks if (value := at(chunk, *path)) is not None]
    return found[-1] if found else None


def objects(value: object) -> list[Json]:
    """Return the objects of a list, none if there is no list."""
    entries = value if isinstance(value, list | tuple) else ()
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _usage_of(surface: Surface, body: Json) -> object:
    for path in surface.usage:
        if (found := at(body, *path)) is not None:
            return found
    return body if any(name in body for name in surface.own) else None


def _opened(surface: Surface, usage: object) -> Fields:
    findings = Findings()
    if usage is not None and not isinstance(usage, MAPPINGS):
        findings.unreadable.append(Fault("invalid_object", "usage", "must be an object"))
    values = usage if isinstance(usage, MAPPINGS) else {}
    return Fields(values, "usage", findings, camel=surface.camel)


def _first_text(body: Json, paths: Sequence[Path]) -> str | None:
    for path in paths:
        found = at(body, *path)
        if isinstance(found, str) and found:
            return str.__str__(found)
    return None
