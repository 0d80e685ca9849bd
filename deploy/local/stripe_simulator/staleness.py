"""Reads that lag behind: objects as they were some seconds ago, by the events about them."""

from typing import Any

import msgspec

from deploy.local.stripe_simulator.operations import Call, Shown
from deploy.local.stripe_simulator.state import Body, Filter


def as_of(call: Call, shown: Shown, moment: int) -> Shown:
    """Replace what is shown by its last snapshot at `moment` (seconds since 1970).

    What had no snapshot then is left out of lists; an object asked for by its id stays as it is.
    """
    body: Body = msgspec.json.decode(shown) if isinstance(shown, msgspec.Raw) else shown
    if "data" not in body:
        return _older(call, body, moment) or body
    found = [_older(call, one, moment) for one in body["data"]]
    return {**body, "data": [one for one in found if one is not None]}


def _older(call: Call, body: Body, moment: int) -> Any:
    events = call.state.all(
        call.account,
        "event",
        Filter("_about", "eq", body["id"]),
        Filter("created", "lte", moment),
    )
    return events[-1]["data"]["object"] if events else None
