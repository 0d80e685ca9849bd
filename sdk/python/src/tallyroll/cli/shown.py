"""An event on one line of a terminal."""

from datetime import UTC, datetime
from typing import Any

import msgspec

DECODE_FAILURES = (msgspec.DecodeError, UnicodeDecodeError)


def decoded(payload: bytes) -> dict[str, Any] | None:
    """Return the event of a frame; None if it is no JSON object."""
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except DECODE_FAILURES:
        return None


def instant_of(event: dict[str, Any] | None) -> datetime | None:
    """Return when the event happened; None if it does not say."""
    try:
        found = datetime.fromisoformat((event or {})["occurred_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def cells(event: dict[str, Any]) -> tuple[str, str, str, str, str]:
    """Return time, tenant, agent, model and quantities."""
    instant = instant_of(event)
    quantities = {**_mapping(event, "tokens"), **_mapping(event, "units")}
    told = " ".join(f"{name}={amount}" for name, amount in quantities.items())
    if "corrects" in event:
        told = f"{event.get('action')} of {event['corrects']} {told}".strip()
    if isinstance(event.get("outcome"), dict):
        told = f"{told} outcome={event['outcome'].get('name')}".strip()
    return (
        f"{instant:%Y-%m-%d %H:%M:%S}" if instant else "-",
        str(event.get("tenant", "-")),
        str(event.get("agent", "-")),
        str(event.get("model", "-")),
        told or "-",
    )


def _mapping(event: dict[str, Any], name: str) -> dict[str, Any]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}
