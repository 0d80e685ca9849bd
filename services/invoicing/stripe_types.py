"""Stripe as the rest of invoicing sees it: our own frozen values and named outcomes."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Step = Literal[
    "create_customer",
    "update_customer",
    "create_tax_id",
    "create_product",
    "create_invoice",
    "add_lines",
    "set_number",
    "finalize_invoice",
    "send_invoice",
    "void_invoice",
    "mark_uncollectible",
    "create_credit_note",
]


@dataclass(frozen=True)
class StripeTax:
    """A tax on a line, by the id of its rate at Stripe; amounts in Stripe's integers."""

    tax_rate: str
    taxable: int
    amount: int


@dataclass(frozen=True)
class StripeLine:
    """A line at Stripe; `line_key` is None for a line that we did not send."""

    line_key: str | None
    amount: int
    id: str
    taxes: tuple[StripeTax, ...] = ()


@dataclass(frozen=True)
class StripeInvoice:
    """An invoice at Stripe; amounts in Stripe's integers. The hosted URL is a bearer link.

    `due_date` in seconds since 1970; `finalization_error` is a stable code; `credited` is what its
    credit notes come to, tax included.
    """

    id: str
    status: str
    customer: str
    currency: str
    number: str | None
    total: int
    total_excluding_tax: int | None
    starting_balance: int
    metadata: dict[str, str]
    hosted_invoice_url: str | None
    amount_paid: int
    amount_remaining: int
    due_date: int | None
    attempted: bool
    finalization_error: str | None
    credited: int
    """By credit notes that are not void, tax included."""
    automatic_tax: bool = False
    located: bool = True
    """False: automatic tax cannot tell where the customer is."""

    lines: tuple[StripeLine, ...] | None = None
    """All of its lines, or None when there are more than the answer holds (ten)."""

    def __repr__(self) -> str:
        return f"StripeInvoice({self.id}, {self.status})"


@dataclass(frozen=True)
class Posted:
    """The answer to a step: the object's id, and the invoice as this very call left it.

    `invoice` is None for other objects, and for an answer that Stripe had stored before.
    """

    id: str
    invoice: StripeInvoice | None = None


@dataclass(frozen=True)
class StripeRefund:
    """A refund; `amount` in Stripe's integers."""

    status: str
    amount: int


@dataclass(frozen=True)
class StripeBalanceMove:
    """What moved a customer's balance; `amount` in Stripe's integers, below zero is credit."""

    kind: str
    amount: int
    credit_note: str | None


@dataclass(frozen=True)
class StripeCreditNote:
    """A credit note, or the preview of one (id empty); amounts in Stripe's integers."""

    id: str
    status: str
    total: int
    total_excluding_tax: int
    pre_payment_amount: int
    post_payment_amount: int
    metadata: dict[str, str]


@dataclass(frozen=True)
class StripeCustomer:
    id: str
    metadata: dict[str, str]
    name: str = ""
    email: str = ""
    address: dict[str, str] = field(default_factory=dict)
    preferred_locales: tuple[str, ...] = ()


@dataclass(frozen=True)
class StripeTaxId:
    """A customer's tax id."""

    id: str
    type: str
    value: str


class StripeProblem(Exception):  # noqa: N818 - some mean that nobody knows yet
    """Stripe did not do what was asked, or nobody knows whether it did."""


class OutcomeUnknown(StripeProblem):
    """The call may or may not have taken effect: time-out, reset, 5xx, busy."""


class FailureReplayed(StripeProblem):
    """Stripe stored a 500 under the key and will repeat it; the call may have taken effect."""


class RequestRefused(StripeProblem):
    """Stripe refused the call for good; it has no effect. `code` is stable."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(f"{code} ({status})")
        self.code = code
        self.status = status


class Stripe(Protocol):
    """One Stripe account. Every call raises a `StripeProblem` when it is not answered well."""

    async def post(self, step: Step, target: str, params: dict[str, Any], *, key: str) -> Posted:
        """Perform a step under an idempotency key."""
        ...

    async def retrieve_invoice(self, invoice_id: str) -> StripeInvoice: ...

    async def list_lines(self, invoice_id: str) -> list[StripeLine]: ...

    async def list_invoices(self, customer_id: str, *, created_from: int) -> list[StripeInvoice]:
        """Return a customer's invoices created at or after a time (seconds since 1970)."""
        ...

    async def retrieve_customer(self, customer_id: str) -> StripeCustomer | None:
        """Return a customer, None for one that does not exist or was deleted."""
        ...

    async def list_customers(self, *, created_from: int) -> list[StripeCustomer]: ...

    async def list_tax_ids(self, customer_id: str) -> list[StripeTaxId]: ...

    async def delete_tax_id(self, customer_id: str, tax_id: str) -> None:
        """Delete a customer's tax id; one that is gone already is no problem."""
        ...

    async def delete_draft(self, invoice_id: str) -> None:
        """Delete a draft; one that is gone already is no problem."""
        ...

    async def payment_intents_of(self, invoice_id: str) -> list[str]:
        """Return the payment intents that paid, or tried to pay, an invoice."""
        ...

    async def invoice_of_payment_intent(self, payment_intent: str) -> str | None: ...

    async def list_refunds(self, payment_intent: str) -> list[StripeRefund]: ...

    async def list_dispute_statuses(self, payment_intent: str) -> list[str]: ...

    async def preview_credit_note(self, params: dict[str, Any]) -> StripeCreditNote:
        """Return the note that `create_credit_note` would make of these parameters."""
        ...

    async def list_balance_moves(self, customer_id: str) -> list[StripeBalanceMove]: ...

    async def list_credit_notes(self, invoice_id: str) -> list[StripeCreditNote]: ...


MISSING = "resource_missing"
"""The code of a refusal for an object that does not exist."""

EXISTS = "resource_already_exists"
"""The code of a refusal for an object whose id is taken."""

NOT_LOCATED = "customer_tax_location_invalid"
"""The code of a refusal for a customer whose address does not tell where tax is due."""
