"""Reading what counts out of xAI's messages, which are protocol buffers."""

from typing import Any

from tallyroll.usage.surface import Json
from tallyroll.wrapping.routes import See

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
            ends = [{"finish_reason": one.finish_reason} for one in value if one.finish_reason]
            said.update({"outputs": ends} if ends else {})
    return said


def watch() -> See:
    """Return how the chunks of one stream are seen: each makes the same answer more complete.

    The last usage wins, so a long stream keeps one of them.
    """
    so_far: dict[str, object] = {}

    def see(chunk: Any) -> tuple[Json | None, bool]:
        so_far.update(read(chunk))
        return so_far, False

    return see


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
