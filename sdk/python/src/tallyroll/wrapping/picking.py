"""Taking out of an answer what metering needs, and leaving what was said in it."""

from typing import Any


def picked(value: object, *names: str) -> dict[str, Any]:
    """Return these fields of an object or a mapping as plain values; what is not there is left out.

    An SDK's objects inside become mappings, with the fields that came over the wire.
    """
    found = {}
    for name in names:
        if (entry := read(value, name)) is not None:
            found[name] = _plain(entry)
    return found


def read(value: object, name: str) -> Any:
    """Return one field of an object or a mapping, None if it is not there."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _plain(value: object) -> object:
    if value.__class__ in _SCALARS:
        return value
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    dump = getattr(value, "model_dump", None)
    if dump is None:
        return value
    try:  # what is newer than the SDK is no reason to warn the program
        return dump(exclude_unset=True, warnings=False)
    except (TypeError, ValueError):  # of pydantic 1
        return dump(exclude_unset=True)


_SCALARS = frozenset({str, int, float, bool})
