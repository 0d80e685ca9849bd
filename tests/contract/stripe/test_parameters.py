"""The simulator takes no parameter that Stripe does not know, at any depth."""

import importlib
import re
from typing import Any

import pytest

from deploy.local.stripe_simulator.operations import Operation
from deploy.local.stripe_simulator.resources import OPERATIONS
from deploy.local.stripe_simulator.shapes import Repeated, Shape, Uncovered
from tests.support.stripe_shapes import parameter_names

NOUNS = {
    "balance_transactions": "CustomerBalanceTransaction",
    "charges": "Charge",
    "coupons": "Coupon",
    "credit_notes": "CreditNote",
    "customers": "Customer",
    "disputes": "Dispute",
    "events": "Event",
    "invoice_payments": "InvoicePayment",
    "invoiceitems": "InvoiceItem",
    "invoices": "Invoice",
    "meter_events": "MeterEvent",
    "payment_intents": "PaymentIntent",
    "prices": "Price",
    "products": "Product",
    "refunds": "Refund",
    "tax_ids": "CustomerTaxId",
    "tax_rates": "TaxRate",
    "webhook_endpoints": "WebhookEndpoint",
}
# What the SDK does not name by noun and verb.
NAMED = {
    "POST /v1/invoices/{id}/finalize": "InvoiceFinalizeInvoiceParams",
    "POST /v1/invoices/{id}/send": "InvoiceSendInvoiceParams",
    "POST /v1/invoices/{id}/void": "InvoiceVoidInvoiceParams",
    "POST /v1/invoices/create_preview": "InvoiceCreatePreviewParams",
    "GET /v1/invoices/{id}/lines": "InvoiceLineItemListParams",
    "POST /v1/invoices/{id}/lines/{line}": "InvoiceLineItemUpdateParams",
    "GET /v1/credit_notes/preview": "CreditNotePreviewParams",
    "GET /v1/credit_notes/preview/lines": "CreditNotePreviewLinesListParams",
    "GET /v1/credit_notes/{id}/lines": "CreditNoteLineItemListParams",
    "POST /v1/credit_notes/{id}/void": "CreditNoteVoidCreditNoteParams",
}
# Stripe takes them on customers although the generated list leaves them to other versions.
KEYED_BY_ANYTHING = {"metadata", "invoice_metadata", "payload"}


def _params_class(operation: Operation) -> Any:
    *_, parent, last = operation.path.split("/")
    name = NAMED.get(operation.endpoint)
    if name is None and last in NOUNS:
        name = NOUNS[last] + {"GET": "List", "POST": "Create"}[operation.method] + "Params"
    if name is None and last.startswith("{"):
        verb = {"GET": "Retrieve", "POST": "Update", "DELETE": "Delete"}[operation.method]
        name = NOUNS[parent] + verb + "Params"
    if name is None:
        noun = NOUNS[operation.path.split("/")[2]]
        name = noun + "".join(part.capitalize() for part in last.split("_")) + "Params"
    module = "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    package = "stripe.params.billing" if name.startswith("Meter") else "stripe.params"
    return getattr(importlib.import_module(f"{package}.{module}"), name)


def _surplus(reader: Any, known: dict[str, Any] | None, path: str) -> list[str]:
    """Return what the simulator reads and Stripe does not know."""
    if isinstance(reader, Repeated):
        return _surplus(reader.item, known, f"{path}[]")
    if not isinstance(reader, Shape) or known is None:
        return [path] if isinstance(reader, Shape) else []
    found = []
    for name, below in reader.fields.items():
        here = f"{path}[{name}]" if path else name
        if name not in known:
            found.append(here)
        elif name not in KEYED_BY_ANYTHING:
            found += _surplus(below, known[name], here)
    return found


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.endpoint)
def test_every_parameter_is_stripes(operation: Operation) -> None:
    """What the simulator accepts for an endpoint stands in the SDK's list for it."""
    assert [] == _surplus(operation.shape, parameter_names(_params_class(operation)), "")


def test_a_parameter_of_our_own_would_be_found() -> None:
    """The check above can fail: a made-up name at any depth is reported."""
    known = {"lines": {"amount": None}, "currency": None}
    ours = Shape({"lines": Repeated(Shape({"amount": Uncovered(), "price": Uncovered()}), most=2)})

    assert ["lines[][price]"] == _surplus(ours, known, "")
