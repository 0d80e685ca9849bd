"""Our credit notes beside Stripe's, both ways: pure comparison, in Stripe's integers."""

from collections.abc import Iterator, Sequence

from services.invoicing.corrections.models import CreditNote
from services.invoicing.domain.wire import to_wire
from services.invoicing.models import Invoice
from services.invoicing.reconciling.parts import invoice_ids
from services.invoicing.stripe_types import StripeCreditNote
from shared.differences import Difference, difference
from shared.money import CURRENCIES

ISSUED_AT_STRIPE = "issued"


def differences_of_notes(
    invoice: Invoice, notes: Sequence[CreditNote], observed: Sequence[StripeCreditNote]
) -> Iterator[Difference]:
    """Yield where the notes of one invoice differ; a void one at Stripe that is not ours is none.

    Cancelled notes of ours are left out by whoever asks: they never were at Stripe.
    """
    theirs = {one.id: one for one in observed}
    for note in notes:
        ids = invoice_ids(invoice) | {"credit_note_id": note.credit_note_id}
        shown = f"{note.state}, {note.total_minor}"
        if note.state != "issued":
            figures: dict[str, object] = {"ours": shown, "Stripe": None}
            yield difference("credit_note_not_at_stripe", ids | {"reason": note.reason}, figures)
            continue
        found = theirs.pop(note.stripe_credit_note_id or "", None)
        if found is None:
            missing: dict[str, object] = {"ours": shown, "Stripe": None}
            yield difference("stripe_credit_note_missing", ids, missing)
        else:
            yield from _of_note(ids, note, found)
    told = {note.credit_note_id for note in notes if note.state != "issued"}
    for one in theirs.values():
        known = one.metadata.get("credit_note_id") in told
        if one.status == ISSUED_AT_STRIPE and not known:
            ids = invoice_ids(invoice) | {"stripe_credit_note_id": one.id}
            figures = {"ours": None, "Stripe": f"{one.status}, {one.total}"}
            yield difference("stripe_credit_note_orphan", ids, figures)


def _of_note(
    ids: dict[str, object], note: CreditNote, observed: StripeCreditNote
) -> Iterator[Difference]:
    currency = CURRENCIES[note.currency]
    pairs: list[tuple[str, object, object]] = [
        ("stripe_credit_note_status_differs", ISSUED_AT_STRIPE, observed.status),
        ("stripe_credit_note_number_differs", note.number, observed.metadata.get("number")),
    ]
    amounts = {
        "total": (note.total_minor, observed.total),
        "net": (note.net_minor, observed.total_excluding_tax),
        "pre_payment": (note.pre_payment_minor or 0, observed.pre_payment_amount),
        "post_payment": (note.post_payment_minor or 0, observed.post_payment_amount),
    }
    for name, (ours, theirs) in amounts.items():
        pairs.append((f"stripe_credit_note_{name}_differs", to_wire(ours, currency), theirs))
    for code, mine, other in pairs:
        if mine != other:
            yield difference(code, ids, {"ours": mine, "Stripe": other})
