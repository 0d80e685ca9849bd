"""Statements on Kafka become finalized, sent invoices at the simulator of Stripe."""

import asyncio
import time
from collections import Counter
from datetime import date
from typing import Any

from shared.broker import create_producer
from shared.events.statement_rated import StatementDetail, StatementLine, StatementRated
from shared.outbox import Outgoing
from tests.bench.invoicing_rig import InvoicingRig, invoicing_rig
from tests.bench.results import Bench, Figure, check
from tests.bench.rig import VENDOR

PART = "invoicing"
STATEMENTS = 10_000
LIMITED_STATEMENTS = 700
"""The simulator remembers the requests of so many: the last 5,000."""

LINES, DETAILS = 5, 4
PER_ENDPOINT, OVERALL = 25, 100
CALLS = 7
"""What an invoice of a new tenant cannot do without, each at another endpoint: the customer, the
draft, its lines, what Stripe holds of the customer, the number, finalizing, sending."""

SECONDS_MAX = 1_800.0


async def measure(bench: Bench) -> None:
    """Once as fast as it goes, once within Stripe's limits; totals are compared at Stripe."""
    await _free(bench)
    await _limited(bench)


async def _free(bench: Bench) -> None:
    count = bench.scaled(STATEMENTS)
    speeds, by_cpu, peaks = [], [], []
    for _ in range(bench.repeats):
        bench.report(f"invoicing: {count:,} statements")
        async with invoicing_rig(bench, count) as rig:
            unlimited = {"stripe_requests_per_second": 0, "stripe_requests_per_second_endpoint": 0}
            async with rig.running(**unlimited) as process:
                used = process.cpu_seconds()
                seconds = await _send(rig, count)
                used = process.cpu_seconds() - used
            await _check_totals(rig, count)
        speeds.append(count / seconds)
        by_cpu.append(count / used)
        peaks.append(process.peak_bytes / 2**20)
    extra = {"statements": count, "lines": LINES, "details_of_a_line": DETAILS}
    bench.add(Figure(PART, "no limits", "invoices/s", speeds, extra=extra))
    bench.add(Figure(PART, "of one core of invoicing", "invoices/s", by_cpu, extra=extra))
    bench.add(Figure(PART, "memory", "MiB", peaks, better="less", extra=extra))


async def _limited(bench: Bench) -> None:
    """Measure the share of the best schedule."""
    count = LIMITED_STATEMENTS
    speeds, shares, calls, best = [], [], 0, _best_seconds(LIMITED_STATEMENTS)
    for _ in range(bench.repeats):
        bench.report(f"invoicing: {count:,} statements within Stripe's limits")
        async with invoicing_rig(bench, count) as rig:
            limits = {
                "rate_limits": True,
                "rate_per_endpoint": PER_ENDPOINT,
                "rate_global": OVERALL,
            }
            (await rig.stripe.post("/_sim/settings", json=limits)).raise_for_status()
            async with rig.running(stripe_requests_per_second=OVERALL):
                seconds = await _send(rig, count)
            requests = (await rig.stripe.get("/_sim/requests")).json()["requests"]
            (await rig.stripe.post("/_sim/settings", json={"rate_limits": False}))
            await _check_totals(rig, count)
        refused = sum(request["outcome"] == "rate_limited" for request in requests)
        check(0, refused, "requests refused")
        calls = sum(str(request["path"]).startswith("/v1/") for request in requests)
        speeds.append(count / seconds)
        shares.append(100 * best / seconds)
    extra: dict[str, Any] = {
        "statements": count,
        "limit_is": f"the best schedule of {CALLS} calls an invoice",
        "calls_an_invoice": calls / count,
    }
    name = f"within {PER_ENDPOINT}/s an endpoint, {OVERALL}/s in all"
    bench.add(Figure(PART, name, "invoices/s", speeds, limit=count / best, extra=extra))
    bench.add(Figure(PART, "share of the best schedule", "%", shares, extra=extra))


def _best_seconds(invoices: int) -> float:
    """Return in what time the limits let so many invoices through at best.

    Every bucket is full at first and never idle: of the limits that is the one that lasts longest.
    """
    endpoint = (invoices - PER_ENDPOINT) / PER_ENDPOINT
    return max(endpoint, (invoices * CALLS - OVERALL) / OVERALL)


async def _send(rig: InvoicingRig, count: int) -> float:
    """Publish the statements; return the seconds until the last invoice is sent."""
    messages = [Outgoing(_statement(number)).row() for number in range(count)]
    async with create_producer(rig.rig.address.kafka_bootstrap) as producer:
        began = time.perf_counter()
        for row in messages:
            headers = row["headers"]
            assert isinstance(headers, dict)
            pairs = [(name, value.encode()) for name, value in headers.items()]
            await producer.send(row["topic"], row["payload"], key=row["key"], headers=pairs)
        await producer.flush()
    async with asyncio.timeout(SECONDS_MAX):
        await rig.wait_until_sent(count)
    return time.perf_counter() - began


async def _check_totals(rig: InvoicingRig, count: int) -> None:
    """Raise unless Stripe holds each invoice once, open and to the cent."""
    found = await rig.invoices()
    expected = Counter(_cents(number) for number in range(count))
    check(expected, Counter(one["total"] for one in found), "totals at Stripe")
    keys = {one["metadata"]["invoice_key"] for one in found if one["status"] == "open"}
    check(count, len(keys), "open invoices with a key of their own")


def _cents(number: int) -> int:
    return LINES * DETAILS * (number % 997 + 10)


def _statement(number: int) -> StatementRated:
    cents = number % 997 + 10
    return StatementRated(
        vendor_id=VENDOR,
        mode="test",
        tenant_id=f"tenant-{number}",
        statement_id=f"statement-{number}",
        subscription_id=f"subscription-{number}",
        kind="period",
        sequence=1,
        period_start=date(2026, 11, 1),
        period_end=date(2026, 12, 1),
        currency="USD",
        price_book="bench",
        price_version=1,
        price_hash="hash",
        plan="usage",
        input_hash="hash",
        rating_hash=f"hash-{number}",
        total_exact=f"{_cents(number)}/100",
        lines=[_line(f"charge-{index}", cents) for index in range(LINES)],
        unrated=[],
    )


def _line(key: str, cents: int) -> StatementLine:
    return StatementLine(
        line_key=key,
        charge=key,
        model="per_unit",
        description=f"Tokens of {key}",
        quantity="4000",
        unit="tokens",
        amount_exact=f"{DETAILS * cents}/100",
        steps=[],
        details=[
            StatementDetail(
                agent=f"agent-{index}",
                model="gpt-5",
                kind="output_text",
                usage_day=date(2026, 11, 1 + index),
                quantity="1000",
                amount_exact=f"{cents}/100",
            )
            for index in range(DETAILS)
        ],
    )
