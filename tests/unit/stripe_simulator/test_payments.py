"""Payments, their failures, refunds and disputes."""

from typing import Any

import pytest
import stripe

DAY = 86_400


async def test_a_payment_leaves_a_trail(simulator: Any) -> None:
    """An invoice paid by card names its payment, the intent its charge, with the same amount."""
    api = simulator.api
    invoice = await simulator.open_invoice(1000)
    await api.invoices.pay_async(invoice.id, {"payment_method": "pm_card_visa"})
    paid = await api.invoices.retrieve_async(
        invoice.id, {"expand": ["payments.data.payment.payment_intent"]}
    )
    payment = paid.payments.data[0]
    charge = await api.charges.retrieve_async(payment.payment.payment_intent.latest_charge)
    listed = await api.invoice_payments.list_async({"invoice": invoice.id})

    assert ("paid", "succeeded", 1000, 1000) == (
        payment.status, charge.status, charge.amount, payment.amount_paid,
    )  # fmt: skip
    assert [payment.id] == [one.id for one in listed.data]
    assert ["charge.succeeded", "invoice_payment.paid", "invoice.paid"] == await simulator.events(
        "charge.succeeded", "invoice_payment.paid", "invoice.paid"
    )


@pytest.mark.parametrize(
    ("card", "code", "events"),
    [
        ("pm_card_chargeDeclined", "card_declined", ["charge.failed", "invoice.payment_failed"]),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card",
         ["charge.failed", "invoice.payment_failed"]),
        ("pm_card_authenticationRequired", "invoice_payment_intent_requires_action",
         ["invoice.payment_failed", "invoice.payment_action_required"]),
    ],
)  # fmt: skip
async def test_failed_payments_are_told(
    simulator: Any, card: str, code: str, events: list[str]
) -> None:
    """A failure is 402 with its code, counted on the invoice, replayed under its key."""
    invoice = await simulator.open_invoice(1000)
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refusal:
            await simulator.api.invoices.pay_async(
                invoice.id, {"payment_method": card}, {"idempotency_key": "pay"}
            )
        assert (402, code) == (refusal.value.http_status, refusal.value.code)
    after = await simulator.api.invoices.retrieve_async(invoice.id)

    assert ("open", 1, True) == (after.status, after.attempt_count, after.attempted)
    assert events == await simulator.events(
        "charge.failed", "invoice.payment_failed", "invoice.payment_action_required"
    )


async def test_nothing_to_charge_is_refused(simulator: Any) -> None:
    """Without a card on the request, the invoice or the customer there is no attempt."""
    invoice = await simulator.open_invoice(1000)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.invoices.pay_async(invoice.id)
    after = await simulator.api.invoices.retrieve_async(invoice.id)

    assert ("payment_method", 0) == (refusal.value.param, after.attempt_count)


async def test_automatic_collection_tries_again_and_gives_up(simulator: Any) -> None:
    """A declined card is tried four times over 15 days; then the invoice waits for a person."""
    customer = await simulator.api.customers.create_async(
        {
            "name": "Acme",
            "invoice_settings": {"default_payment_method": "pm_card_chargeDeclined"},
        }
    )
    invoice = await simulator.open_invoice(
        1000, customer=customer.id, collection_method="charge_automatically", auto_advance=True
    )
    waits, attempts = [], []
    for days in (0, 3, 5, 7):
        await simulator.advance(days * DAY)
        after = await simulator.api.invoices.retrieve_async(invoice.id)
        attempts.append(after.attempt_count)
        waits.append(after.next_payment_attempt and after.next_payment_attempt - invoice.created)
    await simulator.advance(30 * DAY)
    late = await simulator.api.invoices.retrieve_async(invoice.id)

    assert ([1, 2, 3, 4], [3 * DAY, 8 * DAY, 15 * DAY, None]) == (attempts, waits)
    assert ("open", 4) == (late.status, late.attempt_count)


async def test_automatic_collection_pays(simulator: Any) -> None:
    """A good card on the customer pays an invoice that advances, without a further request."""
    customer = await simulator.api.customers.create_async(
        {"payment_method": "pm_card_visa", "name": "Acme"}
    )
    invoice = await simulator.open_invoice(
        1000, customer=customer.id, collection_method="charge_automatically", auto_advance=True
    )
    after = await simulator.api.invoices.retrieve_async(invoice.id)

    assert ("open", "paid") == (invoice.status, after.status)


async def test_collection_is_switched_on_and_off(simulator: Any) -> None:
    """An open invoice is collected once it may advance, and tried no more when it may not."""
    api = simulator.api
    found = []
    for card in ("pm_card_visa", "pm_card_chargeDeclined"):
        customer = await api.customers.create_async({"payment_method": card, "name": "Acme"})
        invoice = await simulator.open_invoice(
            1000, customer=customer.id, collection_method="charge_automatically"
        )
        await simulator.advance(DAY)
        before = await api.invoices.retrieve_async(invoice.id)
        await api.invoices.update_async(invoice.id, {"auto_advance": True})
        tried = await api.invoices.retrieve_async(invoice.id)
        if tried.status == "open":
            await api.invoices.update_async(invoice.id, {"auto_advance": False})
        await simulator.advance(30 * DAY)
        after = await api.invoices.retrieve_async(invoice.id)
        found.append((before.attempt_count, tried.status, after.status, after.attempt_count))

    assert [(0, "paid", "paid", 1), (0, "open", "open", 1)] == found


