"""Revisions: a finalized invoice copied to a draft, which voids it when it is finalized."""

from deploy.local.stripe_simulator.errors import StripeError, state_conflict
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.resources.invoice_fields import apply_fields
from deploy.local.stripe_simulator.resources.invoice_lines import line_record
from deploy.local.stripe_simulator.resources.invoice_object import all_lines, new_record
from deploy.local.stripe_simulator.resources.invoice_totals import recompute
from deploy.local.stripe_simulator.resources.lookup import get_customer
from deploy.local.stripe_simulator.state import Body

_COPIED = (
    "automatic_tax", "collection_method", "currency", "custom_fields", "default_payment_method",
    "default_tax_rates", "description", "discounts", "due_date", "footer", "metadata",
    "statement_descriptor", "_simple",
)  # fmt: skip
_FIXED = {"currency", "customer", "number", "pending_invoice_items_behavior"}


def revision_of(call: Call) -> Body:
    """Return a draft with the lines and settings of an invoice that is open or uncollectible."""
    fixed = sorted(_FIXED & set(call.params))
    if fixed:
        raise StripeError(
            f"{fixed[0]} cannot be given with from_invoice.",
            code="parameters_exclusive",
            param=fixed[0],
        )
    source = call.params["from_invoice"]["invoice"]
    original = call.find("invoice", source, param="from_invoice[invoice]", status=400)
    if original["status"] not in {"open", "uncollectible"}:
        raise state_conflict(f"A {original['status']} invoice cannot be revised.")
    customer = get_customer(call, original["customer"], param="customer", status=400)
    record = new_record(call, new_id("in"), customer)
    record.update({name: original[name] for name in _COPIED})
    record["from_invoice"] = {"action": "revision", "invoice": original["id"]}
    lines = [
        line_record(record, line, new_id("ii"))
        for line in all_lines(call.state, call.account, original["id"])
    ]
    call.state.put_all(call.account, "line_item", lines)
    given = {name: value for name, value in call.params.items() if name != "from_invoice"}
    apply_fields(call, record, given)
    recompute(call, record)
    return record
