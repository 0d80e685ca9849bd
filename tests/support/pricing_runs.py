"""Parts of runs as tests of pricing write them, and the messages that tell them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import md5
from typing import Any

from shared.events.runs_aggregated import RunOutcome, RunPart, RunsAggregated, RunUsage
from shared.ids import length_prefixed

RUN_DAY = datetime(2023, 12, 5, 9, tzinfo=UTC)


def key_of(*texts: str) -> str:
    """Return a key that is the same for the same texts, as metering makes one."""
    return md5(length_prefixed(*texts), usedforsecurity=False).hexdigest()


def used(quantity: str | int, kind: str = "input_uncached", **values: Any) -> RunUsage:
    """Return what a part of a run used of a kind, on the day of `RUN_DAY` unless told."""
    row = {
        "provider": "anthropic",
        "model": "claude-sonnet-4-6",
        "kind": kind,
        "context_band": "unknown",
        "service_tier": "",
        "batch": False,
        "speed": "",
        "region": "",
        "purpose": "production",
        "is_retry": False,
        "usage_day": RUN_DAY.date(),
        "quantity": Decimal(quantity),
        "events": 1,
        **values,
    }
    dimensions = [str(row[name]) for name in row if name not in ("quantity", "events")]
    return RunUsage.model_validate({"key": key_of(*dimensions), **row})


def came_of(
    name: str = "resolved", source: str = "measured:crm", events: int = 1, value: str | int = 1
) -> RunOutcome:
    """Return outcomes of a name from a source, and the sum of their values."""
    return RunOutcome(name=name, source=source, value=Decimal(value), events=events)


def part(
    run_id: str, *rows: RunUsage | RunOutcome, minute: int = 0, days: int = 0, **values: Any
) -> RunPart:
    """Return a part of a run with one event, so many minutes and days after `RUN_DAY`."""
    at = RUN_DAY + timedelta(days=days, minutes=minute)
    told = {
        "run_id": run_id,
        "parent_run_id": "",
        "agent": "support",
        "agent_version": "1",
        "status": "completed",
        "first_at": at,
        "last_at": at,
        "events": 1,
        **values,
    }
    names = ("run_id", "parent_run_id", "agent", "agent_version", "status")
    return RunPart.model_validate(
        {
            "key": key_of(*(str(told[name]) for name in names)),
            "usage": [row for row in rows if isinstance(row, RunUsage)],
            "outcomes": [row for row in rows if isinstance(row, RunOutcome)],
            **told,
        }
    )


def runs_message(
    vendor: str, parts: Sequence[RunPart], *, tenant: str = "globex", version: int = 1
) -> RunsAggregated:
    """Return the message that tells parts of a tenant's runs."""
    return RunsAggregated(
        vendor_id=vendor,
        mode="test",
        tenant_id=tenant,
        version=version,
        watermark=RUN_DAY,
        parts=list(parts),
    )
