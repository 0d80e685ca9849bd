"""docs/reference/webhook-events.md: what each type of event carries, by the models."""

import json
from datetime import UTC, datetime

from services.invoicing.webhooks_out.composing import Event
from services.invoicing.webhooks_out.event_types import EVENT_TYPES, EventType
from shared.accounts.repository import Account

HEAD = """# Webhook events

What [endpoints](../guides/receive-webhooks.md) are told. Generated from the models that are sent.

A body has `type`, `version` (of the type's payload; a published version never changes), `timestamp` (when it happened), `vendor`, `mode` and `data`. Amounts are strings, times UTC.
"""  # noqa: E501 - a paragraph of Markdown is one line


def webhook_events_page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(_section(event_type) for event_type in EVENT_TYPES.values())])


def _section(event_type: EventType) -> str:
    fields = "\n".join(
        f"| `{name}` | {field.description or ''} |"
        for name, field in event_type.data.model_fields.items()
    )
    about = (event_type.data.__doc__ or "").strip()
    event = Event(
        account=Account("demo", "test"),
        event_type=event_type,
        identity="example",
        tenant_id=None,
        data=event_type.example,
        happened_at=datetime(2023, 12, 1, 6, tzinfo=UTC),
    )
    example = json.dumps(json.loads(event.payload()), indent=2)
    return (
        f"## {event_type.name}\n\n{event_type.description[0].upper()}{event_type.description[1:]}."
        f" Version {event_type.version}. {about}\n\n| `data` | |\n|---|---|\n{fields}\n\n"
        f"```json\n{example}\n```\n"
    )