async def test_parts_and_too_much(simulator: Any) -> None:
    """A part leaves the invoice open and not voidable; what is too much becomes credit."""
    invoice = await simulator.open_invoice(1000)
    pay = {"invoice": invoice.id, "amount": 400}
    (await simulator.http.post("/_sim/payments", json=pay)).raise_for_status()
    partly = await simulator.api.invoices.retrieve_async(invoice.id)
    with pytest.raises(stripe.InvalidRequestError):
        await simulator.api.invoices.void_invoice_async(invoice.id)
    (await simulator.http.post("/_sim/payments", json=pay | {"amount": 900})).raise_for_status()
    paid = await simulator.api.invoices.retrieve_async(invoice.id)
    customer = await simulator.api.customers.retrieve_async(invoice.customer)
    refused = await simulator.http.post("/_sim/payments", json=pay)

    assert ("open", 400, 600) == (partly.status, partly.amount_paid, partly.amount_remaining)
    assert ("paid", 1000, 300, -300) == (
        paid.status, paid.amount_paid, paid.amount_overpaid, customer.balance,
    )  # fmt: skip
    assert 1 == len(await simulator.events("invoice.overpaid"))
    assert 400 == refused.status_code


async def _charge(simulator: Any, card: str) -> Any:
    invoice = await simulator.open_invoice(1000)
    await simulator.api.invoices.pay_async(invoice.id, {"payment_method": card})
    return (await simulator.api.charges.list_async()).data[0]


async def test_refunds_never_exceed_the_charge(simulator: Any) -> None:
    """Parts are refunded until nothing is left; each is told."""
    charge = await _charge(simulator, "pm_card_visa")
    api = simulator.api.refunds
    await api.create_async({"charge": charge.id, "amount": 300})
    with pytest.raises(stripe.InvalidRequestError):
        await api.create_async({"charge": charge.id, "amount": 701})
    rest = await api.create_async({"payment_intent": charge.payment_intent})
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await api.create_async({"charge": charge.id})
    after = await simulator.api.charges.retrieve_async(charge.id)

    assert ("succeeded", 700, 1000, True) == (
        rest.status, rest.amount, after.amount_refunded, after.refunded,
    )  # fmt: skip
    assert "charge_already_refunded" == refusal.value.code
    assert 2 == len(await simulator.events("charge.refunded"))


async def test_a_refund_may_fail_later(simulator: Any) -> None:
    """A refund that the bank returns is failed, told, and can be made again."""
    charge = await _charge(simulator, "pm_card_refundFail")
    made = await simulator.api.refunds.create_async({"charge": charge.id})
    await simulator.advance(1)
    failed = await simulator.api.refunds.retrieve_async(made.id)
    after = await simulator.api.charges.retrieve_async(charge.id)

    assert ("pending", "failed", 0) == (made.status, failed.status, after.amount_refunded)
    assert ["refund.created", "refund.failed"] == await simulator.events(
        "refund.created", "refund.failed"
    )


@pytest.mark.parametrize(
    ("text", "outcome", "last"),
    [
        ("winning_evidence", "won", "charge.dispute.funds_reinstated"),
        ("losing_evidence", "lost", "charge.dispute.closed"),
        ("a letter", "under_review", "charge.dispute.updated"),
    ],
)
async def test_disputes_are_decided_by_evidence(
    simulator: Any, text: str, outcome: str, last: str
) -> None:
    """A disputed charge cannot be refunded; the evidence decides, as in Stripe's test mode."""
    charge = await _charge(simulator, "pm_card_createDispute")
    dispute = (await simulator.api.disputes.list_async({"charge": charge.id})).data[0]
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await simulator.api.refunds.create_async({"charge": charge.id})
    answered = await simulator.api.disputes.update_async(
        dispute.id, {"evidence": {"uncategorized_text": text}, "submit": True}
    )
    events = await simulator.events()

    assert ("needs_response", True, "charge_disputed", outcome) == (
        dispute.status, charge.disputed, refusal.value.code, answered.status,
    )  # fmt: skip
    assert last == events[-1]
    assert "charge.dispute.funds_withdrawn" in events


async def test_a_closed_dispute_is_lost(simulator: Any) -> None:
    """Closing gives in, once."""
    await _charge(simulator, "pm_card_createDispute")
    dispute = (await simulator.api.disputes.list_async()).data[0]
    closed = await simulator.api.disputes.close_async(dispute.id)
    with pytest.raises(stripe.InvalidRequestError):
        await simulator.api.disputes.close_async(dispute.id)

    assert "lost" == closed.status


async def test_time_brings_what_is_due(simulator: Any) -> None:
    """A draft that advances is finalized and sent after an hour, and overdue after its due date."""
    draft = await simulator.draft(auto_advance=True, days_until_due=10)
    await simulator.api.invoices.add_lines_async(draft.id, {"lines": [{"amount": 1000}]})
    await simulator.advance(3599)
    early = await simulator.api.invoices.retrieve_async(draft.id)
    await simulator.advance(1)
    final = await simulator.api.invoices.retrieve_async(draft.id)
    await simulator.advance(10 * DAY)

    assert ("draft", "open") == (early.status, final.status)
    assert draft.created + 3600 == final.status_transitions.finalized_at
    assert ["invoice.finalized", "invoice.sent", "invoice.overdue"] == await simulator.events(
        "invoice.finalized", "invoice.sent", "invoice.overdue"
    )


async def test_a_paid_invoice_is_never_overdue(simulator: Any) -> None:
    """Paying takes the due date's meaning away."""
    invoice = await simulator.open_invoice(1000)
    await simulator.api.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    await simulator.advance(60 * DAY)

    assert [] == await simulator.events("invoice.overdue")
