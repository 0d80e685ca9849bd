"""Events: a snapshot of what happened, listed for a while and sent to the webhook."""

import json
from typing import Any

from deploy.local.stripe_simulator.errors import missing_object
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import API_VERSION, Call, Operation, list_object
from deploy.local.stripe_simulator.shapes import PAGE, Shape, Text, TimeFilter
from deploy.local.stripe_simulator.state import Body, cursor_of, filters_of


def record_event(call: Call, name: str, snapshot: Body, previous: Body | None = None) -> None:
    """Store the event and its delivery in the transaction of the request."""
    data: dict[str, Any] = {"object": snapshot}
    if previous is not None:
        data["previous_attributes"] = previous
    event = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": call.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
        "type": name,
    }
    call.state.put(call.account, "event", event)
    call.state.connection.execute(
        "INSERT INTO deliveries (event_id, payload) VALUES (?, ?)",
        (event["id"], json.dumps(event, indent=2)),
    )


def changed_fields(before: Body, after: Body) -> Body:
    """Return the old values of the top-level fields that differ, for `previous_attributes`."""
    return {key: before.get(key) for key in after if before.get(key) != after[key]}


def retrieve_event(call: Call) -> Body:
    event = call.state.get(call.account, "event", call.path["id"])
    if event is None:
        raise missing_object("event", call.path["id"])
    return event


def list_events(call: Call) -> Body:
    filters = filters_of(call.params, "type", "created")
    data, has_more = call.state.page(call.account, "event", *filters, cursor=cursor_of(call.params))
    return list_object("/v1/events", data, has_more=has_more)


OPERATIONS = [
    Operation(
        "GET",
        "/v1/events",
        Shape({**PAGE, "type": Text(), "created": TimeFilter()}),
        list_events,
    ),
    Operation("GET", "/v1/events/{id}", Shape(), retrieve_event),
]
