"""What a credit note comes to, and where its money goes."""

from deploy.local.stripe_simulator.arithmetic import Line, summed_taxes
from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.identifiers import new_id, new_token
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.resources.balance import move_balance
from deploy.local.stripe_simulator.resources.credit_note_lines import (
    note_lines,
    proportional_line,
    stored_line,
)
from deploy.local.stripe_simulator.resources.invoice_object import amount_remaining
from deploy.local.stripe_simulator.resources.refunds import new_refund, refunds_of_invoice
from deploy.local.stripe_simulator.shapes import merged_metadata
from deploy.local.stripe_simulator.state import Body, Filter

_WAYS = ("credit_amount", "out_of_band_amount", "refund_amount")


def new_note(call: Call, invoice: Body) -> tuple[Body, list[Body]]:
    """Return the note that the parameters ask for and its lines; nothing is stored yet."""
    params = call.params
    if ("amount" in params) == ("lines" in params):
        raise StripeError(
            "Exactly one of amount and lines must be given.",
            code="parameters_exclusive" if "amount" in params else "parameter_missing",
            param="amount",
        )
    notes = [note for note in _notes(call, invoice) if note["status"] != "void"]
    before = sum(note["total"] for note in notes)
    if "lines" in params:
        lines = note_lines(call, invoice, params["lines"])
    else:
        _check_creditable(call, invoice, params["amount"], before)
        lines = [proportional_line(invoice, before, params["amount"])]
    identifier = new_id("cn")
    note = _sums(lines) | _record(call, invoice, identifier)
    _check_creditable(call, invoice, note["total"], before)
    pre = min(note["total"], amount_remaining(invoice))
    post = note["total"] - pre
    note |= {"pre_payment_amount": pre, "post_payment_amount": post}
    note["type"] = "mixed" if pre and post else "post_payment" if post else "pre_payment"
    _check_ways(call, post)
    return note, [stored_line(line, identifier) for line in lines]


def _sums(lines: list[Line]) -> Body:
    subtotal = sum(line["amount"] for line in lines)
    discounts: dict[str, int] = {}
    for line in lines:
        for one in line["discount_amounts"]:
            discounts[one["discount"]] = discounts.get(one["discount"], 0) + one["amount"]
    taxes = summed_taxes(tax for line in lines for tax in line["taxes"])
    on_top = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    inside = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "inclusive")
    net = subtotal - sum(discounts.values())
    return {
        "amount": net + on_top,
        "discount_amount": sum(discounts.values()),
        "discount_amounts": [{"amount": a, "discount": d} for d, a in discounts.items()],
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - inside,
        "total": net + on_top,
        "total_excluding_tax": net - inside,
        "total_taxes": taxes,
    }


def _record(call: Call, invoice: Body, identifier: str) -> Body:
    params = call.params
    sequence = len(_notes(call, invoice)) + 1
    return {
        "id": identifier,
        "object": "credit_note",
        "amount_shipping": 0,
        "created": call.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "effective_at": params.get("effective_at", call.now),
        "invoice": invoice["id"],
        "livemode": False,
        "memo": params.get("memo"),
        "metadata": merged_metadata({}, params.get("metadata", {})),
        "number": f"{invoice['number']}-CN-{sequence:02d}",
        "out_of_band_amount": params.get("out_of_band_amount"),
        "pretax_credit_amounts": [],
        "reason": params.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "voided_at": None,
        "_token": new_token(),
    }


def _notes(call: Call, invoice: Body) -> list[Body]:
    return call.state.all(call.account, "credit_note", Filter("invoice", "eq", invoice["id"]))


def _check_creditable(call: Call, invoice: Body, total: int, before: int) -> None:
    """Refuse more than the invoice: notes and refunds together never exceed it."""
    loose = sum(one["amount"] - one["_linked"] for one in refunds_of_invoice(call, invoice["id"]))
    linked = sum(one.get("amount_refunded", 0) for one in call.params.get("refunds", []))
    left = invoice["total"] - before - max(loose - linked, 0)
    if not 0 < total <= left:
        raise StripeError(
            f"The credit note's total is {total}; {max(left, 0)} of the invoice can be credited.",
            param="lines" if "lines" in call.params else "amount",
        )


def _check_ways(call: Call, post: int) -> None:
    params = call.params
    linked = 0
    for index, given in enumerate(params.get("refunds", [])):
        at = f"refunds[{index}][refund]"
        refund = call.find("refund", given["refund"], param=at, status=400)
        left = refund["amount"] - refund["_linked"]
        if given.setdefault("amount_refunded", left) > left or refund["status"] == "failed":
            raise StripeError("The refund is not that large.", param=at)
        linked += given["amount_refunded"]
    given_back = linked + sum(params.get(way, 0) for way in _WAYS)
    if given_back != post:
        raise StripeError(
            "The sum of credit amount, refund amount, refunds and out of band amount "
            f"({given_back}) must equal the post payment credit note amount ({post}).",
            param=next((way for way in _WAYS if way in params), "credit_amount"),
        )


def settle_note(call: Call, invoice: Body, note: Body) -> None:
    """Let the money of a note flow: lower the invoice, refund, credit the customer."""
    params = call.params
    invoice["pre_payment_credit_notes_amount"] += note["pre_payment_amount"]
    invoice["post_payment_credit_notes_amount"] += note["post_payment_amount"]
    for given in params.get("refunds", []):
        _link(call, note, call.find("refund", given["refund"]), given["amount_refunded"])
    if params.get("refund_amount"):
        charge = _refundable_charge(call, invoice)
        refund = new_refund(call, charge, params["refund_amount"], {})
        _link(call, note, refund, refund["amount"])
    if params.get("credit_amount"):
        customer = call.find("customer", invoice["customer"])
        transaction = move_balance(
            call,
            customer,
            -params["credit_amount"],
            "credit_note",
            code=invoice["currency"],
            invoice=invoice["id"],
            credit_note=note["id"],
        )
        note["customer_balance_transaction"] = transaction["id"]


def _link(call: Call, note: Body, refund: Body, amount: int) -> None:
    refund["_linked"] += amount
    call.put("refund", refund)
    note["refunds"].append({"amount_refunded": amount, "refund": refund["id"], "type": "refund"})


def _refundable_charge(call: Call, invoice: Body) -> Body:
    where = Filter("_invoice", "eq", invoice["id"])
    charges = call.state.all(call.account, "charge", where)
    good = [one for one in charges if one["status"] == "succeeded" and not one["refunded"]]
    if not good:
        raise StripeError(
            "The invoice has no charge to refund; use credit_amount or out_of_band_amount.",
            param="refund_amount",
        )
    return good[-1]
