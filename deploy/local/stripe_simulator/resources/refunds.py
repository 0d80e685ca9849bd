"""Refunds of charges. The one that fails does so a moment later, as Stripe's test card has it."""

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import Call, Operation, public
from deploy.local.stripe_simulator.resources.cards import CARDS
from deploy.local.stripe_simulator.resources.events import record_event
from deploy.local.stripe_simulator.resources.lookup import page_of
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Choice,
    Integer,
    Metadata,
    Shape,
    Text,
    TimeFilter,
    merged_metadata,
    uncovered,
)
from deploy.local.stripe_simulator.state import Body, Filter, filters_of

FAILS_AFTER_SECONDS = 1
_CREATE = Shape(
    {
        "amount": Integer(least=1),
        "charge": Text(),
        "metadata": Metadata(),
        "payment_intent": Text(),
        "reason": Choice(("duplicate", "fraudulent", "requested_by_customer")),
        **uncovered(
            "currency", "customer", "instructions_email", "origin", "refund_application_fee",
            "reverse_transfer",
        ),
    }
)  # fmt: skip


def create_refund(call: Call) -> Body:
    params = call.params
    charge = _charge(call, params)
    amount = params.get("amount", charge["amount"] - charge["amount_refunded"])
    return public(new_refund(call, charge, amount, params))


def _charge(call: Call, params: Body) -> Body:
    if ("charge" in params) == ("payment_intent" in params):
        raise StripeError(
            "One of charge and payment_intent must be given.",
            code="parameters_exclusive" if "charge" in params else "parameter_missing",
            param="charge",
        )
    if "charge" in params:
        return call.find("charge", params["charge"], param="charge", status=400)
    intent = call.find(
        "payment_intent", params["payment_intent"], param="payment_intent", status=400
    )
    if intent["latest_charge"] is None:
        raise StripeError("The payment has no charge yet.", param="payment_intent")
    return call.find("charge", intent["latest_charge"])


def new_refund(call: Call, charge: Body, amount: int, given: Body) -> Body:
    """Refund a part of a charge, at once or, with the card that says so, to fail later."""
    _check(charge, amount)
    fails = CARDS[charge["payment_method"]].refund_fails
    record: Body = {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": new_id("txn"),
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "destination_details": {"type": "card"},
        "failure_reason": None,
        "metadata": merged_metadata({}, given.get("metadata", {})),
        "payment_intent": charge["payment_intent"],
        "reason": given.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if fails else "succeeded",
        "transfer_reversal": None,
        "_linked": 0,
    }
    call.put("refund", record)
    _move(call, charge, amount)
    if fails:
        at = call.now + FAILS_AFTER_SECONDS
        call.state.schedule(call.account, "refund_fails", record["id"], at)
    record_event(call, "refund.created", public(record))
    record_event(call, "charge.refunded", public(charge))
    return record


def _check(charge: Body, amount: int) -> None:
    left = charge["amount"] - charge["amount_refunded"]
    if charge["status"] != "succeeded":
        raise StripeError("The charge did not succeed.", param="charge")
    if charge["disputed"]:
        raise StripeError(
            "The charge has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if left == 0:
        raise StripeError(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    if amount > left:
        raise StripeError(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).",
            param="amount",
        )


def fail_refund(call: Call, identifier: str) -> None:
    """Let a refund come back: the customer's bank did not take it."""
    record = call.find("refund", identifier)
    record["status"], record["failure_reason"] = "failed", "expired_or_canceled_card"
    call.put("refund", record)
    _move(call, call.find("charge", record["charge"]), -record["amount"])
    for name in ("refund.failed", "refund.updated", "charge.refund.updated"):
        record_event(call, name, public(record))


def _move(call: Call, charge: Body, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    call.put("charge", charge)


def refunds_of_invoice(call: Call, invoice: str) -> list[Body]:
    """Return the refunds of an invoice's charges that have not failed."""
    charges = call.state.all(call.account, "charge", Filter("_invoice", "eq", invoice))
    found = [
        refund
        for charge in charges
        for refund in call.state.all(call.account, "refund", Filter("charge", "eq", charge["id"]))
    ]
    return [refund for refund in found if refund["status"] != "failed"]


def update_refund(call: Call) -> Body:
    record = call.find("refund", call.path["id"])
    if "metadata" in call.params:
        record["metadata"] = merged_metadata(record["metadata"], call.params["metadata"])
        call.put("refund", record)
        record_event(call, "refund.updated", public(record))
    return public(record)


def retrieve_refund(call: Call) -> Body:
    return public(call.find("refund", call.path["id"]))


def list_refunds(call: Call) -> Body:
    filters = filters_of(call.params, "charge", "payment_intent", "created")
    return page_of(call, "refund", "/v1/refunds", *filters)


OPERATIONS = [
    Operation("POST", "/v1/refunds", _CREATE, create_refund),
    Operation(
        "GET",
        "/v1/refunds",
        Shape({**PAGE, "charge": Text(), "created": TimeFilter(), "payment_intent": Text()}),
        list_refunds,
    ),
    Operation("GET", "/v1/refunds/{id}", Shape(), retrieve_refund),
    Operation("POST", "/v1/refunds/{id}", Shape({"metadata": Metadata()}), update_refund),
]
