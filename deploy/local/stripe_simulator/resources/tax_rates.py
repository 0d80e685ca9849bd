"""Tax rates: those that people make, and those that automatic tax makes for a place."""

from fractions import Fraction

from deploy.local.stripe_simulator.arithmetic import Rate
from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import Call, Operation, public
from deploy.local.stripe_simulator.resources.events import changed_fields, record_event
from deploy.local.stripe_simulator.resources.lookup import page_of
from deploy.local.stripe_simulator.resources.products import plain
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Boolean,
    Choice,
    DecimalText,
    Metadata,
    Reader,
    Repeated,
    Shape,
    Text,
    TimeFilter,
    merged_metadata,
)
from deploy.local.stripe_simulator.state import Body, filters_of
from deploy.local.stripe_simulator.tax_places import PERCENTAGES, place_of

RATES_MAX = 5
TAX_RATES = Repeated(Text(), most=RATES_MAX, clearable=True)
TAX_TYPES = ("gst", "hst", "igst", "jct", "pst", "qst", "rst", "sales_tax", "service_tax", "vat")
_FIELDS: dict[str, Reader] = {
    "active": Boolean(),
    "country": Text(2),
    "description": Text(),
    "display_name": Text(50),
    "jurisdiction": Text(50),
    "metadata": Metadata(),
    "state": Text(3),
    "tax_type": Choice(TAX_TYPES),
}
_CREATE = Shape(
    {**_FIELDS, "inclusive": Boolean(), "percentage": DecimalText(places=4, least=0, most=100)},
    required=("display_name", "inclusive", "percentage"),
)


def new_rate(call: Call, identifier: str, given: Body) -> Body:
    percentage = given["percentage"]
    return {
        "id": identifier,
        "object": "tax_rate",
        "active": given.get("active", True),
        "country": given.get("country"),
        "created": call.now,
        "description": given.get("description"),
        "display_name": given["display_name"],
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": given["inclusive"],
        "jurisdiction": given.get("jurisdiction"),
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": merged_metadata({}, given.get("metadata", {})),
        "percentage": float(percentage),
        "rate_type": "percentage",
        "state": given.get("state"),
        "tax_type": given.get("tax_type"),
        "_percentage": plain(percentage),
    }


def create_tax_rate(call: Call) -> Body:
    record = new_rate(call, new_id("txr"), call.params)
    call.put("tax_rate", record)
    record_event(call, "tax_rate.created", public(record))
    return public(record)


def update_tax_rate(call: Call) -> Body:
    """Change what is only shown; the percentage of a rate never changes."""
    record = call.find("tax_rate", call.path["id"], noun="tax rate")
    before = public(record)
    record.update({name: value for name, value in call.params.items() if name != "metadata"})
    if "metadata" in call.params:
        record["metadata"] = merged_metadata(record["metadata"], call.params["metadata"])
    call.put("tax_rate", record)
    after = public(record)
    if after != before:
        record_event(call, "tax_rate.updated", after, previous=changed_fields(before, after))
    return after


def retrieve_tax_rate(call: Call) -> Body:
    return public(call.find("tax_rate", call.path["id"], noun="tax rate"))


def list_tax_rates(call: Call) -> Body:
    return page_of(call, "tax_rate", "/v1/tax_rates", *filters_of(call.params, "created"))


def checked_rates(call: Call, identifiers: list[str], name: str) -> list[str]:
    """Return the ids of rates that exist and are active, or refuse them."""
    for index, identifier in enumerate(identifiers):
        param = f"{name}[{index}]"
        rate = call.find("tax_rate", identifier, noun="tax rate", param=param, status=400)
        if not rate["active"]:
            raise StripeError(f"The tax rate {identifier} is not active.", param=param)
    return identifiers


def arithmetic_rate(call: Call, identifier: str) -> Rate:
    record = call.find("tax_rate", identifier, noun="tax rate")
    return Rate(identifier, Fraction(record["_percentage"]), inclusive=record["inclusive"])


def automatic_rate(
    call: Call, address: Body | None, *, exempt: str, has_vat_id: bool, inclusive: bool
) -> Rate | None:
    """Return the rate of a customer's place: None where its address does not say enough.

    Nothing is collected where there is no registration, and nobody says so.
    """
    place = place_of(address)
    if place is None:
        return None
    registered = call.settings.registrations
    known = place in PERCENTAGES and (registered is None or place in registered)
    percentage = PERCENTAGES.get(place, "0") if known else "0"
    reason = "standard_rated" if known else "not_collecting"
    if exempt == "exempt":
        percentage, reason = "0", "customer_exempt"
    elif exempt == "reverse" or has_vat_id:
        percentage, reason = "0", "reverse_charge"
    identifier = _automatic_id(call, place, percentage, inclusive=inclusive)
    return Rate(identifier, Fraction(percentage), inclusive=inclusive, reason=reason)


def _automatic_id(call: Call, place: str, percentage: str, *, inclusive: bool) -> str:
    """Make the rate that Stripe would make, once for each place, percentage and behavior."""
    side = "inc" if inclusive else "exc"
    identifier = f"txr_auto_{place}_{percentage.replace('.', '_')}_{side}"
    if call.state.get(call.account, "tax_rate", identifier) is None:
        country, _, state = place.partition("-")
        given = {
            "active": False,
            "country": country,
            "display_name": "Sales Tax" if country in {"US", "CA"} else "VAT",
            "inclusive": inclusive,
            "percentage": DecimalText().read(percentage, "percentage"),
            "state": state or None,
        }
        call.put("tax_rate", new_rate(call, identifier, given))
    return identifier


OPERATIONS = [
    Operation("POST", "/v1/tax_rates", _CREATE, create_tax_rate),
    Operation("GET", "/v1/tax_rates", Shape({**PAGE, "created": TimeFilter()}), list_tax_rates),
    Operation("GET", "/v1/tax_rates/{id}", Shape(), retrieve_tax_rate),
    Operation("POST", "/v1/tax_rates/{id}", Shape(_FIELDS), update_tax_rate),
]
