"""What the demo found, as `summary.json`: counts, tokens, invoices. Decimals are strings."""

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx

from examples.demo.catalog import TENANTS
from examples.demo.public_api import PublicAPI
from examples.demo.sending import WireCount


async def read_summary(public: PublicAPI, count: WireCount) -> dict[str, Any]:
    """Read counts, usage and invoices back through the public API."""
    addresses = public.addresses
    statistics = await public.get(addresses.metering, "/v1/usage/statistics")
    counted = int(statistics["counted"])
    return {
        "events": {
            "sent": count.sent,
            "acknowledged": count.acknowledged,
            "counted": counted,
            "duplicates": count.acknowledged - counted,
            "rejected": count.rejected,
        },
        "tenants": {tenant: await _tenant(public, tenant) for tenant in TENANTS},
    }


async def keep_invoice_pages(summary: dict[str, Any], folder: Path) -> None:
    """Keep what the customers see at the hosted URLs, as these end with the simulator."""
    pages = {}
    async with httpx.AsyncClient() as client:
        for tenant, found in summary["tenants"].items():
            page = await client.get(found["invoice"]["hosted_invoice_url"])
            pages[tenant] = page.raise_for_status().text
    await asyncio.to_thread(_write_pages, folder, pages)


def _write_pages(folder: Path, pages: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for tenant, text in pages.items():
        (folder / f"{tenant}.html").write_text(text, encoding="utf-8")


async def _tenant(public: PublicAPI, tenant: str) -> dict[str, Any]:
    usage = await public.get(
        public.addresses.metering,
        "/v1/usage",
        tenant=tenant,
        group_by="agent,model,kind",
        **{"from": "2023-11-01", "to": "2023-12-01"},
    )
    tokens: dict[str, int] = defaultdict(int)
    by_agent_model: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in usage["rows"]:
        tokens[row["kind"]] += int(row["quantity"])
        by_agent_model[row["agent"], row["model"]][row["kind"]] = int(row["quantity"])
    return {
        "tokens": dict(sorted(tokens.items())),
        "by_agent_model": [
            {"agent": agent, "model": model, "tokens": dict(sorted(kinds.items()))}
            for (agent, model), kinds in sorted(by_agent_model.items())
        ],
        "invoice": await read_invoice(public, tenant),
    }


async def read_invoice(public: PublicAPI, tenant: str) -> dict[str, Any]:
    """Return the tenant's one invoice as the summary shows it."""
    listed = await public.get(public.addresses.invoicing, "/v1/invoices", tenant=tenant)
    (found,) = listed["invoices"]
    invoice = await public.get(public.addresses.invoicing, f"/v1/invoices/{found['invoice_id']}")
    names = ("number", "currency", "total_minor")
    stripe = ("stripe_invoice_id", "stripe_status", "stripe_total_minor", "hosted_invoice_url")
    columns = ("charge", "quantity", "amount_exact", "amount_minor")
    return {
        **{name: invoice[name] for name in names},
        "lines": [{name: line[name] for name in columns} for line in invoice["lines"]],
        **{name: invoice[name] for name in stripe},
    }
