"""Credit notes: preview, create, retrieve, update, list, void.

`total = pre + post`: first what is still open of the invoice goes down (`pre`), the rest (`post`)
must be refunded, credited to the customer balance or settled outside Stripe, to the last unit.
"""

from deploy.local.stripe_simulator.errors import StripeError, state_conflict
from deploy.local.stripe_simulator.operations import Call, Operation, list_object, public
from deploy.local.stripe_simulator.resources.credit_note_settlement import new_note, settle_note
from deploy.local.stripe_simulator.resources.events import changed_fields, record_event
from deploy.local.stripe_simulator.resources.finalization import PAID_EVENTS, mark_paid
from deploy.local.stripe_simulator.resources.invoice_object import (
    amount_remaining,
    save_invoice,
    shown_invoice,
)
from deploy.local.stripe_simulator.resources.lookup import page_of
from deploy.local.stripe_simulator.resources.tax_amounts import CREDITED_TAX_AMOUNTS
from deploy.local.stripe_simulator.resources.tax_rates import TAX_RATES
from deploy.local.stripe_simulator.shapes import (
    PAGE,
    Choice,
    DecimalText,
    Integer,
    Metadata,
    Reader,
    Repeated,
    Shape,
    Text,
    TimeFilter,
    merged_metadata,
    timestamp,
    uncovered,
)
from deploy.local.stripe_simulator.state import Body, Cursor, Filter, cursor_of, filters_of

EMBEDDED_LINES = 10
LINES_MAX = 250
_CREDITABLE = {"open", "paid", "uncollectible"}
_LINE = Shape(
    {
        "amount": Integer(),
        "description": Text(),
        "invoice_line_item": Text(),
        "metadata": Metadata(),
        "quantity": Integer(least=1),
        "tax_rates": TAX_RATES,
        "type": Choice(("custom_line_item", "invoice_line_item")),
        "unit_amount": Integer(least=0),
        "unit_amount_decimal": DecimalText(least=0),
        "tax_amounts": CREDITED_TAX_AMOUNTS,
    },
    required=("type",),
)
_FIELDS: dict[str, Reader] = {
    "amount": Integer(least=1),
    "credit_amount": Integer(least=0),
    "effective_at": timestamp(),
    "email_type": Choice(("credit_note", "none")),
    "invoice": Text(),
    "lines": Repeated(_LINE, most=LINES_MAX),
    "memo": Text(),
    "metadata": Metadata(),
    "out_of_band_amount": Integer(least=0),
    "reason": Choice(("duplicate", "fraudulent", "order_change", "product_unsatisfactory")),
    "refund_amount": Integer(least=0),
    "refunds": Repeated(
        Shape(
            {
                "amount_refunded": Integer(least=1),
                "refund": Text(),
                "type": Choice(("refund",)),
                **uncovered("payment_record_refund"),
            },
            required=("refund",),
        ),
        most=20,
    ),
    **uncovered("shipping_cost"),
}
_CREATE = Shape(_FIELDS, required=("invoice",))
_PREVIEW_LINES = Shape({**_FIELDS, **PAGE}, required=("invoice",))


def create_note(call: Call) -> Body:
    invoice = _invoice(call)
    before = shown_invoice(call, invoice)
    note, lines = new_note(call, invoice)
    settle_note(call, invoice, note)
    call.put("credit_note", note)
    call.state.put_all(call.account, "credit_note_line_item", lines)
    events: tuple[str, ...] = ()
    if invoice["status"] == "open" and amount_remaining(invoice) == 0:
        mark_paid(call, invoice)
        events = PAID_EVENTS
    save_invoice(call, invoice, before, *events)
    shown = shown_note(call, note)
    record_event(call, "credit_note.created", shown)
    return shown


def preview_note(call: Call) -> Body:
    """Show the note that the parameters would make; nothing is kept."""
    with call.state.rehearsal():
        note, lines = new_note(call, _invoice(call))
        call.state.put_all(call.account, "credit_note_line_item", lines)
        return shown_note(call, note)


def preview_lines(call: Call) -> Body:
    with call.state.rehearsal():
        note, lines = new_note(call, _invoice(call))
        call.state.put_all(call.account, "credit_note_line_item", lines)
        return _lines(call, note["id"], cursor_of(call.params), "/v1/credit_notes/preview/lines")


