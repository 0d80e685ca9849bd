"""What the OpenAPI document says of `POST /v1/events`, whose body is read by hand."""

from typing import Any

import msgspec

from services.metering.domain.event import WrittenEvent

EXAMPLE_EVENT: dict[str, Any] = {
    "event_id": "019a2f6e-5c1b-7c3a-9d57-3f6f0e6a1b2c",
    "tenant": "acme",
    "agent": "coder-1",
    "provider": "openai",
    "model": "gpt-5",
    "occurred_at": "2026-01-31T12:00:00.123456Z",
    "tokens": {"input_uncached": 4808, "output_text": 10},
    "units": {"web_search_requests": "1"},
    "user": "dev-7",
}

_EXAMPLE_RESULTS = {
    "results": [
        {"index": 0, "event_id": EXAMPLE_EVENT["event_id"], "status": "accepted"},
        {
            "index": 1,
            "event_id": "mine-2",
            "status": "rejected",
            "code": "ambiguous_token_type",
            "field": "tokens.input",
            "message": "'input' can be misread; say how the tokens were served: …",
        },
    ]
}


def _schema() -> dict[str, Any]:
    (_,), components = msgspec.json.schema_components(
        [WrittenEvent], ref_template="#/components/schemas/{name}"
    )
    event: dict[str, Any] = components["WrittenEvent"]
    return {
        "oneOf": [
            event,
            {"type": "array", "maxItems": 1_000, "items": event},
            {
                "type": "object",
                "required": ["events"],
                "properties": {"events": {"type": "array", "maxItems": 1_000, "items": event}},
            },
        ]
    }


EVENTS_OPENAPI: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _schema(), "example": {"events": [EXAMPLE_EVENT]}}
        },
    }
}

EVENTS_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Acknowledged by the broker; every event has its own result",
        "content": {"application/json": {"example": _EXAMPLE_RESULTS}},
    },
    400: {"description": "`invalid_json` with the place, `invalid_body`, `invalid_encoding`"},
    403: {"description": "`missing_scope`; `wrong_tenant` under a key that is bound to another"},
    413: {"description": "`body_too_large`, `unpacked_body_too_large`, `too_many_events`"},
    415: {"description": "`unsupported_encoding`"},
    503: {"description": "`broker_unavailable`, `accounts_unavailable`: send the request again"},
}
