"""All that waits for a person in invoicing, as the API and the command line list it."""

from pydantic import BaseModel
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.attention import (
    InvoicingItem,
    attention_item,
    backing_off_item,
    parked_note_item,
    refused_action_item,
    standing_items,
    webhooks_item,
)
from services.invoicing.repository import (
    actions,
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
    notes = await credit_notes.list_parked_notes(connection, account)
    return [
        *(attention_item(one, since.get(one.invoice_id)) for one in parked),
        *(backing_off_item(one, since.get(one.invoice_id)) for one in stuck),
        *(item for one in facts for item in standing_items(one)),
        *map(refused_action_item, refused),
        *map(parked_note_item, notes),
        *map(webhooks_item, dead),
        *map(_dead_letters, letters),
        *([_failing_events(events)] if events["count"] else []),
    ]


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
