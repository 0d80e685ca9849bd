"""All that waits for a person in invoicing, as the API and the command line list it."""

from datetime import timedelta

from pydantic import BaseModel
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.attention import (
    InvoicingItem,
    attention_item,
    backing_off_item,
    failing_order_item,
    parked_note_item,
    refused_action_item,
    standing_items,
    webhooks_item,
)
from services.invoicing.corrections.models import ActionOrder, CreditNote
from services.invoicing.models import CarryOver
from services.invoicing.repository import (
    actions,
    carry_overs,
    credit_notes,
    standing,
    waiting,
    webhook_endpoints,
)
from services.invoicing.repository.invoices import list_waiting
from shared.accounts.repository import Account
from shared.attention import call, command

FAILURES_MAX = 10
"""So many failures in a row take a quarter of an hour: no passing weakness of the network."""

LEFT_OVER_AFTER = timedelta(days=62)
"""By then a monthly subscription has had its next invoice, if there is one."""


class InvoicingAttention(BaseModel):
    items: list[InvoicingItem]


async def list_attention(connection: AsyncConnection, account: Account) -> list[InvoicingItem]:
    """Return all that an account's owner must look at; empty when nothing waits."""
    parked = await list_waiting(connection, account)
    stuck = await waiting.list_backing_off(connection, account, failures=FAILURES_MAX)
    since = await waiting.read_since(connection, account, [*parked, *stuck])
    dead = await webhook_endpoints.list_dead(connection, account)
    letters = await waiting.count_dead_letters(connection, account)
    events = await waiting.count_failing_events(connection, account, failures=FAILURES_MAX)
    facts = await standing.list_waiting_facts(connection, account)
    refused = await actions.list_refused_actions(connection, account)
    left = await carry_overs.list_left_over(connection, account, older_than=LEFT_OVER_AFTER)
    notes = await credit_notes.list_parked_notes(connection, account)
    failing: list[ActionOrder | CreditNote] = [
        *await actions.list_failing_actions(connection, account, failures=FAILURES_MAX),
        *await credit_notes.list_failing_notes(connection, account, failures=FAILURES_MAX),
    ]
    return [
        *(attention_item(one, since.get(one.invoice_id)) for one in parked),
        *(backing_off_item(one, since.get(one.invoice_id)) for one in stuck),
        *(item for one in facts for item in standing_items(one)),
        *map(refused_action_item, refused),
        *map(parked_note_item, notes),
        *map(failing_order_item, failing),
        *map(_left_over, left),
        *map(webhooks_item, dead),
        *map(_dead_letters, letters),
        *([_failing_events(events)] if events["count"] else []),
    ]


def _left_over(one: CarryOver) -> InvoicingItem:
    owed = "is owed to the tenant" if one.amount_minor < 0 else "was not charged"
    text = "Pay it out, or write it off, when the tenant gets no further invoice (rule 8.5)."
    return InvoicingItem(
        code="open_carry_over",
        subject=one.carry_over_id,
        ids={"carry_over_id": one.carry_over_id, "tenant_id": one.tenant_id},
        message=f"{one.amount_exact} {one.currency} {owed}, and no invoice has followed.",
        since=one.created_at,
        action=call("POST", f"/v1/carry-overs/{one.carry_over_id}/settle", text),
        kind="open_carry_over",
        invoice_id=one.carry_over_id,
        tenant_id=one.tenant_id,
        reason="no_next_invoice",
    )


def _dead_letters(row: RowMapping) -> InvoicingItem:
    text = "Find out why; a statement that could not be used has no invoice."
    return InvoicingItem(
        code="dead_letters",
        subject=row["code"],
        ids={"rejection": row["code"], "topic": row["topic"]},
        message=f"Messages of {row['topic']} could not be used: {row['code']}.",
        since=row["oldest"],
        newest=row["newest"],
        count=row["count"],
        action=command("tallyrollctl invoicing dead-letters", text),
        kind="dead_letters",
        reason=row["code"],
    )


def _failing_events(row: RowMapping) -> InvoicingItem:
    text = "See that the key may read invoices; invoicing's log has the cause. They are tried on."
    return InvoicingItem(
        code="stripe_events_failing",
        subject="stripe",
        message="Events of Stripe are received and cannot be processed.",
        since=row["oldest"],
        newest=row["newest"],
        count=row["count"],
        action=call("PUT", "/v1/stripe-account", text),
        kind="stripe_events_failing",
        reason="processing_failed",
    )
