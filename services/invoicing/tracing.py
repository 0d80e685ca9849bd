"""From a line of an invoice to the events behind it: what to ask of metering's API.

A line of a period counts usage of the period's days that was booked before the period's end; an
adjustment counts usage of earlier days that was booked in the invoice's own period. Metering tells
both apart by `booked_day`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from services.invoicing.domain.line_kinds import ADJUSTMENT_PREFIX
from services.invoicing.models import Invoice, InvoiceLine, InvoiceLineDetail

VALUES_MAX = 100
"""Metering takes so many values of one filter; with more, it is left out and the keys decide."""

GROUP_BY = "agent,model,kind,usage_day,booked_day"
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class BookedDays:
    """Which bookings count: `booked_day` from `first` (None: any) to before `end`."""

    first: date | None
    end: date


def booked_days(invoice: Invoice, line: InvoiceLine) -> BookedDays:
    """Return the booked days of the usage that a line counts."""
    adjusting = line.line_key.startswith(ADJUSTMENT_PREFIX)
    return BookedDays(invoice.period_start if adjusting else None, invoice.period_end)


def usage_path(invoice: Invoice, details: Sequence[InvoiceLineDetail]) -> str:
    """Return the path of `GET /v1/usage` whose rows sum to the details; there is at least one.

    Rows of other keys than the details' belong to other lines.
    """
    days = [detail.usage_day for detail in details]
    query = [
        ("tenant", invoice.tenant_id),
        ("from", min(days).isoformat()),
        ("to", (max(days) + ONE_DAY).isoformat()),
        ("group_by", GROUP_BY),
        *_filter("agent", (detail.agent for detail in details)),
        *_filter("model", (detail.model for detail in details)),
        *_filter("kind", (detail.kind for detail in details)),
    ]
    return f"/v1/usage?{urlencode(query)}"


def _filter(name: str, values: Iterable[str]) -> list[tuple[str, str]]:
    distinct = sorted(set(values))
    return [(name, value) for value in distinct] if len(distinct) <= VALUES_MAX else []


def events_path(invoice: Invoice, detail: InvoiceLineDetail) -> str:
    """Return the path of `GET /v1/events` that lists the events behind one detail."""
    query = {
        "tenant": invoice.tenant_id,
        "from": detail.usage_day.isoformat(),
        "to": (detail.usage_day + ONE_DAY).isoformat(),
        "agent": detail.agent,
        "model": detail.model,
        "kind": detail.kind,
    }
    return f"/v1/events?{urlencode(query)}"
