"""Customers: create, retrieve, update, list. The balance stays 0 in this version."""

from deploy.local.stripe_simulator.errors import missing_object
from deploy.local.stripe_simulator.identifiers import new_id, new_number_prefix
from deploy.local.stripe_simulator.operations import Call, Operation, list_object
from deploy.local.stripe_simulator.resources.events import changed_fields, record_event
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Choice,
    Metadata,
    Reader,
    Repeated,
    Shape,
    Text,
    TimeFilter,
    merged_metadata,
)
from deploy.local.stripe_simulator.state import Body, cursor_of, filters_of

ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")
_ADDRESS = Shape({name: Text(clearable=True) for name in ADDRESS_FIELDS}, clearable=True)
_FIELDS: dict[str, Reader] = {
    "address": _ADDRESS,
    "business_name": Text(150, clearable=True),
    "description": Text(350, clearable=True),
    "email": Text(512, clearable=True),
    "individual_name": Text(150, clearable=True),
    "metadata": Metadata(),
    "name": Text(256, clearable=True),
    "phone": Text(20, clearable=True),
    "preferred_locales": Repeated(Text(), most=20, clearable=True),
    "tax": Shape({"validate_location": Choice(("deferred", "immediately"))}),
    "tax_exempt": Choice(("none", "exempt", "reverse")),
}
_PLAIN = tuple(name for name in _FIELDS if name not in {"address", "metadata", "tax"})


def get_customer(call: Call, identifier: str, *, param: str = "id", status: int = 404) -> Body:
    customer = call.state.get(call.account, "customer", identifier)
    if customer is None:
        raise missing_object("customer", identifier, param=param, status=status)
    return customer


def shown_customer(record: Body) -> Body:
    return {key: value for key, value in record.items() if not key.startswith("_")}


def create_customer(call: Call) -> Body:
    record: Body = {
        "id": new_id("cus", length=14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": call.now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": new_number_prefix(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    _apply(record, call.params)
    call.state.put(call.account, "customer", record)
    record_event(call, "customer.created", shown_customer(record))
    return shown_customer(record)


def retrieve_customer(call: Call) -> Body:
    return shown_customer(get_customer(call, call.path["id"]))


def update_customer(call: Call) -> Body:
    record = get_customer(call, call.path["id"])
    before = shown_customer(record)
    _apply(record, call.params)
    after = shown_customer(record)
    call.state.put(call.account, "customer", record)
    if after != before:
        record_event(call, "customer.updated", after, changed_fields(before, after))
    return after


def list_customers(call: Call) -> Body:
    filters = filters_of(call.params, "email", "created")
    data, has_more = call.state.page(
        call.account, "customer", *filters, cursor=cursor_of(call.params)
    )
    shown = [shown_customer(record) for record in data]
    return list_object("/v1/customers", shown, has_more=has_more)


def _apply(record: Body, params: Body) -> None:
    record.update({name: params[name] for name in _PLAIN if name in params})
    if "address" in params:
        given = params["address"]
        known = dict.fromkeys(ADDRESS_FIELDS) | (record["address"] or {})
        record["address"] = None if given is None else known | given
    if "metadata" in params:
        record["metadata"] = merged_metadata(record["metadata"], params["metadata"])


OPERATIONS = [
    Operation("POST", "/v1/customers", Shape(_FIELDS), create_customer),
    Operation(
        "GET",
        "/v1/customers",
        Shape({**PAGE, "email": Text(), "created": TimeFilter()}),
        list_customers,
    ),
    Operation("GET", "/v1/customers/{id}", Shape(), retrieve_customer),
    Operation("POST", "/v1/customers/{id}", Shape(_FIELDS), update_customer),
]
