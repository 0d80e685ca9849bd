"""Meter events: taken once by identifier, a second time is an error and never a silent drop."""

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.forms import Raw
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import Call, Operation, public
from deploy.local.stripe_simulator.shapes import Shape, Text, timestamp
from deploy.local.stripe_simulator.state import Body

UNIQUE_SECONDS = 24 * 3600
PAST_SECONDS = 35 * 86_400
FUTURE_SECONDS = 300


class _Payload:
    """A mapping of texts, with the customer and the value under the meter's own names."""

    def read(self, raw: Raw, name: str) -> dict[str, str]:
        if isinstance(raw, str) or not all(isinstance(value, str) for value in raw.values()):
            raise StripeError(f"Invalid object: {name} must map keys to strings.", param=name)
        return {key: str(value) for key, value in raw.items()}


def create_meter_event(call: Call) -> Body:
    params = call.params
    at = params.get("timestamp", call.now)
    if not call.now - PAST_SECONDS <= at <= call.now + FUTURE_SECONDS:
        raise StripeError(
            "The timestamp must be within the past 35 days or up to 5 minutes in the future.",
            param="timestamp",
        )
    identifier = params.get("identifier") or new_id("mevt")
    known = call.state.get(call.account, "meter_event", identifier)
    if known is not None and known["created"] > call.now - UNIQUE_SECONDS:
        raise StripeError(
            f"An event already exists with identifier {identifier}.", param="identifier"
        )
    record = {
        "id": identifier,
        "object": "billing.meter_event",
        "created": call.now,
        "event_name": params["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": params["payload"],
        "timestamp": at,
    }
    call.put("meter_event", record)
    return {name: value for name, value in public(record).items() if name != "id"}


_CREATE = Shape(
    {
        "event_name": Text(100),
        "identifier": Text(100),
        "payload": _Payload(),
        "timestamp": timestamp(),
    },
    required=("event_name", "payload"),
)
OPERATIONS = [Operation("POST", "/v1/billing/meter_events", _CREATE, create_meter_event)]
