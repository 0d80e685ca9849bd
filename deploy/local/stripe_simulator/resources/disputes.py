"""Disputes: opened by a test card, answered with evidence, won or lost by what it says.

`winning_evidence` and `losing_evidence` as the uncategorized text decide, as in Stripe's test mode.
"""

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.operations import Call, Operation, public
from deploy.local.stripe_simulator.resources.events import record_event
from deploy.local.stripe_simulator.resources.lookup import page_of
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Boolean,
    Metadata,
    Shape,
    Text,
    TimeFilter,
    merged_metadata,
    uncovered,
)
from deploy.local.stripe_simulator.state import Body, filters_of

_EVIDENCE_FIELDS = (
    "access_activity_log", "billing_address", "cancellation_rebuttal", "customer_email_address",
    "customer_name", "duplicate_charge_explanation", "product_description", "service_date",
    "uncategorized_text",
)  # fmt: skip
_OUTCOMES = {"winning_evidence": "won", "losing_evidence": "lost"}
EVIDENCE_DUE_SECONDS = 9 * 86_400


def open_dispute(call: Call, charge: Body, reason: str) -> Body:
    charge["disputed"] = True
    call.put("charge", charge)
    record: Body = {
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(_EVIDENCE_FIELDS),
        "evidence_details": {
            "due_by": call.now + EVIDENCE_DUE_SECONDS,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": "needs_response",
    }
    call.put("dispute", record)
    record_event(call, "charge.dispute.created", record)
    record_event(call, "charge.dispute.funds_withdrawn", record)
    return record


def update_dispute(call: Call) -> Body:
    record = call.find("dispute", call.path["id"])
    params = call.params
    if "metadata" in params:
        record["metadata"] = merged_metadata(record["metadata"], params["metadata"])
    if ("evidence" in params or "submit" in params) and record["status"] != "needs_response":
        raise StripeError("This dispute can no longer be answered.", stored=True)
    record["evidence"] |= params.get("evidence", {})
    record["evidence_details"]["has_evidence"] = any(record["evidence"].values())
    # Evidence is handed in unless the request says that it is only kept.
    if "evidence" in params and params.get("submit", True):
        record["evidence_details"]["submission_count"] += 1
        outcome = _OUTCOMES.get(record["evidence"]["uncategorized_text"] or "")
        return _close(call, record, outcome) if outcome else _save(call, record, "under_review")
    return _save(call, record, record["status"])


def close_dispute(call: Call) -> Body:
    """Give in: the dispute is lost."""
    record = call.find("dispute", call.path["id"])
    if record["status"] in {"won", "lost"}:
        raise StripeError("This dispute is already closed.", stored=True)
    return _close(call, record, "lost")


def _close(call: Call, record: Body, outcome: str) -> Body:
    record["status"] = outcome
    call.put("dispute", record)
    record_event(call, "charge.dispute.closed", record)
    if outcome == "won":
        record_event(call, "charge.dispute.funds_reinstated", record)
    return record


def _save(call: Call, record: Body, status: str) -> Body:
    record["status"] = status
    call.put("dispute", record)
    record_event(call, "charge.dispute.updated", record)
    return record


def retrieve_dispute(call: Call) -> Body:
    return public(call.find("dispute", call.path["id"]))


def list_disputes(call: Call) -> Body:
    filters = filters_of(call.params, "charge", "payment_intent", "created")
    return page_of(call, "dispute", "/v1/disputes", *filters)


_UPDATE = Shape(
    {
        "evidence": Shape({name: Text(20_000, clearable=True) for name in _EVIDENCE_FIELDS}),
        "metadata": Metadata(),
        "submit": Boolean(),
        **uncovered("intended_submission_method"),
    }
)
OPERATIONS = [
    Operation(
        "GET",
        "/v1/disputes",
        Shape({**PAGE, "charge": Text(), "created": TimeFilter(), "payment_intent": Text()}),
        list_disputes,
    ),
    Operation("GET", "/v1/disputes/{id}", Shape(), retrieve_dispute),
    Operation("POST", "/v1/disputes/{id}", _UPDATE, update_dispute),
    Operation("POST", "/v1/disputes/{id}/close", Shape(), close_dispute),
]