def void_note(call: Call) -> Body:
    """Take a note back: only while its invoice is open, and nothing was paid out for it."""
    note = call.find("credit_note", call.path["id"], noun="credit note")
    invoice = call.find("invoice", note["invoice"])
    if note["status"] == "void":
        raise state_conflict("The credit note is void already.", code="credit_note_not_voidable")
    if invoice["status"] != "open" or note["post_payment_amount"]:
        raise state_conflict(
            "Only credit notes of open invoices can be voided.", code="credit_note_not_voidable"
        )
    before = shown_invoice(call, invoice)
    note["status"], note["voided_at"] = "void", call.now
    call.put("credit_note", note)
    invoice["pre_payment_credit_notes_amount"] -= note["pre_payment_amount"]
    save_invoice(call, invoice, before)
    shown = shown_note(call, note)
    record_event(call, "credit_note.voided", shown)
    return shown


def update_note(call: Call) -> Body:
    note = call.find("credit_note", call.path["id"], noun="credit note")
    before = shown_note(call, note)
    if "memo" in call.params:
        note["memo"] = call.params["memo"]
    if "metadata" in call.params:
        note["metadata"] = merged_metadata(note["metadata"], call.params["metadata"])
    call.put("credit_note", note)
    after = shown_note(call, note)
    if after != before:
        previous = changed_fields(before, after)
        record_event(call, "credit_note.updated", after, previous=previous)
    return after


def retrieve_note(call: Call) -> Body:
    return shown_note(call, call.find("credit_note", call.path["id"], noun="credit note"))


def list_notes(call: Call) -> Body:
    filters = filters_of(call.params, "customer", "invoice", "created")
    page = page_of(call, "credit_note", "/v1/credit_notes", *filters)
    notes = [call.find("credit_note", one["id"]) for one in page["data"]]
    return page | {"data": [shown_note(call, note) for note in notes]}


def list_note_lines(call: Call) -> Body:
    note = call.find("credit_note", call.path["id"], noun="credit note")
    url = f"/v1/credit_notes/{note['id']}/lines"
    return _lines(call, note["id"], cursor_of(call.params), url)


def shown_note(call: Call, note: Body) -> Body:
    url = f"/v1/credit_notes/{note['id']}/lines"
    return public(note) | {
        "lines": _lines(call, note["id"], Cursor(limit=EMBEDDED_LINES), url),
        "pdf": f"{call.base_url}/credit_note/{note['_token']}/pdf",
    }


def _lines(call: Call, note: str, cursor: Cursor, url: str) -> Body:
    where = Filter("_credit_note", "eq", note)
    data, has_more = call.state.page(
        call.account, "credit_note_line_item", where, cursor=cursor, oldest_first=True
    )
    shown = [public(line) for line in data]
    count = call.state.count(call.account, "credit_note_line_item", where)
    return list_object(url, shown, has_more=has_more, total_count=count)


def _invoice(call: Call) -> Body:
    invoice = call.find("invoice", call.params["invoice"], param="invoice", status=400)
    if invoice["status"] not in _CREDITABLE:
        raise StripeError(
            f"A credit note cannot be made for a {invoice['status']} invoice.", param="invoice"
        )
    return invoice


_PATH = "/v1/credit_notes"
OPERATIONS = [
    Operation("POST", _PATH, _CREATE, create_note),
    Operation("GET", f"{_PATH}/preview", _CREATE, preview_note),
    Operation("GET", f"{_PATH}/preview/lines", _PREVIEW_LINES, preview_lines),
    Operation(
        "GET",
        _PATH,
        Shape({**PAGE, "created": TimeFilter(), "customer": Text(), "invoice": Text()}),
        list_notes,
    ),
    Operation("GET", f"{_PATH}/{{id}}", Shape(), retrieve_note),
    Operation(
        "POST", f"{_PATH}/{{id}}", Shape({"memo": Text(), "metadata": Metadata()}), update_note
    ),
    Operation("GET", f"{_PATH}/{{id}}/lines", Shape(PAGE), list_note_lines),
    Operation("POST", f"{_PATH}/{{id}}/void", Shape(), void_note),
]
