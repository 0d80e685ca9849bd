"""A closed month reconciles; whatever is broken in it is named, and nothing else is."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from services.invoicing import stripe_gateway
from services.metering.archive.recount import Difference, Recounted
from shared.events.statement_rated import StatementRated
from tests.support.closed_month import (
    FIRST,
    USED_ON,
    ClosedMonth,
    Counting,
    usage_line,
)
from tests.support.database import TestDatabase

FEBRUARY = date(2026, 2, 3)


@dataclass
class Closed:
    """The month, its statement, and our invoice and Stripe's of it."""

    month: ClosedMonth
    world: Any
    statement: StatementRated
    invoice: Any = None

    async def bill(self) -> None:
        """Make the invoice and take it as far as it goes."""
        self.invoice = await self.world.draft(self.statement)
        await self.world.sync().sync_due()
        self.invoice = await self.world.read(self.invoice)

    @property
    def stripe_path(self) -> str:
        return f"/v1/invoices/{self.invoice.stripe_invoice_id}"


@pytest.fixture(name="closed")
async def _closed(world: Any, database: TestDatabase, statement: Any) -> AsyncIterator[Closed]:
    lines = [
        usage_line("input", "input_uncached", 3000, "10.005"),
        usage_line("output", "output_text", 1000, "20"),
    ]
    stated = statement(total="30.005", lines=lines, statement_id=f"st-{world.vendor_id}")
    month = ClosedMonth(database, world.account, world.gateway, Counting())
    await month.write(stated)
    closed = Closed(month, world, stated)
    await closed.bill()
    yield closed
    await month.tamper(
        "delete from pricing.statement where vendor_id = :vendor",
        "truncate invoicing.invoice_line, invoicing.invoice_line_detail",
    )


async def test_a_closed_month_reconciles(closed: Closed) -> None:
    """Where nothing is broken nothing is told, and the last line says what was compared."""
    done = await closed.month.reconcile()

    assert [] == closed.month.lines
    assert (
        "reconciled: 2026-01, 31 sealed days, 1 events, 2 sums, 1 ratings, 1 statements, "
        "1 invoices, 1 Stripe invoices … 0 differences"
    ) == done.summary()


