"""The identity of an invoice: one invoice per key, whatever is delivered how often."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

NO_SUBSCRIPTION = "-"
KIND_AT = 4
"""Place of the kind among the parts of a key."""


@dataclass(frozen=True)
class InvoiceKey:
    """What an invoice is for. `revision` rises only when an issued invoice is replaced."""

    vendor_id: str
    mode: str
    tenant_id: str
    subscription_id: str
    kind: str
    sequence: int
    period_start: date
    revision: int = 1

    def __str__(self) -> str:
        """Return the readable form. Parts are percent-encoded, so that no two keys look alike."""
        parts = (
            self.vendor_id,
            self.mode,
            self.tenant_id,
            self.subscription_id,
            self.kind,
            str(self.sequence),
            self.period_start.isoformat(),
            str(self.revision),
        )
        return "/".join(quote(part, safe="") for part in parts)


def kind_of(invoice_key: str) -> str:
    """Return the kind that stands in the readable form of a key."""
    return invoice_key.split("/")[KIND_AT]
