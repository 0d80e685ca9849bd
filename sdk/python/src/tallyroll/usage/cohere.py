"""Cohere: bills units, which may be fractions; its token counts are another thing.

Source: `cohere.types.UsageBilledUnits`, `.ApiMetaBilledUnits` (cohere 7.3).
"""

from collections.abc import Sequence

from tallyroll.event import Fault
from tallyroll.usage.surface import Folded, Json, Surface, at
from tallyroll.usage.tally import Tally

BILLED = {
    "input_tokens": "billed_input_tokens",
    "output_tokens": "billed_output_tokens",
    "image_tokens": "billed_image_tokens",
    "text_tokens": "billed_text_tokens",
    "search_units": "search_units",
    "classifications": "classifications",
    "images": "images",
    "pages": "pages",
}
"""What is billed → our unit. `tokens` and `cached_tokens` beside it are not billed."""


def _count(tally: Tally) -> None:
    for name, unit in BILLED.items():
        tally.add_unit(unit, tally.usage.quantity(name))
    if all(tally.usage.value(name) is None for name in BILLED):
        fault = Fault("missing_field", tally.usage.path, "states nothing that is billed")
        tally.findings.unreadable.append(fault)


def _fold(events: Sequence[Json]) -> list[Folded]:
    """The event at the end has the usage."""
    ends = [event for event in events if at(event, "type") == "message-end"]
    usage = at(ends[-1], "delta", "usage") if ends else None
    return [Folded({"usage": usage}, usage is not None)]


_PATHS = (("usage", "billed_units"), ("meta", "billed_units"), ("billed_units",))
CHAT = Surface(_count, own=(), fold=_fold, usage=_PATHS)
SINGLE = Surface(_count, own=(), usage=_PATHS)
