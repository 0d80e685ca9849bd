"""All messages by topic: what the AsyncAPI document, the contract tests and readers start from."""

from typing import Any

from shared.events.invoice_changed import InvoiceChanged
from shared.events.message import Message
from shared.events.meter_wanted import MeterWanted
from shared.events.runs_aggregated import RunsAggregated
from shared.events.spend_crossed import EnvelopeCrossed, SpendCrossed
from shared.events.statement_rated import AdjustmentCredited, StatementRated
from shared.events.usage_aggregated import (
    DaySealed,
    MeterDefined,
    MeterValued,
    UsageAggregated,
)
from shared.events.usage_recorded import CONTENT_TYPE, SCHEMA
from shared.events.usage_rejected import UsageRejected
from shared.topics import TOPICS, USAGE_RECORDED

MESSAGES: tuple[type[Message], ...] = (
    UsageRejected,
    UsageAggregated,
    DaySealed,
    MeterDefined,
    MeterValued,
    RunsAggregated,
    MeterWanted,
    StatementRated,
    AdjustmentCredited,
    SpendCrossed,
    EnvelopeCrossed,
    InvoiceChanged,
)
"""Every JSON message. `usage.recorded` carries Arrow envelopes, see `usage_recorded.SCHEMA`."""


def asyncapi_document() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 description of every topic and message."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tallyroll topics",
            "version": "1",
            "description": "What the services tell each other. No topic is compacted.",
        },
        "defaultContentType": "application/json",
        "channels": {
            topic.name: {
                "address": topic.name,
                "description": f"{topic.description.capitalize()}. {topic.partitions} partitions, "
                f"kept for {topic.retention_days} days.",
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"}
                    for name in _message_names(topic.name)
                },
            }
            for topic in TOPICS
        },
        "components": {"messages": {"TokenEventEnvelope": _envelope(), **_json_messages()}},
    }


def _message_names(topic: str) -> list[str]:
    if topic == USAGE_RECORDED.name:
        return ["TokenEventEnvelope"]
    return [message.__name__ for message in MESSAGES if message.topic.name == topic]


def _envelope() -> dict[str, Any]:
    columns = {field.name: {"description": str(field.type)} for field in SCHEMA}
    return {
        "name": "TokenEventEnvelope",
        "contentType": CONTENT_TYPE,
        "summary": "One Arrow IPC stream with one record batch of token events.",
        "payload": {"type": "object", "properties": columns},
    }


def _json_messages() -> dict[str, Any]:
    return {
        message.__name__: {
            "name": message.__name__,
            "summary": (message.__doc__ or "").partition("\n")[0],
            "headers": {
                "type": "object",
                "properties": {
                    "type": {"const": message.__name__},
                    "version": {"const": str(message.version_of_schema)},
                    "message-id": {"type": "string", "description": "the same on a re-send"},
                },
            },
            "payload": message.model_json_schema(),
        }
        for message in MESSAGES
    }
