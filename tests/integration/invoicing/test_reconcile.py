"""A closed month reconciles; whatever is broken in it is named, and nothing else is."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from services.metering.archive.recount import Difference, Recounted
from tests.support.closed_invoice import Closed
from tests.support.closed_month import (
    FIRST,
    USED_ON,
    usage_line,
)

FEBRUARY = date(2026, 2, 3)


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


async def test_a_day_that_neither_side_has_sealed_between_sealed_days_is_named(
    closed: Closed,
) -> None:
    """Days are sealed in a row (rule 5.1): a hole is no open day."""
    await closed.month.tamper(
        "delete from metering.seal where vendor_id = :vendor and day = '2026-01-09'",
        "delete from pricing.sealed_day where vendor_id = :vendor and day = '2026-01-09'",
    )

    assert ["day_not_sealed"] == await closed.month.codes()


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
