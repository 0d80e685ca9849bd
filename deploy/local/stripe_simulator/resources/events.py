"""Events: a snapshot of what happened, listed for a while and sent to the webhooks."""

from typing import Any

import msgspec

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import (
    API_VERSION,
    Call,
    Operation,
    Shown,
    list_object,
    public,
)
from deploy.local.stripe_simulator.shapes import PAGE, Repeated, Shape, Text, TimeFilter
from deploy.local.stripe_simulator.state import Body, Filter, cursor_of, filters_of

RETENTION_SECONDS = 30 * 86_400
TYPES_MAX = 20


def record_event(
    call: Call, name: str, snapshot: Shown, *, about: str = "", previous: Body | None = None
) -> Body:
    """Store the event and its deliveries in the transaction of the request.

    `about` is the id of the object, which an encoded snapshot does not tell.
    """
    data: dict[str, Any] = {"object": snapshot}
    if previous is not None:
        data["previous_attributes"] = previous
    endpoints = _endpoints(call, name)
    event = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": call.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": len(endpoints),
        "request": {"id": call.request_id, "idempotency_key": call.idempotency_key},
        "type": name,
        "_about": about if isinstance(snapshot, msgspec.Raw) else snapshot["id"],
    }
    call.put("event", event)
    if endpoints:
        queue_deliveries(call, event, endpoints)
    return event


def queue_deliveries(call: Call, event: Body, endpoints: list[str]) -> None:
    payload = msgspec.json.encode(public(event))
    call.state.connection.executemany(
        "INSERT INTO deliveries (endpoint, event_id, payload) VALUES (?, ?, ?)",
        [(endpoint, event["id"], payload) for endpoint in endpoints],
    )


def _endpoints(call: Call, name: str) -> list[str]:
    """Return who hears of it: the receivers given at the start, and the account's endpoints."""
    made = call.state.derived(
        "webhook_endpoint",
        call.account,
        lambda: call.state.all(call.account, "webhook_endpoint"),
    )
    hearing = [endpoint.id for endpoint in call.endpoints]
    for endpoint in made:
        wanted = endpoint["enabled_events"]
        if endpoint["status"] == "enabled" and ("*" in wanted or name in wanted):
            hearing.append(endpoint["id"])
    return hearing


def changed_fields(before: Body, after: Body) -> Body:
    """Return the old values of the top-level fields that differ, for `previous_attributes`."""
    return {key: before.get(key) for key in after if before.get(key) != after[key]}


def retrieve_event(call: Call) -> Body:
    return public(call.find("event", call.path["id"]))


def list_events(call: Call) -> Body:
    """List the last 30 days, by one type (`invoice.*` is none) or several."""
    if "type" in call.params and "types" in call.params:
        raise StripeError(
            "You may only specify one of these parameters: type, types.",
            code="parameters_exclusive",
            param="types",
        )
    filters = filters_of(call.params, "type", "created")
    filters.append(Filter("created", "gt", call.now - RETENTION_SECONDS))
    types = call.params.get("types")
    if types is None:
        data, has_more = call.state.page(
            call.account, "event", *filters, cursor=cursor_of(call.params)
        )
    else:
        data, has_more = _page_of_types(call, set(types), filters)
    return list_object("/v1/events", [public(event) for event in data], has_more=has_more)


def _page_of_types(call: Call, types: set[str], filters: list[Filter]) -> tuple[list[Body], bool]:
    """Cut the page out of all events; several types are asked for rarely."""
    cursor = cursor_of(call.params)
    found = [one for one in call.state.all(call.account, "event", *filters) if one["type"] in types]
    newest = found[::-1]
    places = {event["id"]: at for at, event in enumerate(newest)}
    if cursor.ending_before is not None:
        end = places.get(cursor.ending_before, 0)
        start = max(end - cursor.limit, 0)
        return newest[start:end], start > 0
    start = places.get(cursor.starting_after, -1) + 1 if cursor.starting_after else 0
    return newest[start : start + cursor.limit], len(newest) > start + cursor.limit


OPERATIONS = [
    Operation(
        "GET",
        "/v1/events",
        Shape(
            {
                **PAGE,
                "type": Text(),
                "types": Repeated(Text(), most=TYPES_MAX),
                "created": TimeFilter(),
            }
        ),
        list_events,
    ),
    Operation("GET", "/v1/events/{id}", Shape(), retrieve_event),
]
