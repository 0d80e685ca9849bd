"""The customer balance: what Stripe owes a customer (below zero) or the customer owes (above).

Invoices move it at finalization, credit notes when they credit it, and people by hand.
"""

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.identifiers import new_id
from deploy.local.stripe_simulator.money import currency
from deploy.local.stripe_simulator.operations import Call, Operation
from deploy.local.stripe_simulator.resources.lookup import get_customer, page_of
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Integer,
    Metadata,
    Reader,
    Shape,
    Text,
    TimeFilter,
    merged_metadata,
)
from deploy.local.stripe_simulator.state import Body, Filter, filters_of

_KIND = "customer_balance_transaction"
_FIELDS: dict[str, Reader] = {"description": Text(350, clearable=True), "metadata": Metadata()}


def move_balance(  # the parts of one ledger row, by name
    call: Call,
    customer: Body,
    amount: int,
    kind: str,
    *,
    code: str,
    invoice: str | None = None,
    credit_note: str | None = None,
) -> Body:
    """Add `amount` (minor units, below zero is credit) and write the ledger's row."""
    customer["balance"] += amount
    customer["currency"] = customer["currency"] or code
    transaction = {
        "id": new_id("cbtxn"),
        "object": _KIND,
        "amount": amount,
        "checkout_session": None,
        "created": call.now,
        "credit_note": credit_note,
        "currency": code,
        "customer": customer["id"],
        "customer_account": None,
        "description": None,
        "ending_balance": customer["balance"],
        "invoice": invoice,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }
    call.put(_KIND, transaction)
    call.put("customer", customer)
    return transaction


def applicable_balance(customer: Body, code: str) -> int:
    """Return the balance that an invoice of this currency meets; another currency's is none."""
    return int(customer["balance"]) if customer["currency"] in {None, code} else 0


def create_transaction(call: Call) -> Body:
    customer = _customer(call)
    code = call.params["currency"]
    currency(code)
    if customer["currency"] not in {None, code}:
        raise StripeError(f"The customer's balance is in {customer['currency']}.", param="currency")
    transaction = move_balance(call, customer, call.params["amount"], "adjustment", code=code)
    return _apply(call, transaction)


def update_transaction(call: Call) -> Body:
    return _apply(call, _transaction(call))


def retrieve_transaction(call: Call) -> Body:
    return _transaction(call)


def list_transactions(call: Call) -> Body:
    customer = _customer(call)
    url = f"/v1/customers/{customer['id']}/balance_transactions"
    return page_of(
        call,
        _KIND,
        url,
        Filter("customer", "eq", customer["id"]),
        *filters_of(call.params, "created"),
    )


def _apply(call: Call, transaction: Body) -> Body:
    if "description" in call.params:
        transaction["description"] = call.params["description"]
    if "metadata" in call.params:
        transaction["metadata"] = merged_metadata(transaction["metadata"], call.params["metadata"])
    call.put(_KIND, transaction)
    return transaction


def _customer(call: Call) -> Body:
    return get_customer(call, call.path["customer"], param="customer")


def _transaction(call: Call) -> Body:
    _customer(call)
    return call.find(_KIND, call.path["id"], noun="customer balance transaction")


_PATH = "/v1/customers/{customer}/balance_transactions"
OPERATIONS = [
    Operation(
        "POST",
        _PATH,
        Shape({**_FIELDS, "amount": Integer(), "currency": Text()}, ("amount", "currency")),
        create_transaction,
    ),
    Operation("GET", _PATH, Shape({**PAGE, "created": TimeFilter()}), list_transactions),
    Operation("GET", f"{_PATH}/{{id}}", Shape(), retrieve_transaction),
    Operation("POST", f"{_PATH}/{{id}}", Shape(_FIELDS), update_transaction),
]