QUANTITY = (
    "update pricing.usage_daily set quantity = 7 where vendor_id = :vendor and kind = 'output_text'"
)
DETAIL = (
    "update pricing.statement set content = "
    "jsonb_set(content, '{lines,1,details,0,quantity}', '\"999\"') where vendor_id = :vendor"
)
BROKEN = {
    "a rollup row is gone": (
        "delete from metering.rollup where vendor_id = :vendor and kind = 'output_text'",
        ["rollup_copy_differ"],
    ),
    "a row of the copy is another": (QUANTITY, ["copy_statement_differ", "rollup_copy_differ"]),
    "a seal did not come": (
        (
            "delete from pricing.sealed_day "
            "where vendor_id = :vendor and day = '2026-01-09' and topic_partition = 1"
        ),
        ["seal_not_in_pricing"],
    ),
    "metering has no seal of a day between": (
        "delete from metering.seal where vendor_id = :vendor and day = '2026-01-09'",
        ["seal_not_in_metering"],
    ),
    "metering has no seal of the last day": (
        "delete from metering.seal where vendor_id = :vendor and day = '2026-01-31'",
        ["seal_not_in_metering"],
    ),
    "a row of the copy has another price context": (
        "update pricing.usage_daily set service_tier = 'batch' where vendor_id = :vendor",
        ["rollup_copy_attributes_differ"],
    ),
    "a row of the copy is another agent's": (
        (
            "update pricing.usage_daily set agent = 'x' "
            "where vendor_id = :vendor and kind = 'output_text'"
        ),
        ["rollup_copy_attributes_differ"],
    ),
    "a detail of a statement is another": (
        DETAIL,
        ["copy_statement_differ", "statement_line_differs"],
    ),
    "a statement's total is another": (
        "update pricing.statement set total_exact = '31' where vendor_id = :vendor",
        ["statement_lines_total_differ"],
    ),
    "a statement is gone": (
        "delete from pricing.statement where vendor_id = :vendor",
        ["invoice_without_statement"],
    ),
    "an invoice was made of another rating": (
        "update invoicing.invoice set rating_hash = 'x' where vendor_id = :vendor",
        ["statement_hash_differs"],
    ),
    "a subscription is gone": (
        "delete from pricing.subscription where vendor_id = :vendor",
        ["usage_without_subscription"],
    ),
    "an ended period was not rated": (
        (
            "update pricing.subscription set next_start = '2026-01-01', next_end = '2026-02-01' "
            "where vendor_id = :vendor"
        ),
        ["period_without_statement"],
    ),
    "an invoice's total is another": (
        "update invoicing.invoice set total_minor = 3002 where vendor_id = :vendor",
        ["invoice_lines_total_differ", "invoice_sent_total_differ", "stripe_total_differs"],
    ),
    "an invoice's exact total is another": (
        "update invoicing.invoice set total_exact = '30' where vendor_id = :vendor",
        ["invoice_exact_total_differ"],
    ),
    "a detail's cents are others": (
        (
            "update invoicing.invoice_line_detail set amount_minor = 1 "
            "where vendor_id = :vendor and kind = 'output_text'"
        ),
        ["invoice_details_line_differ"],
    ),
    "a detail's quantity is another": (
        (
            "update invoicing.invoice_line_detail set quantity = '1' "
            "where vendor_id = :vendor and kind = 'output_text'"
        ),
        ["statement_line_differs"],
    ),
    "a detail is another agent's": (
        (
            "update invoicing.invoice_line_detail set agent = 'x' "
            "where vendor_id = :vendor and kind = 'output_text'"
        ),
        ["statement_line_differs"],
    ),
    "a detail's exact amount is another": (
        (
            "update invoicing.invoice_line_detail set amount_exact = '19' "
            "where vendor_id = :vendor and kind = 'output_text'"
        ),
        ["statement_line_differs"],
    ),
    "a statement was invoiced twice": (
        (
            "insert into invoicing.invoice select (jsonb_populate_record(null::invoicing.invoice, "
            "to_jsonb(i) || jsonb_build_object('invoice_id', 'twice', 'invoice_key', 'twice', "
            "'number', null, 'stripe_invoice_id', null, 'sequence', 9, 'total_minor', 0, "
            "'total_exact', '0'))).* from invoicing.invoice i where vendor_id = :vendor"
        ),
        ["statement_invoiced_twice", "statement_line_differs"],
    ),
    "a sent line is another": (
        (
            "update invoicing.invoice_line set stripe_amount = 1 "
            "where vendor_id = :vendor and line_key = 'output'"
        ),
        ["invoice_sent_total_differ", "stripe_line_differs"],
    ),
    "a number is another": (
        "update invoicing.invoice set number = 'X-1' where vendor_id = :vendor",
        ["stripe_number_differs"],
    ),
    "an invoice forgot Stripe's": (
        "update invoicing.invoice set stripe_invoice_id = null where vendor_id = :vendor",
        ["invoice_not_at_stripe", "stripe_orphan"],
    ),
    "Stripe's invoice is unknown there": (
        "update invoicing.invoice set stripe_invoice_id = 'in_gone' where vendor_id = :vendor",
        ["stripe_invoice_missing", "stripe_orphan"],
    ),
    "a customer is another": (
        (
            "update invoicing.stripe_customer set stripe_customer_id = 'cus_x' "
            "where vendor_id = :vendor"
        ),
        ["stripe_customer_differs"],
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_is_broken_is_named(closed: Closed, broken: str) -> None:
    """Each broken row gives its own code and no other."""
    query, codes = BROKEN[broken]
    await closed.month.tamper(query)

    assert codes == await closed.month.codes()


async def test_an_invoice_that_was_never_made_is_named(closed: Closed) -> None:
    """A statement without its invoice is told with its amount; Stripe's has lost its own."""
    await closed.month.tamper("delete from invoicing.invoice where vendor_id = :vendor")

    assert ["statement_without_invoice", "stripe_orphan"] == await closed.month.codes()
    assert any("statement 30.005, invoice nothing" in line for line in closed.month.lines)


async def test_a_recount_that_differs_is_named(closed: Closed) -> None:
    """Rows that archive and rollup have otherwise are told one by one, and how many more."""
    key = {"tenant_id": "acme", "agent": "coder", "model": "gpt-5", "kind": "output_text"}
    row = Difference(key | {"usage_day": USED_ON, "entry": "usage"}, Decimal(5), Decimal(6), 1, 2)
    closed.month.counting.outcomes[USED_ON] = Recounted(1, 3, [row])

    assert ["events_rollup_differ", "events_rollup_differ_more"] == await closed.month.codes()
    assert (
        "events_rollup_differ booked_day=2026-01-05 tenant_id=acme agent=coder model=gpt-5 "
        "kind=output_text usage_day=2026-01-05 entry=usage: archive 6 (2 events), "
        "rollup 5 (1 events)"
    ) == closed.month.lines[0]


@pytest.mark.parametrize(
    "query",
    [
        "delete from invoicing.carry_over where vendor_id = :vendor",
        "update invoicing.carry_over set amount_exact = '-2' where vendor_id = :vendor",
        "update invoicing.carry_over set into_invoice_id = null where vendor_id = :vendor",
        "delete from invoicing.invoice_line where line_key like '~carried/%'",
    ],
)
async def test_what_is_lost_between_two_invoices_is_named(
    closed: Closed, statement: Any, query: str
) -> None:
    """What one invoice leaves is a row and a line on both; either alone is told."""
    for number, total in ((2, "-3"), (3, "10")):
        line = usage_line(f"fee-{number}", "", 1, total, details=[], unit="periods")
        values = {"sequence": number, "kind": "opening", "lines": [line]}
        names = {"statement_id": f"{closed.statement.statement_id}-{number}"}
        made = statement(total=total, **values, **names)
        await closed.month.issue(made)
        await closed.world.draft(made)
    await closed.world.sync().sync_due()
    assert [] == await closed.month.codes()

    await closed.month.tamper(query)

    assert "invoice_carried_differ" in await closed.month.codes()


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


async def test_a_day_that_neither_side_has_sealed_between_sealed_days_is_named(
    closed: Closed,
) -> None:
    """Days are sealed in a row (rule 5.1): a hole is no open day."""
    await closed.month.tamper(
        "delete from metering.seal where vendor_id = :vendor and day = '2026-01-09'",
        "delete from pricing.sealed_day where vendor_id = :vendor and day = '2026-01-09'",
    )

    assert ["day_not_sealed"] == await closed.month.codes()


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


async def test_days_that_are_open_are_left_out(closed: Closed) -> None:
    """What is not sealed may still change: it is a note, never a difference."""
    await closed.month.tamper(
        "delete from metering.seal where vendor_id = :vendor and day > '2026-01-20'",
        "delete from pricing.sealed_day where vendor_id = :vendor and day > '2026-01-20'",
    )

    done = await closed.month.reconcile()

    assert 0 == done.found
    assert ["from 2026-01-21 on, days are not sealed: they are left out"] == done.notes


async def test_late_usage_is_no_difference(closed: Closed) -> None:
    """Usage booked in a later month is not missing in this one's statement."""
    await closed.month.count("output_text", 5, booked_day=FEBRUARY)
    await closed.month.copy("output_text", 5, booked_day=FEBRUARY)

    assert [] == await closed.month.codes()


async def test_an_adjusted_period_is_compared_as_last_rated(closed: Closed) -> None:
    """With a later rating the late usage must be in it: it agrees, and a wrong one is named."""
    await closed.month.copy("output_text", 5, booked_day=FEBRUARY)
    again = [
        usage_line("input", "input_uncached", 3000, "10.005"),
        usage_line("output", "output_text", 1005, "20.1"),
    ]
    content = {"lines": [one.model_dump(mode="json") for one in again], "unrated": []}
    await closed.month.tamper(
        "insert into pricing.period_rating values (:vendor, :mode, 'sub-1', 1, 1, 'st-2', "
        "'2026-03-01', 'i', 'r', cast(:content as jsonb))",
        content=json.dumps(content),
    )
    assert [] == await closed.month.codes()

    await closed.month.tamper(
        "update pricing.period_rating set content = "
        "jsonb_set(content, '{lines,1,details,0,quantity}', '1000') where vendor_id = :vendor"
    )
    assert ["copy_statement_differ"] == await closed.month.codes()
    assert closed.month.lines[0].endswith(": copy 1005, rated and unrated 1000")


async def test_unrated_usage_is_no_difference(closed: Closed) -> None:
    """What no charge claims is on the statement: rated and unrated together are what was used."""
    await closed.month.count("web_search_requests", 9)
    await closed.month.copy("web_search_requests", 9)
    assert ["copy_statement_differ"] == await closed.month.codes()

    unrated = [
        {"provider": "openai", "model": "gpt-5", "kind": "web_search_requests", "quantity": "9"}
    ]
    await closed.month.tamper(
        "update pricing.statement set content = "
        "jsonb_set(content, '{unrated}', cast(:unrated as jsonb)) where vendor_id = :vendor",
        unrated=json.dumps(unrated),
    )
    assert [] == await closed.month.codes()


async def test_subscriptions_that_share_usage_are_compared_in_sum(closed: Closed) -> None:
    """Two subscriptions over the same days have the tenant's usage together."""
    await closed.month.subscribe("sub-2")
    await closed.month.count("pages", 4)
    await closed.month.copy("pages", 4)
    other = closed.statement.model_copy(
        update={
            "statement_id": f"{closed.statement.statement_id}-2",
            "subscription_id": "sub-2",
            "lines": [usage_line("pages", "pages", 4, "1")],
            "total_exact": "1",
        }
    )
    await closed.month.issue(other)
    await closed.world.draft(other)
    await closed.world.sync().sync_due()

    assert [] == await closed.month.codes()
    assert FIRST == other.period_start
