"""Customers: create, retrieve, update, list, delete, search."""

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.identifiers import new_id, new_number_prefix
from deploy.local.stripe_simulator.money import currency
from deploy.local.stripe_simulator.operations import Call, Operation, public
from deploy.local.stripe_simulator.resources.balance import move_balance
from deploy.local.stripe_simulator.resources.cards import CARD
from deploy.local.stripe_simulator.resources.events import changed_fields, record_event
from deploy.local.stripe_simulator.resources.lookup import get_customer, page_of
from deploy.local.stripe_simulator.resources.tax_ids import TAX_ID, add_tax_id
from deploy.local.stripe_simulator.search import SEARCH, Searchable, search
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Choice,
    Integer,
    Metadata,
    Reader,
    Repeated,
    Shape,
    Text,
    TimeFilter,
    merged_metadata,
)
from deploy.local.stripe_simulator.state import Body, Filter, filters_of
from deploy.local.stripe_simulator.tax_places import place_of

ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")
BALANCE_MAX = 99_999_999_999
ADDRESS = Shape({name: Text(clearable=True) for name in ADDRESS_FIELDS}, clearable=True)
CUSTOM_FIELDS = Repeated(
    Shape({"name": Text(40), "value": Text(140)}, required=("name", "value")),
    most=4,
    clearable=True,
)
SHIPPING = Shape(
    {"address": ADDRESS, "name": Text(), "phone": Text(clearable=True)},
    required=("address", "name"),
    clearable=True,
)
_FIELDS: dict[str, Reader] = {
    "address": ADDRESS,
    "balance": Integer(least=-BALANCE_MAX, most=BALANCE_MAX),
    "business_name": Text(150, clearable=True),
    "description": Text(350, clearable=True),
    "email": Text(512, clearable=True),
    "individual_name": Text(150, clearable=True),
    "invoice_prefix": Text(12),
    "invoice_settings": Shape(
        {
            "custom_fields": CUSTOM_FIELDS,
            "default_payment_method": CARD,
            "footer": Text(clearable=True),
        }
    ),
    "metadata": Metadata(),
    "name": Text(256, clearable=True),
    "next_invoice_sequence": Integer(least=1),
    "phone": Text(20, clearable=True),
    "preferred_locales": Repeated(Text(), most=20, clearable=True),
    "shipping": SHIPPING,
    "tax": Shape(
        {"ip_address": Text(), "validate_location": Choice(("deferred", "immediately", "auto"))}
    ),
    "tax_exempt": Choice(("none", "exempt", "reverse")),
}
_CREATE = {**_FIELDS, "payment_method": CARD, "tax_id_data": Repeated(TAX_ID, most=5)}
_PLAIN = (
    "business_name", "description", "email", "individual_name", "invoice_prefix", "name",
    "next_invoice_sequence", "phone", "preferred_locales", "shipping", "tax_exempt",
)  # fmt: skip
_SEARCHABLE = Searchable("customer", "/v1/customers/search", ("email", "name", "phone"))


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
        "_deleted": None,
    }
    _apply(call, record, call.params)
    call.put("customer", record)
    for given in call.params.get("tax_id_data", []):
        add_tax_id(call, record, given)
    record_event(call, "customer.created", public(record))
    return public(record)


def retrieve_customer(call: Call) -> Body:
    record = call.find("customer", call.path["id"])
    return _gone(record) if record["_deleted"] else public(record)


def update_customer(call: Call) -> Body:
    record = get_customer(call, call.path["id"])
    before = public(record)
    _apply(call, record, call.params)
    after = public(record)
    call.put("customer", record)
    if after != before:
        record_event(call, "customer.updated", after, previous=changed_fields(before, after))
    return after


def delete_customer(call: Call) -> Body:
    """Delete it for good; what was billed to it stays."""
    record = get_customer(call, call.path["id"])
    record["_deleted"] = "deleted"
    call.put("customer", record)
    record_event(call, "customer.deleted", public(record))
    return _gone(record)


def list_customers(call: Call) -> Body:
    filters = filters_of(call.params, "email", "created")
    return page_of(call, "customer", "/v1/customers", *filters, Filter("_deleted", "eq", None))


def search_customers(call: Call) -> Body:
    """Search as Stripe does, `search_lag_s` behind what is written."""
    there = [one for one in call.state.all(call.account, "customer") if not one["_deleted"]]
    return search(call, _SEARCHABLE, [public(record) for record in there])


def _gone(record: Body) -> Body:
    return {"id": record["id"], "object": "customer", "deleted": True}


def _apply(call: Call, record: Body, params: Body) -> None:
    record.update({name: params[name] for name in _PLAIN if name in params})
    if "address" in params:
        given = params["address"]
        known = dict.fromkeys(ADDRESS_FIELDS) | (record["address"] or {})
        record["address"] = None if given is None else known | given
    if "metadata" in params:
        record["metadata"] = merged_metadata(record["metadata"], params["metadata"])
    settings = dict(params.get("invoice_settings", {}))
    if "payment_method" in params:
        settings.setdefault("default_payment_method", params["payment_method"])
    record["invoice_settings"] = record["invoice_settings"] | settings
    _check_location(record, params)
    change = params.get("balance", record["balance"]) - record["balance"]
    if change:
        code = record["currency"] or "usd"
        currency(code)
        move_balance(call, record, change, "adjustment", code=code)


def _check_location(record: Body, params: Body) -> None:
    """Refuse an address that tax cannot be computed for, where the request asks for that."""
    if params.get("tax", {}).get("validate_location") != "immediately":
        return
    if place_of((record["shipping"] or {}).get("address") or record["address"]) is None:
        raise StripeError(
            "The customer's location isn't recognized. Set a valid customer address in order to "
            "automatically calculate tax.",
            code="customer_tax_location_invalid",
            param="address",
        )


OPERATIONS = [
    Operation("POST", "/v1/customers", Shape(_CREATE), create_customer),
    Operation(
        "GET",
        "/v1/customers",
        Shape({**PAGE, "email": Text(), "created": TimeFilter()}),
        list_customers,
    ),
    Operation("GET", "/v1/customers/search", SEARCH, search_customers),
    Operation("GET", "/v1/customers/{id}", Shape(), retrieve_customer),
    Operation("POST", "/v1/customers/{id}", Shape(_FIELDS), update_customer),
    Operation("DELETE", "/v1/customers/{id}", Shape(), delete_customer),
]
