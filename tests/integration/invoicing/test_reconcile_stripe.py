"""What differs between our invoices and Stripe's is named, and nothing else is."""

import pytest

from services.invoicing import stripe_gateway
from tests.support.closed_invoice import Closed
from tests.support.closed_month import usage_line


async def test_what_someone_edits_at_stripe_is_named(closed: Closed) -> None:
    """Metadata changed by hand shows; so does an invoice that was voided without our hearing."""
    await closed.world.simulator.post(closed.stripe_path, **{"metadata[lines_sha256]": "0"})
    assert ["stripe_lines_hash_differs"] == await closed.month.codes()

    await closed.world.simulator.post(f"{closed.stripe_path}/void")
    assert ["stripe_lines_hash_differs", "stripe_status_differs"] == await closed.month.codes()


async def test_a_credit_note_made_by_hand_is_named(closed: Closed) -> None:
    """What someone credits at Stripe alone is told with both figures."""
    note = {"invoice": closed.invoice.stripe_invoice_id, "amount": "500"}
    await closed.world.simulator.post("/v1/credit_notes", **note)

    assert ["stripe_credit_note_orphan"] == await closed.month.codes()
    assert closed.month.lines[0].endswith(": ours nothing, Stripe issued, 500")


async def test_a_line_added_to_a_draft_is_named(closed: Closed) -> None:
    """A draft of ours with a line by hand: count, line and total, with both figures."""
    customer = (await closed.world.simulator.get(closed.stripe_path))["customer"]
    draft = await closed.world.simulator.post(
        "/v1/invoices", customer=customer, currency="usd", **_metadata(closed)
    )
    form: dict[str, str] = {}
    for number, (key, amount) in enumerate((("input", 1001), ("output", 2000), ("", 500))):
        form[f"lines[{number}][amount]"] = str(amount)
        form[f"lines[{number}][description]"] = key or "by hand"
        if key:
            form[f"lines[{number}][metadata][line_key]"] = key
    await closed.world.simulator.post(f"/v1/invoices/{draft['id']}/add_lines", **form)
    await closed.month.tamper(
        "update invoicing.invoice set state = 'parked', stripe_invoice_id = :id "
        "where vendor_id = :vendor",
        id=draft["id"],
    )

    codes = await closed.month.codes()

    assert [
        "stripe_line_count_differs",
        "stripe_line_differs",
        "stripe_orphan",
        "stripe_total_differs",
    ] == codes
    assert any("line_key=not ours: ours nothing, Stripe 500" in line for line in closed.month.lines)


async def test_an_orphan_at_stripe_is_named(closed: Closed) -> None:
    """A Stripe invoice with our key that none of ours points at; another vendor's is not ours."""
    customer = (await closed.world.simulator.get(closed.stripe_path))["customer"]
    orphan = await closed.world.simulator.post(
        "/v1/invoices", customer=customer, **_metadata(closed)
    )
    others = {"metadata[invoice_key]": "somebody/test/acme/sub-1/period/1/2026-01-01/1"}
    await closed.world.simulator.post("/v1/invoices", customer=customer, **others)

    assert ["stripe_orphan"] == await closed.month.codes()
    assert 1 == len(closed.month.lines)
    assert orphan["id"] in closed.month.lines[0]


def _metadata(closed: Closed) -> dict[str, str]:
    return {
        "metadata[invoice_key]": closed.invoice.invoice_key,
        "metadata[lines_sha256]": closed.invoice.lines_sha256,
    }


async def test_every_page_and_every_line_is_read(
    closed: Closed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One invoice a page, and more lines than a list shows: still nothing differs, or is lost."""
    monkeypatch.setattr(stripe_gateway, "PAGE", 1)
    fees = [
        usage_line(f"fee-{number:02}", "", 1, "1", details=[], unit="periods")
        for number in range(12)
    ]
    other = closed.statement.model_copy(
        update={
            "statement_id": f"{closed.statement.statement_id}-2",
            "kind": "opening",
            "lines": fees,
            "total_exact": "12",
        }
    )
    await closed.month.issue(other)
    await closed.world.draft(other)
    await closed.world.sync().sync_due()

    done = await closed.month.reconcile()

    assert ([], 2) == (closed.month.lines, done.compared["Stripe invoices"])
    await closed.month.tamper(
        "update invoicing.invoice_line set line_key = 'fee-x' "
        "where vendor_id = :vendor and line_key = 'fee-11'"
    )
    assert ["statement_line_differs", "stripe_line_differs"] == await closed.month.codes()


@pytest.mark.parametrize(
    ("billing", "codes"), [("internal", []), ("hold", ["invoice_not_at_stripe"])]
)
async def test_what_is_never_billed_is_no_difference(
    closed: Closed, billing: str, codes: list[str]
) -> None:
    """An internal tenant's invoice stays ours; one on hold is not closed."""
    await closed.world.add_tenant(billing=billing)
    other = closed.statement.model_copy(
        update={
            "statement_id": f"{closed.statement.statement_id}-2",
            "kind": "opening",
            "lines": [usage_line("fee", "", 1, "5", details=[], unit="periods")],
            "total_exact": "5",
        }
    )
    await closed.month.issue(other)
    await closed.world.draft(other)
    await closed.world.sync().sync_due()

    assert codes == await closed.month.codes()


async def test_what_cannot_be_read_is_told(closed: Closed) -> None:
    """Without a Stripe account the other stages go on, and the last line says what was left."""
    closed.month.stripe = None

    done = await closed.month.reconcile()

    assert ["invoices and Stripe: stripe_account_missing"] == done.unread
    assert "unread invoices and Stripe: stripe_account_missing … 0 differences" in done.summary()
