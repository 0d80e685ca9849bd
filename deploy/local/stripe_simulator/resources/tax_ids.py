"""Tax ids of customers: kept and shown; a European VAT number turns tax into reverse charge."""

import re

from deploy.local.stripe_simulator.errors import StripeError, not_simulated
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import Call, Operation
from deploy.local.stripe_simulator.resources.events import record_event
from deploy.local.stripe_simulator.resources.lookup import page_of
from deploy.local.stripe_simulator.shapes import PAGE, Shape, Text
from deploy.local.stripe_simulator.state import Body, Filter

# The types that are checked; Stripe knows about 130. `group` 1 is the country, where it is inside.
_FORMS = {
    "au_abn": r"\d{11}",
    "ca_bn": r"\d{9}",
    "ca_gst_hst": r"\d{9}RT\d{4}",
    "ch_vat": r"CHE-?[\d.]{9,11} ?(MWST|TVA|IVA)",
    "eu_vat": r"(AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK)"
    r"[0-9A-Z]{8,12}",
    "gb_vat": r"GB\d{9}|XI\d{9}",
    "in_gst": r"\d{2}[A-Z0-9]{13}",
    "jp_cn": r"\d{13}",
    "no_vat": r"\d{9}MVA",
    "nz_gst": r"\d{8,9}",
    "sg_gst": r"[A-Z0-9]{9,10}",
    "us_ein": r"\d{2}-?\d{7}",
}
_EU_COUNTRY_LETTERS = 2
TAX_ID = Shape({"type": Text(), "value": Text(100)}, required=("type", "value"))
TAX_IDS_MAX = 5


def add_tax_id(call: Call, customer: Body, given: Body) -> Body:
    kind, value = given["type"], given["value"]
    form = _FORMS.get(kind)
    if form is None:
        raise not_simulated(f"tax ids of type {kind[:40]}", param="type")
    if re.fullmatch(form, value, re.ASCII) is None:
        raise StripeError(f"Invalid value for {kind}.", code="tax_id_invalid", param="value")
    if len(tax_ids_of(call, customer["id"])) >= TAX_IDS_MAX:
        raise StripeError(f"A customer has at most {TAX_IDS_MAX} tax ids.", param="value")
    country = value[:_EU_COUNTRY_LETTERS] if kind == "eu_vat" else kind[:2].upper()
    record = {
        "id": new_id("txi"),
        "object": "tax_id",
        "country": "GR" if country == "EL" else country,
        "created": call.now,
        "customer": customer["id"],
        "customer_account": None,
        "livemode": False,
        "owner": {"customer": customer["id"], "type": "customer"},
        "type": kind,
        "value": value,
        "verification": {"status": "pending", "verified_address": None, "verified_name": None},
    }
    call.put("tax_id", record)
    record_event(call, "customer.tax_id.created", record)
    return record


def tax_ids_of(call: Call, customer: str) -> list[Body]:
    """Return a customer's tax ids; every invoice asks for them."""
    found: list[Body] = call.state.derived(
        "tax_id",
        customer,
        lambda: call.state.all(call.account, "tax_id", Filter("customer", "eq", customer)),
    )
    return found


def create_tax_id(call: Call) -> Body:
    customer = call.find("customer", call.path["customer"], param="customer")
    return add_tax_id(call, customer, call.params)


def retrieve_tax_id(call: Call) -> Body:
    return call.find("tax_id", call.path["id"], noun="tax id")


def list_tax_ids(call: Call) -> Body:
    customer = call.find("customer", call.path["customer"], param="customer")
    url = f"/v1/customers/{customer['id']}/tax_ids"
    return page_of(call, "tax_id", url, Filter("customer", "eq", customer["id"]))


def delete_tax_id(call: Call) -> Body:
    record = call.find("tax_id", call.path["id"], noun="tax id")
    call.state.delete(call.account, "tax_id", record["id"])
    record_event(call, "customer.tax_id.deleted", record)
    return {"id": record["id"], "object": "tax_id", "deleted": True}


_PATH = "/v1/customers/{customer}/tax_ids"
OPERATIONS = [
    Operation("POST", _PATH, TAX_ID, create_tax_id),
    Operation("GET", _PATH, Shape(PAGE), list_tax_ids),
    Operation("GET", f"{_PATH}/{{id}}", Shape(), retrieve_tax_id),
    Operation("DELETE", f"{_PATH}/{{id}}", Shape(), delete_tax_id),
]
