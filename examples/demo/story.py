"""The demo's story: start, set up, send, close, read, stop."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.deployment import Deployment, discard_deployment, running_deployment
from deploy.local.stack import Report
from examples.demo import catalog
from examples.demo.books import reconcile
from examples.demo.public_api import Addresses, PublicAPI
from examples.demo.sending import WireCount, send_malformed, send_requests
from examples.demo.stopwatch import Stopwatch
from examples.demo.summary import keep_invoice_pages, read_summary
from examples.demo.traces import read_requests

INVOICE_SECONDS_MAX = 120.0
POLL_SECONDS = 0.2
Progress = Callable[[int], None]
Hook = Callable[[Deployment], Awaitable[None]]


@dataclass
class Audience:
    """Who watches: `report` gets each step, `progress` how many requests were recorded."""

    report: Report
    progress: Progress


async def tell(root: Path, audience: Audience, *, while_sending: Hook | None = None) -> Any:
    """Run the story on fresh data under `root`; write and return the summary.

    `while_sending` runs beside the sending, for whoever wants to break something meanwhile.
    """
    discard_deployment(root)
    watch = Stopwatch()
    async with running_deployment(
        root, vendor=catalog.VENDOR, report=audience.report
    ) as deployment:
        audience.report("Vendor, tenants, price book, subscriptions")
        name = ("--name", catalog.VENDOR_NAME)
        api_key = await deployment.control("bootstrap", "--vendor", catalog.VENDOR, *name)
        addresses = Addresses(*(deployment.url(n) for n in ("metering", "pricing", "invoicing")))
        async with PublicAPI(addresses, api_key) as public:
            sending_key = await _set_up(public, deployment)
            watch.lap("setup")
            count = await _send(public, sending_key, audience, while_sending, deployment)
            watch.lap("send")
            await _close(public, deployment, audience.report)
            watch.lap("close")
            summary = await read_summary(public, count)
            summary["reconciled"] = await reconcile(deployment, audience.report)
            watch.lap("reconcile")
            if deployment.simulates_stripe:
                await keep_invoice_pages(summary, root / "invoices")
        audience.report("Stopping")
    audience.report("")
    watch.total()
    summary["seconds"] = watch.seconds
    (root / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


async def _set_up(public: PublicAPI, deployment: Deployment) -> str:
    """Create everything through the public API; return the key that the SDK sends with."""
    pricing, invoicing = public.addresses.pricing, public.addresses.invoicing
    for tenant, details in catalog.TENANTS.items():
        await public.put(pricing, f"/v1/tenants/{tenant}", details)
    book = f"/v1/price-books/{catalog.BOOK}"
    await public.put(pricing, book, {"name": "Agents"})
    await public.put(pricing, f"{book}/versions/1", catalog.price_book())
    effective = {"effective_on": catalog.EFFECTIVE_ON}
    await public.post(pricing, f"{book}/versions/1/publish", effective)
    for tenant, terms in catalog.SUBSCRIPTIONS.items():
        subscription = {
            "tenant_id": tenant,
            "price_book": catalog.BOOK,
            "starts_on": catalog.EFFECTIVE_ON,
            **terms,
        }
        await public.put(pricing, f"/v1/subscriptions/{tenant}-2023", subscription)
    stripe = {
        "api_key": deployment.stripe_key,
        "webhook_secret": deployment.secrets["webhook_secret"],
    }
    await public.put(invoicing, "/v1/stripe-account", stripe)
    wanted = {"name": "sdk", "scopes": ["events:write", "events:backfill"]}
    return str((await public.post(pricing, "/v1/api-keys", wanted))["api_key"])


async def _send(
    public: PublicAPI,
    sending_key: str,
    audience: Audience,
    while_sending: Hook | None,
    deployment: Deployment,
) -> WireCount:
    audience.report("")
    requests = list(read_requests())
    async with asyncio.TaskGroup() as tasks:
        if while_sending is not None:
            tasks.create_task(_run(while_sending, deployment))
        sending = tasks.create_task(
            send_requests(public.addresses.metering, sending_key, requests, audience.progress)
        )
    transport = sending.result()
    async with PublicAPI(public.addresses, sending_key) as sender:
        await send_malformed(sender, transport)
    return transport.count


async def _run(hook: Hook, deployment: Deployment) -> None:
    await hook(deployment)


async def _close(public: PublicAPI, deployment: Deployment, report: Report) -> None:
    """Seal November 2023 and wait until every tenant's invoice has been sent."""
    report("Sealing November 2023")
    arguments = ("--vendor", catalog.VENDOR, "--through", catalog.CLOSED_THROUGH)
    await deployment.control("close", *arguments)
    report("Statements, invoices, Stripe")
    async with asyncio.timeout(INVOICE_SECONDS_MAX):
        while not await _all_sent(public):  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(POLL_SECONDS)


async def _all_sent(public: PublicAPI) -> bool:
    invoices = (await public.get(public.addresses.invoicing, "/v1/invoices"))["invoices"]
    if parked := [i for i in invoices if i["state"] == "parked"]:
        raise RuntimeError(f"parked: {[(i['tenant_id'], i['reason']) for i in parked]}")
    sent = {invoice["tenant_id"] for invoice in invoices if invoice["state"] == "sent"}
    return sent == set(catalog.TENANTS)
