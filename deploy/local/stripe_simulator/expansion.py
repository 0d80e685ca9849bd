"""`expand[]`: ids in an answer replaced by the objects that they name, up to four levels deep."""

from collections.abc import Callable
from typing import Any

import msgspec

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.forms import Raw
from deploy.local.stripe_simulator.operations import Call, Shown, list_object, public
from deploy.local.stripe_simulator.resources.credit_notes import shown_note
from deploy.local.stripe_simulator.resources.invoice_object import shown_invoice
from deploy.local.stripe_simulator.resources.tax_ids import tax_ids_of
from deploy.local.stripe_simulator.shapes import Repeated, Text
from deploy.local.stripe_simulator.state import Body, Filter
from deploy.local.stripe_simulator.tax_places import place_of

LEVELS_MAX = 4
PATHS_MAX = 20
_PATHS = Repeated(Text(), most=PATHS_MAX)
# A field that holds an id (or ids), to the type that it names.
_IDS = {
    "charge": "charge",
    "coupon": "coupon",
    "credit_note": "credit_note",
    "customer": "customer",
    "customer_balance_transaction": "customer_balance_transaction",
    "discount": "discount",
    "discounts": "discount",
    "invoice": "invoice",
    "latest_charge": "charge",
    "latest_revision": "invoice",
    "payment_intent": "payment_intent",
    "product": "product",
    "refund": "refund",
}
_SHOWN: dict[str, Callable[[Call, Body], Body]] = {
    "credit_note": shown_note,
    "invoice": shown_invoice,
}


def read(raw: dict[str, Raw]) -> list[str]:
    """Return the paths that a request wants expanded."""
    if "expand" not in raw:
        return []
    paths: list[str] = _PATHS.read(raw["expand"], "expand")
    for path in paths:
        if path.count(".") >= LEVELS_MAX:
            raise StripeError(
                f"You cannot expand more than {LEVELS_MAX} levels of a property: {path[:200]}",
                param="expand",
            )
    return paths


def expanded(call: Call, shown: Shown, paths: list[str]) -> Body:
    body: Body = msgspec.json.decode(msgspec.json.encode(shown))
    for path in paths:
        _expand(call, body, path.split("."), path)
    return body


def _expand(call: Call, node: Any, parts: list[str], path: str) -> None:
    if isinstance(node, list):
        for one in node:
            _expand(call, one, parts, path)
        return
    name, *rest = parts
    if not isinstance(node, dict) or not _is_there(node, name):
        raise StripeError(f"This property cannot be expanded ({path[:200]}).", param="expand")
    node[name] = _value(call, node, name)
    if rest and node[name] is not None:
        _expand(call, node[name], rest, path)
    elif not rest and not _is_expandable(node, name):
        raise StripeError(f"This property cannot be expanded ({path[:200]}).", param="expand")


def _is_there(node: Body, name: str) -> bool:
    return name in node or (node.get("object"), name) in _INCLUDED


def _is_expandable(node: Body, name: str) -> bool:
    return name in _IDS or (node.get("object"), name) in _INCLUDED


def _value(call: Call, node: Body, name: str) -> Any:
    include = _INCLUDED.get((node.get("object"), name))
    if include is not None:
        return include(call, node)
    value = node[name]
    if name not in _IDS or value is None:
        return value
    if isinstance(value, list):
        return [_object(call, _IDS[name], one) for one in value]
    return _object(call, _IDS[name], value)


def _object(call: Call, kind: str, identifier: Any) -> Any:
    if not isinstance(identifier, str):
        return identifier  # expanded by an earlier path
    record = call.state.get(call.account, kind, identifier)
    if record is None:
        return identifier
    shown = _SHOWN.get(kind)
    return public(record) if shown is None else shown(call, record)


def _payments(call: Call, node: Body) -> Body:
    where = Filter("invoice", "eq", node["id"])
    found = call.state.all(call.account, "invoice_payment", where)
    url = f"/v1/invoice_payments?invoice={node['id']}"
    return list_object(url, [public(one) for one in found], has_more=False)


def _tax_ids(call: Call, node: Body) -> Body:
    url = f"/v1/customers/{node['id']}/tax_ids"
    return list_object(url, tax_ids_of(call, node["id"]), has_more=False)


def _tax(call: Call, node: Body) -> Body:
    """Say whether automatic tax can be worked out for a customer."""
    address = (node["shipping"] or {}).get("address") or node["address"]
    place = place_of(address)
    registered = call.settings.registrations
    status = "unrecognized_location" if place is None else "supported"
    if place is not None and registered is not None and place not in registered:
        status = "not_collecting"
    country, _, state = (place or "").partition("-")
    location = {"country": country, "source": "billing_address", "state": state or None}
    return {"automatic_tax": status, "ip_address": None, "location": location if place else None}


# Fields that are only there when they are asked for.
_INCLUDED: dict[tuple[Any, str], Callable[[Call, Body], Any]] = {
    ("customer", "tax"): _tax,
    ("customer", "tax_ids"): _tax_ids,
    ("invoice", "payments"): _payments,
}
