"""Reading what counts out of xAI's messages, which are protocol buffers."""

from typing import Any

from tallyroll.usage.surface import Json

_TIER = "SERVICE_TIER_"


def read(message: Any) -> Json:
    """Return the id, model, usage, tier and ends of an answer or a chunk; none of its content."""
    said: dict[str, object] = {}
    for field, value in message.ListFields():
        if field.name in ("id", "model"):
            said[field.name] = value
        elif field.name == "usage":
            said["usage"] = {one.name: _plain(one, count) for one, count in value.ListFields()}
        elif field.name == "service_tier":
            said["service_tier"] = str(_plain(field, value)).removeprefix(_TIER).lower()
        elif field.name == "outputs":
            said["outputs"] = [{"finish_reason": one.finish_reason} for one in value]
    return said


def see(chunk: Any) -> tuple[Json | None, bool]:
    """Return what a chunk says, and that it is never hidden."""
    return read(chunk), False


def _plain(field: Any, value: Any) -> object:
    """Return a field as JSON has it: names in place of the numbers of an enumeration."""
    if field.enum_type is None:
        return value
    names = field.enum_type.values_by_number
    if isinstance(value, int):
        return _name(names, value)
    return [_name(names, one) for one in value]


def _name(names: Any, number: int) -> str:
    return names[number].name if number in names else str(number)
