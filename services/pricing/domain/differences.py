"""What is different between two versions of a price book, in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from shared.money import exact, format_shown

Kind = Literal["added", "removed", "changed"]

IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "charges": ("key",),
    "pools": ("key",),
    "plans": ("key",),
    "cells": ("models", "kinds", "context_bands", "service_tiers"),
    "rates": ("models", "kinds"),
    "multipliers": ("name", "dimension", "value"),
}
"""Name of a list → the fields by which its items are found again; other lists go by place."""

ONE_DECIMAL = 1
PERCENT = 100


@dataclass(frozen=True)
class Difference:
    """`path` is the place ("charges[input].tiers[0].unit_amount"), `message` a sentence."""

    kind: Kind
    path: str
    message: str


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return what was added, removed and changed, from contents as they are stored."""
    return list(_of_objects(before, after, "", "The book"))


def _of_objects(
    before: Mapping[str, Any], after: Mapping[str, Any], path: str, subject: str
) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys(), key=lambda name: _order(name, after, before)):
        here = f"{path}.{name}" if path else name
        old, new = before.get(name), after.get(name)
        if old == new and (name in before) == (name in after):
            continue
        if name in IDENTITIES and _are_objects(old, new):
            yield from _of_named(old or [], new or [], here, subject)
        elif _are_objects(old, new):
            yield from _of_places(old or [], new or [], here, subject)
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _of_objects(old, new, here, subject)
        else:
            named = f"{subject}: {_spoken(here)}"
            yield _of_values((before, after), name, here, named)


def _order(name: str, *contents: Mapping[str, Any]) -> tuple[int, str]:
    names = [known for content in contents for known in content]
    return names.index(name), name


def _are_objects(old: Any, new: Any) -> bool:
    lists = [value for value in (old, new) if value is not None]
    return all(
        isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
        for value in lists
    )


def _of_named(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], path: str, subject: str
) -> Iterator[Difference]:
    """Compare items of a list that are found again by what they name, wherever they stand."""
    noun = path.rpartition(".")[2]
    before = {_identity(item, noun): item for item in old}
    after = {_identity(item, noun): item for item in new}
    for identity, item in after.items():
        here, named = f"{path}[{identity}]", _named(item, noun, identity)
        if identity not in before:
            yield Difference("added", here, f"{_about(subject, named)} is new{_price(item)}.")
        elif before[identity] != item:
            yield from _of_objects(before[identity], item, here, _about(subject, named))
    for identity, item in before.items():
        if identity not in after:
            named = _about(subject, _named(item, noun, identity))
            yield Difference("removed", f"{path}[{identity}]", f"{named} is gone{_price(item)}.")
    same = [identity for identity in before if identity in after]
    if noun in {"charges", "plans", "pools"} and same != [i for i in after if i in before]:
        yield Difference("changed", path, f"{_about(subject, noun)} stand in another order.")


def _of_places(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], path: str, subject: str
) -> Iterator[Difference]:
    for place in range(max(len(old), len(new))):
        here = f"{path}[{place}]"
        named = f"{subject}: {_spoken(here)}"
        if place >= len(old):
            yield Difference("added", here, f"{named} is new{_price(new[place])}.")
        elif place >= len(new):
            yield Difference("removed", here, f"{named} is gone{_price(old[place])}.")
        elif old[place] != new[place]:
            yield from _of_objects(old[place], new[place], here, subject)


def _of_values(
    contents: tuple[Mapping[str, Any], Mapping[str, Any]], name: str, path: str, named: str
) -> Difference:
    old, new = (content.get(name) for content in contents)
    if isinstance(old, list) and isinstance(new, list):
        gone = [item for item in old if item not in new]
        come = [item for item in new if item not in old]
        parts = [f"without {', '.join(map(str, gone))}"] if gone else []
        parts += [f"with {', '.join(map(str, come))}"] if come else []
        return Difference("changed", path, f"{named} is now {' and '.join(parts) or 'reordered'}.")
    if name not in contents[0]:
        return Difference("added", path, f"{named} is new: {_value(new)}.")
    if name not in contents[1]:
        return Difference("removed", path, f"{named} is gone: it was {_value(old)}.")
    message = f"{named} was {_value(old)}, is {_value(new)}{_by_percent(old, new)}."
    return Difference("changed", path, message)


def _identity(item: Mapping[str, Any], noun: str) -> str:
    parts = (item.get(name, ["*"]) for name in IDENTITIES[noun])
    return " ".join("|".join(part) if isinstance(part, list) else str(part) for part in parts)


def _named(item: Mapping[str, Any], noun: str, identity: str) -> str:
    name = f" ({item['name']})" if "key" in item and "name" in item else ""
    return f"{noun.removesuffix('s')} {identity}{name}"


def _about(subject: str, named: str) -> str:
    return named[:1].upper() + named[1:] if subject == "The book" else f"{subject}: {named}"


def _spoken(path: str) -> str:
    """Return the end of a path, behind the last named part: "tiers[0].unit_amount"."""
    parts = path.replace("].", "]\n").split("\n")
    kept = [parts[-1]]
    for part in reversed(parts[:-1]):
        if not part.rpartition("[")[2].rstrip("]").isdigit():
            break
        kept.insert(0, part)
    return ".".join(kept)


def _price(item: Mapping[str, Any]) -> str:
    for name in ("unit_amount", "amount", "package_amount", "units", "factor", "rate_percent"):
        if name in item:
            return f" ({name} {item[name]})"
    return ""


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if value is None:
        return "open"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _by_percent(old: Any, new: Any) -> str:
    try:
        before, after = exact(old), exact(new)
    except (ValueError, TypeError):
        return ""
    if not before:
        return ""
    change = round((after - before) / before * PERCENT, ONE_DECIMAL)
    sign = "+" if change > 0 else ""
    return f" ({sign}{format_shown(Fraction(change))} %)"
