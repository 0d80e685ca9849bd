"""What the gateway asks about money that moved: payments, refunds, disputes, credit notes."""

from abc import ABC, abstractmethod
from typing import Any

from services.invoicing.stripe_types import StripeBalanceMove, StripeCreditNote, StripeRefund

_AMOUNTS = ("total", "total_excluding_tax", "pre_payment_amount", "post_payment_amount")


class MoneyCalls(ABC):
    """Part of the gateway: reads only, each answered with our own types."""

    @abstractmethod
    async def _ask(
        self, method: str, path: str, params: dict[str, Any] | None = None, *, key: str = ""
    ) -> dict[str, Any]:
        """Make a call of the SDK; raises `StripeProblem`."""

    @abstractmethod
    async def _pages(self, path: str, wanted: dict[str, Any] | None = None) -> list[Any]:
        """Read a list to its end; raises `StripeProblem`."""

    async def payment_intents_of(self, invoice_id: str) -> list[str]:
        found = await self._payments({"invoice": invoice_id})
        intents = [one["payment"]["payment_intent"] for one in found if _is_intent(one)]
        return [one if isinstance(one, str) else one["id"] for one in intents]

    async def invoice_of_payment_intent(self, payment_intent: str) -> str | None:
        payment = {"type": "payment_intent", "payment_intent": payment_intent}
        found = await self._payments({"payment": payment})
        if not found:
            return None
        invoice = found[0]["invoice"]
        return str(invoice if isinstance(invoice, str) else invoice["id"])

    async def _payments(self, wanted: dict[str, Any]) -> list[Any]:
        return await self._pages("/v1/invoice_payments", wanted)

    async def list_refunds(self, payment_intent: str) -> list[StripeRefund]:
        wanted = {"payment_intent": payment_intent}
        found = await self._pages("/v1/refunds", wanted)
        return [StripeRefund(str(one["status"]), _integer(one, "amount")) for one in found]

    async def list_dispute_statuses(self, payment_intent: str) -> list[str]:
        wanted = {"payment_intent": payment_intent}
        found = await self._pages("/v1/disputes", wanted)
        return [str(one["status"]) for one in found]

    async def preview_credit_note(self, params: dict[str, Any]) -> StripeCreditNote:
        return _credit_note(await self._ask("get", "/v1/credit_notes/preview", params))

    async def list_credit_notes(self, invoice_id: str) -> list[StripeCreditNote]:
        wanted = {"invoice": invoice_id}
        found = await self._pages("/v1/credit_notes", wanted)
        return [_credit_note(one) for one in found]

    async def list_balance_moves(self, customer_id: str) -> list[StripeBalanceMove]:
        found = await self._pages(f"/v1/customers/{customer_id}/balance_transactions")
        return [
            StripeBalanceMove(str(one["type"]), _integer(one, "amount"), _id_of(one["credit_note"]))
            for one in found
        ]


def _id_of(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value["id"])


def _is_intent(payment: Any) -> bool:
    return bool(payment["payment"]["type"] == "payment_intent")


def _integer(answer: Any, name: str) -> int:
    assert type(answer[name]) is int, f"{name} is an int"
    return int(answer[name])


def _credit_note(answer: Any) -> StripeCreditNote:
    metadata = answer["metadata"]
    return StripeCreditNote(
        id=str(answer["id"]),
        status=str(answer["status"]),
        metadata=dict(metadata or {}),
        **{name: _integer(answer, name) for name in _AMOUNTS},
    )
