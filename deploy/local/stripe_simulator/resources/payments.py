"""Payments of invoices: a payment intent, its charge and the link between invoice and payment."""

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import Call, Operation, public
from deploy.local.stripe_simulator.resources.balance import move_balance
from deploy.local.stripe_simulator.resources.cards import CARDS, Card
from deploy.local.stripe_simulator.resources.disputes import open_dispute
from deploy.local.stripe_simulator.resources.events import record_event
from deploy.local.stripe_simulator.resources.finalization import announce, mark_paid
from deploy.local.stripe_simulator.resources.invoice_object import (
    DAY_SECONDS,
    amount_remaining,
)
from deploy.local.stripe_simulator.resources.lookup import page_of
from deploy.local.stripe_simulator.shapes import PAGE, Choice, Shape, Text, TimeFilter, uncovered
from deploy.local.stripe_simulator.state import Body, Filter, filters_of

# After each failed attempt of automatic collection; then Stripe gives up.
RETRY_DAYS = (3, 5, 7)


def charge_invoice(call: Call, record: Body, card_name: str | None) -> None:
    """Charge what is open, or raise the decline, which is kept under the key."""
    name = card_name or record["default_payment_method"] or _customers_card(call, record)
    if name is None:
        raise StripeError(
            "There is no `default_payment_method` set on this Customer or Invoice.",
            code="missing",
            param="payment_method",
        )
    card = CARDS[name]
    record["attempted"] = True
    record["attempt_count"] += 1
    amount = amount_remaining(record)
    if card.decline is not None or card.requires_action:
        _fail(call, record, card, name, amount)
    record_payment(call, record, amount, card_name=name)


def record_payment(call: Call, record: Body, amount: int, *, card_name: str) -> None:
    """Book a payment that arrived; what is too much becomes credit, what is enough means paid."""
    intent, charge = _intent_and_charge(call, record, amount, card_name)
    remaining = amount_remaining(record)
    payment = {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": amount,
        "amount_requested": remaining,
        "created": call.now,
        "currency": record["currency"],
        "invoice": record["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": call.now},
        "_payment_intent": intent["id"],
    }
    call.put("invoice_payment", payment)
    record["amount_paid"] += min(amount, remaining)
    over = max(amount - remaining, 0)
    record["amount_overpaid"] += over
    if over:
        customer = call.find("customer", record["customer"])
        code = record["currency"]
        move_balance(call, customer, -over, "adjustment", code=code, invoice=record["id"])
    record_event(call, "charge.succeeded", public(charge))
    record_event(call, "payment_intent.succeeded", intent)
    record_event(call, "invoice_payment.paid", public(payment))
    if amount >= remaining:
        mark_paid(call, record)
    if CARDS[card_name].disputed is not None:
        open_dispute(call, charge, str(CARDS[card_name].disputed))


def _customers_card(call: Call, record: Body) -> str | None:
    customer = call.find("customer", record["customer"])
    card: str | None = customer["invoice_settings"]["default_payment_method"]
    return card


def _fail(call: Call, record: Body, card: Card, name: str, amount: int) -> None:
    """Store the failed attempt, tell it, and raise what the request that tried is answered."""
    code, message = card.decline or (
        "invoice_payment_intent_requires_action",
        "Payment for this invoice requires additional user action before it can be completed.",
    )
    intent, charge = _intent_and_charge(call, record, amount, name, failure=(code, message))
    record["next_payment_attempt"] = None
    if record["auto_advance"] and record["attempt_count"] <= len(RETRY_DAYS):
        days = RETRY_DAYS[record["attempt_count"] - 1]
        record["next_payment_attempt"] = call.now + days * DAY_SECONDS
    call.state.schedule(call.account, "collect", record["id"], record["next_payment_attempt"])
    call.put("invoice", record)
    if not card.requires_action:
        record_event(call, "charge.failed", public(charge))
    announce(call, record, "invoice.payment_failed")
    if card.requires_action:
        announce(call, record, "invoice.payment_action_required")
    details: Body = {"payment_intent": intent} if card.requires_action else {"charge": charge["id"]}
    if card.decline is not None:
        details["decline_code"] = "generic_decline"
    raise StripeError(message, code=code, status=402, kind="card_error", stored=True, **details)


def _intent_and_charge(
    call: Call,
    record: Body,
    amount: int,
    card_name: str,
    *,
    failure: tuple[str, str] | None = None,
) -> tuple[Body, Body]:
    """Store a payment intent and its charge, as they are after the attempt."""
    common = {
        "amount": amount,
        "created": call.now,
        "currency": record["currency"],
        "customer": record["customer"],
        "livemode": False,
        "metadata": {},
        "payment_method": card_name,
    }
    charge = common | _charge_fields(record, amount, failure)
    intent = common | _intent_fields(amount, failure)
    charge["payment_intent"] = intent["id"]
    if failure is not None and CARDS[card_name].requires_action:
        intent["status"] = "requires_action"
    else:
        intent["latest_charge"] = charge["id"]
        call.put("charge", charge)
    call.put("payment_intent", intent)
    return intent, charge


def _charge_fields(record: Body, amount: int, failure: tuple[str, str] | None) -> Body:
    code, message = failure or (None, None)
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount_captured": 0 if failure else amount,
        "amount_refunded": 0,
        "balance_transaction": None if failure else new_id("txn"),
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "captured": failure is None,
        "description": f"Payment for Invoice {record['number']}",
        "disputed": False,
        "failure_code": code,
        "failure_message": message,
        "paid": failure is None,
        "refunded": False,
        "status": "failed" if failure else "succeeded",
        "_invoice": record["id"],
    }


def _intent_fields(amount: int, failure: tuple[str, str] | None) -> Body:
    error = {"code": failure[0], "message": failure[1]} if failure else None
    return {
        "id": new_id("pi"),
        "object": "payment_intent",
        "amount_received": 0 if failure else amount,
        "last_payment_error": error,
        "latest_charge": None,
        "status": "requires_payment_method" if failure else "succeeded",
    }


def list_payments(call: Call) -> Body:
    filters = filters_of(call.params, "invoice", "status", "created")
    payment = call.params.get("payment")
    if payment is not None:
        filters.append(Filter("_payment_intent", "eq", payment["payment_intent"]))
    return page_of(call, "invoice_payment", "/v1/invoice_payments", *filters)


def list_charges(call: Call) -> Body:
    filters = filters_of(call.params, "customer", "payment_intent", "created")
    return page_of(call, "charge", "/v1/charges", *filters)


def _retrieved(kind: str) -> Operation:
    def retrieve(call: Call) -> Body:
        return public(call.find(kind, call.path["id"]))

    return Operation("GET", f"/v1/{kind}s/{{id}}", Shape(), retrieve)


OPERATIONS = [
    Operation(
        "GET",
        "/v1/invoice_payments",
        Shape(
            {
                **PAGE,
                "created": TimeFilter(),
                "invoice": Text(),
                "status": Choice(("canceled", "open", "paid")),
                "payment": Shape(
                    {
                        "payment_intent": Text(),
                        "type": Choice(("payment_intent",)),
                        **uncovered("payment_record"),
                    },
                    required=("payment_intent", "type"),
                ),
            }
        ),
        list_payments,
    ),
    Operation(
        "GET",
        "/v1/charges",
        Shape({**PAGE, "created": TimeFilter(), "customer": Text(), "payment_intent": Text()}),
        list_charges,
    ),
    _retrieved("invoice_payment"),
    _retrieved("charge"),
    _retrieved("payment_intent"),
]
