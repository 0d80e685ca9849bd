"""The whole story on real servers, with the metering worker killed in the middle of it."""

import asyncio
import os
import signal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from deploy.local.deployment import Deployment
from examples.demo.story import Audience, tell
from examples.demo.traces import REQUESTS, Request, read_requests

ROOT = Path(__file__).parents[2]
KILLS = 3
RECORDED_BETWEEN_KILLS = 8_000
RESTART_SECONDS_MAX = 30.0
MILLION = 1_000_000


class Killer:
    """Kills the metering worker (-9) each time some thousand more requests have been recorded."""

    def __init__(self) -> None:
        self.killed: list[int] = []
        self._recorded = 0
        self._moved = asyncio.Event()

    def progress(self, recorded: int) -> None:
        self._recorded = recorded
        self._moved.set()

    async def hunt(self, deployment: Deployment) -> None:
        for kill in range(1, KILLS + 1):
            while self._recorded < kill * RECORDED_BETWEEN_KILLS:
                self._moved.clear()
                await self._moved.wait()
            pid = await self._living_worker(deployment)
            os.kill(pid, signal.SIGKILL)
            self.killed.append(pid)

    async def _living_worker(self, deployment: Deployment) -> int:
        async with asyncio.timeout(RESTART_SECONDS_MAX):
            while True:
                pid = deployment.supervisor.pid("metering-worker")
                if pid is not None and pid not in self.killed:
                    return pid
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module", name="killer")
def _killer() -> Killer:
    return Killer()


@pytest.fixture(scope="module", name="summary")
async def _summary(killer: Killer) -> Any:
    audience = Audience(report=lambda _step: None, progress=killer.progress)
    return await tell(ROOT / "var" / "e2e", audience, while_sending=killer.hunt)


@pytest.fixture(scope="module", name="requests")
def _requests() -> list[Request]:
    return list(read_requests())


def _total(requests: list[Request], tenant: str, kind: str, model: str | None = None) -> int:
    return sum(
        request.tokens.get(kind, 0)
        for request in requests
        if request.tenant == tenant and model in (None, request.model)
    )


def _priced(tokens: int, dollars_per_million: str) -> Fraction:
    return tokens * Fraction(dollars_per_million) / MILLION


def _expected_lines(requests: list[Request]) -> dict[str, dict[str, Fraction]]:
    """Return the exact amount of every line, by arithmetic that shares nothing with pricing."""
    acme = {
        f"{model}-{side}": _priced(_total(requests, "acme", kind, model), price)
        for model, side, kind, price in (
            ("gpt-5", "input", "input_uncached", "1.50"),
            ("gpt-5", "output", "output_text", "12.00"),
            ("gpt-5-mini", "input", "input_uncached", "0.30"),
            ("gpt-5-mini", "output", "output_text", "2.40"),
        )
    }
    support = _total(requests, "globex", "input_uncached")
    above = support - 20 * MILLION
    globex = {
        "platform-fee": Fraction(500),
        "support-input": Fraction(40) + Fraction(35) + _priced(above, "3.00"),
        "support-output": _priced(_total(requests, "globex", "output_text"), "18.00"),
    }
    initech = {
        "seats": Fraction(25 * 20),
        "research-input": _priced(_total(requests, "initech", "input_uncached"), "2.20"),
        "cache-read": _priced(_total(requests, "initech", "input_cache_read"), "0.25"),
        "research-output": _priced(_total(requests, "initech", "output_text"), "14.00"),
    }
    return {"acme": acme, "globex": globex, "initech": initech}


def _half_away_from_zero(cents: Fraction) -> int:
    return int(cents + Fraction(1, 2))


def test_the_worker_was_killed(summary: Any, killer: Killer) -> None:
    """The story below was told while the worker died three times."""
    assert KILLS == len(set(killer.killed))


def test_every_event_is_counted_once(summary: Any) -> None:
    """Re-sent batches, malformed events and dead workers change no count."""
    events = summary["events"]

    assert {"counted": REQUESTS, "rejected": 25} == {
        name: events[name] for name in ("counted", "rejected")
    }
    assert events["duplicates"] == events["acknowledged"] - REQUESTS > 0
    assert events["sent"] == events["acknowledged"] + events["rejected"]


def test_tokens_are_those_of_the_traces(summary: Any, requests: list[Request]) -> None:
    """Per tenant and token type, what was counted is what the files say."""
    expected = {
        tenant: {
            kind: total
            for kind in ("input_uncached", "input_cache_read", "output_text")
            if (total := _total(requests, tenant, kind))
        }
        for tenant in ("acme", "globex", "initech")
    }

    assert expected == {name: found["tokens"] for name, found in summary["tenants"].items()}


def test_agents_and_models_add_up(summary: Any) -> None:
    """The split by agent and model has the same totals as the tenant."""
    for found in summary["tenants"].values():
        for kind, total in found["tokens"].items():
            split = sum(row["tokens"].get(kind, 0) for row in found["by_agent_model"])

            assert total == split


def test_every_line_is_exact(summary: Any, requests: list[Request]) -> None:
    """Each invoice line's exact amount is what independent arithmetic gives."""
    found = {
        tenant: {
            line["charge"]: Fraction(line["amount_exact"]) for line in data["invoice"]["lines"]
        }
        for tenant, data in summary["tenants"].items()
    }

    assert _expected_lines(requests) == found


def test_totals_are_rounded_once_and_lines_add_up(summary: Any, requests: list[Request]) -> None:
    """The total is the exact sum rounded once; the lines' cents add up to it."""
    for tenant, lines in _expected_lines(requests).items():
        invoice = summary["tenants"][tenant]["invoice"]
        cents = _half_away_from_zero(sum(lines.values(), Fraction()) * 100)

        assert cents == invoice["total_minor"]
        assert cents == sum(line["amount_minor"] for line in invoice["lines"])


def test_stripe_has_the_same_invoices(summary: Any) -> None:
    """Each invoice is open at Stripe with our total, and has a page to look at."""
    for data in summary["tenants"].values():
        invoice = data["invoice"]

        assert ("open", invoice["total_minor"]) == (
            invoice["stripe_status"],
            invoice["stripe_total_minor"],
        )
        assert invoice["hosted_invoice_url"].startswith("http")


def test_numbers_have_no_gap(summary: Any) -> None:
    """Three invoices carry three consecutive numbers."""
    numbers = sorted(
        int(data["invoice"]["number"].rpartition("-")[2]) for data in summary["tenants"].values()
    )

    assert [1, 2, 3] == numbers


def test_events_and_stripe_reconcile(summary: Any) -> None:
    """From the archived events to Stripe's invoices, `tallyrollctl reconcile` finds nothing."""
    assert summary["reconciled"].startswith("reconciled: 2023-11, ")
    assert f" {REQUESTS:,} events, " in summary["reconciled"]
    assert summary["reconciled"].endswith(
        "3 statements, 3 invoices, 3 Stripe invoices … 0 differences"
    )
