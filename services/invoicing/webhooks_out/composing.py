"""What became known, as an event for a vendor's endpoints. Pure."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from services.invoicing.webhooks_out.event_types import (
    BUDGET_THRESHOLD_CROSSED,
    INVOICE_TYPES,
    INVOICE_WAITING,
    STATEMENT_RATED,
    USAGE_SEALED,
    USAGE_THRESHOLD_CROSSED,
    WALLET_LOW,
    WEBHOOK_TEST,
    BudgetThresholdData,
    EventData,
    EventType,
    InvoiceData,
    SealData,
    StatementData,
    TestData,
    UsageThresholdData,
    WalletData,
    WebhookBody,
)
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES
from shared.events.invoice_changed import InvoiceChanged
from shared.events.spend_crossed import EnvelopeCrossed, SpendCrossed
from shared.events.statement_rated import StatementRated
from shared.events.usage_aggregated import DaySealed
from shared.money import format_exact


@dataclass(frozen=True)
class Event:
    """An event before it is stored. `identity`: the same for every message that tells of it."""

    account: Account
    event_type: EventType
    identity: str
    tenant_id: str | None
    data: EventData
    happened_at: datetime

    def payload(self) -> str:
        """Return the text that is signed and sent."""
        return WebhookBody(
            type=self.event_type.name,
            version=self.event_type.version,
            timestamp=self.happened_at,
            vendor=self.account.vendor_id,
            mode=self.account.mode,
            data=self.data,
        ).model_dump_json()


def invoice_event(changed: InvoiceChanged, message_id: str) -> Event:
    """Return the event of an invoice's change.

    An invoice may reach a state twice, so the message is the identity.
    """
    waits = changed.state == "draft" and changed.reason is not None
    data = InvoiceData(
        invoice_id=changed.invoice_id,
        tenant_id=changed.tenant_id,
        number=changed.number,
        state=changed.state,
        reason=changed.reason,
        currency=changed.currency,
        total=_decimal(changed.total_minor, changed.currency),
        tax=_told(changed.tax_minor, changed.currency),
        gross=_told(changed.gross_minor, changed.currency),
        period_start=changed.period_start,
        period_end=changed.period_end,
        changed_at=changed.changed_at,
    )
    return Event(
        account=Account(changed.vendor_id, changed.mode),
        event_type=INVOICE_WAITING if waits else INVOICE_TYPES[changed.state],
        identity=f"invoice/{message_id}",
        tenant_id=changed.tenant_id,
        data=data,
        happened_at=changed.changed_at,
    )


def _decimal(minor: int, currency: str) -> str:
    return format_exact(Fraction(minor, 10 ** CURRENCIES[currency].exponent))


def _told(minor: int | None, currency: str) -> str | None:
    return None if minor is None else _decimal(minor, currency)


def statement_event(statement: StatementRated, now: datetime) -> Event:
    """Return the event of a rated statement. The message has no time: it happened just now."""
    fields = StatementData.model_fields
    data = StatementData(**{name: getattr(statement, name) for name in fields})
    return Event(
        account=Account(statement.vendor_id, statement.mode),
        event_type=STATEMENT_RATED,
        identity=f"statement/{statement.statement_id}",
        tenant_id=statement.tenant_id,
        data=data,
        happened_at=now,
    )


def seal_event(sealed: DaySealed, now: datetime) -> Event:
    """Return the event of a sealed day: one, though every partition is told in several parts."""
    return Event(
        account=Account(sealed.vendor_id, sealed.mode),
        event_type=USAGE_SEALED,
        identity=f"day/{sealed.day}/{sealed.recount}",
        tenant_id=None,
        data=SealData(day=sealed.day, recount=sealed.recount),
        happened_at=now,
    )


def crossing_event(crossed: SpendCrossed, now: datetime) -> Event:
    """Return the event of a bound that was crossed."""
    return wallet_event(crossed, now) if crossed.kind == "wallet_low" else spend_event(crossed, now)


def envelope_event(crossed: EnvelopeCrossed, now: datetime) -> Event:
    """Return the event of a share of an envelope that was crossed: it happened just now."""
    fields = BudgetThresholdData.model_fields
    return Event(
        account=Account(crossed.vendor_id, crossed.mode),
        event_type=BUDGET_THRESHOLD_CROSSED,
        identity=f"spend/{crossed.crossing_id}",
        tenant_id=crossed.scope.get("tenant"),
        data=BudgetThresholdData(**{name: getattr(crossed, name) for name in fields}),
        happened_at=now,
    )


def spend_event(crossed: SpendCrossed, now: datetime) -> Event:
    """Return the event of spend that reached a threshold. It has a day: it happened just now."""
    assert crossed.subscription_id is not None, "the message's own rule"
    assert crossed.period_start is not None, "the message's own rule"
    assert crossed.period_end is not None, "the message's own rule"
    data = UsageThresholdData(
        tenant_id=crossed.tenant_id,
        subscription_id=crossed.subscription_id,
        currency=crossed.currency,
        threshold_exact=crossed.bound_exact,
        spend_exact=crossed.now_exact,
        period_start=crossed.period_start,
        period_end=crossed.period_end,
        reached_on=crossed.booked_on,
        statement_id=crossed.statement_id,
    )
    return _crossed(crossed, USAGE_THRESHOLD_CROSSED, data, now)


def wallet_event(crossed: SpendCrossed, now: datetime) -> Event:
    """Return the event of credit that runs low. It has a day and no time: it happened just now."""
    data = WalletData(
        tenant_id=crossed.tenant_id,
        currency=crossed.currency,
        bound_exact=crossed.bound_exact,
        balance_exact=crossed.now_exact,
        booked_on=crossed.booked_on,
        statement_id=crossed.statement_id,
    )
    return _crossed(crossed, WALLET_LOW, data, now)


def _crossed(crossed: SpendCrossed, event_type: EventType, data: EventData, now: datetime) -> Event:
    return Event(
        account=Account(crossed.vendor_id, crossed.mode),
        event_type=event_type,
        identity=f"spend/{crossed.crossing_id}",
        tenant_id=crossed.tenant_id,
        data=data,
        happened_at=now,
    )


def trial_event(account: Account, endpoint_id: str, identity: str, now: datetime) -> Event:
    """Return an event that somebody asked for."""
    return Event(account, WEBHOOK_TEST, identity, None, TestData(endpoint_id=endpoint_id), now)
