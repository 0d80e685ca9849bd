"""What the gateway asks about tax: the tax ids of customers, the taxes of lines."""

from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import quote

from services.invoicing.stripe_types import MISSING, RequestRefused, StripeTax, StripeTaxId


class TaxCalls(ABC):
    """Part of the gateway, answered with our own types."""

    @abstractmethod
    async def _ask(
        self, method: str, path: str, params: dict[str, Any] | None = None, *, key: str = ""
    ) -> dict[str, Any]:
        """Make a call of the SDK; raises `StripeProblem`."""

    @abstractmethod
    async def _pages(self, path: str, wanted: dict[str, Any] | None = None) -> list[Any]:
        """Read a list to its end; raises `StripeProblem`."""

    async def list_tax_ids(self, customer_id: str) -> list[StripeTaxId]:
        found = await self._pages(_path(customer_id))
        return [StripeTaxId(str(one["id"]), str(one["type"]), str(one["value"])) for one in found]

    async def delete_tax_id(self, customer_id: str, tax_id: str) -> None:
        try:
            await self._ask("delete", f"{_path(customer_id)}/{quote(tax_id, safe='')}")
        except RequestRefused as refusal:
            if refusal.code != MISSING:
                raise


def _path(customer_id: str) -> str:
    return f"/v1/customers/{quote(customer_id, safe='')}/tax_ids"


def line_taxes(answer: Any) -> tuple[StripeTax, ...]:
    """Return the taxes of a line that name a rate."""
    taxes = []
    for tax in answer.get("taxes") or ():
        details = tax["tax_rate_details"]
        if details is not None:
            assert type(tax["amount"]) is int, "an amount is an int"
            taxes.append(StripeTax(details["tax_rate"], tax["taxable_amount"] or 0, tax["amount"]))
    return tuple(taxes)
