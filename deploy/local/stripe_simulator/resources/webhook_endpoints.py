"""Webhook endpoints: who else hears of events, signed with a secret that is shown once."""

import re

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import API_VERSION, Call, Operation, public
from deploy.local.stripe_simulator.resources.lookup import page_of
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Boolean,
    Choice,
    Metadata,
    Reader,
    Repeated,
    Shape,
    Text,
    merged_metadata,
)
from deploy.local.stripe_simulator.state import Body

ENDPOINTS_MAX = 16
_EVENT = re.compile(r"\*|[a-z0-9_]+(\.[a-z0-9_]+)+", re.ASCII)
_FIELDS: dict[str, Reader] = {
    "description": Text(clearable=True),
    "enabled_events": Repeated(Text(), most=300),
    "metadata": Metadata(),
    "url": Text(2048),
}


def create_endpoint(call: Call) -> Body:
    _check(call.params)
    if call.state.count(call.account, "webhook_endpoint") >= ENDPOINTS_MAX:
        raise StripeError(f"An account has at most {ENDPOINTS_MAX} webhook endpoints.")
    record: Body = {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "api_version": call.params.get("api_version", API_VERSION),
        "application": None,
        "created": call.now,
        "description": call.params.get("description"),
        "enabled_events": call.params["enabled_events"],
        "livemode": False,
        "metadata": merged_metadata({}, call.params.get("metadata", {})),
        "status": "enabled",
        "url": call.params["url"],
        "_secrets": [new_id("whsec", length=32)],
    }
    call.put("webhook_endpoint", record)
    return public(record) | {"secret": record["_secrets"][0]}


def update_endpoint(call: Call) -> Body:
    _check(call.params)
    record = call.find("webhook_endpoint", call.path["id"], noun="webhook endpoint")
    given = dict(call.params)
    if "disabled" in given:
        record["status"] = "disabled" if given.pop("disabled") else "enabled"
    if "metadata" in given:
        record["metadata"] = merged_metadata(record["metadata"], given.pop("metadata"))
    record.update(given)
    call.put("webhook_endpoint", record)
    return public(record)


def _check(params: Body) -> None:
    if "url" in params and not re.match(r"https?://[^/\s]+", params["url"]):
        raise StripeError("Invalid URL: an explicit scheme (such as https) is needed.", param="url")
    for index, name in enumerate(params.get("enabled_events", [])):
        if _EVENT.fullmatch(name) is None:
            raise StripeError(f"Invalid event: {name[:60]}", param=f"enabled_events[{index}]")


def retrieve_endpoint(call: Call) -> Body:
    return public(call.find("webhook_endpoint", call.path["id"], noun="webhook endpoint"))


def list_endpoints(call: Call) -> Body:
    return page_of(call, "webhook_endpoint", "/v1/webhook_endpoints")


def delete_endpoint(call: Call) -> Body:
    record = call.find("webhook_endpoint", call.path["id"], noun="webhook endpoint")
    call.state.delete(call.account, "webhook_endpoint", record["id"])
    return {"id": record["id"], "object": "webhook_endpoint", "deleted": True}


_PATH = "/v1/webhook_endpoints"
_CREATE = Shape({**_FIELDS, "api_version": Choice((API_VERSION,))}, ("enabled_events", "url"))
OPERATIONS = [
    Operation("POST", _PATH, _CREATE, create_endpoint),
    Operation("GET", _PATH, Shape(PAGE), list_endpoints),
    Operation("GET", f"{_PATH}/{{id}}", Shape(), retrieve_endpoint),
    Operation(
        "POST", f"{_PATH}/{{id}}", Shape({**_FIELDS, "disabled": Boolean()}), update_endpoint
    ),
    Operation("DELETE", f"{_PATH}/{{id}}", Shape(), delete_endpoint),
]
