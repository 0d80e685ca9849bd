"""Vercel's AI Gateway: what its API says of past requests, as rows of events. Pure.

A line is what `GET /v1/generation?id=…` answers for one request, or one row of what
`GET /v1/report?…` answers for a day. Source: `packages/gateway/src/gateway-generation-info.ts` and
`gateway-spend-report.ts` of https://github.com/vercel/ai, which read both; totals contain what was
cached (https://github.com/vercel-labs/ai-python/pull/159). The columns of the export on the
dashboard's page of logs are not documented, and not read.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tallyroll.bridges.counting import line_of, stated
from tallyroll.bridges.providers import provider_of
from tallyroll.event import Fault
from tallyroll.pastusage.rows import Row
from tallyroll.recording.events import FLAGS_TAG, UNMEASURED_UNIT
from tallyroll.usage.lines import UsageLine
from tallyroll.usage.surface import Json

INSTRUMENT = "vercel"
_GENERATION = "native_tokens_prompt"
"""What every record of a generation has."""
_REPORT = "input_tokens"
"""What a row of a report has, if anything was used."""


def row_of_vercel(row: Row) -> Row:
    """Return the row with the names of an event; one that is no record of the gateway is faulty."""
    if row.fault is not None:
        return row
    inner = row.values.get("data")
    record = inner if isinstance(inner, dict) else row.values
    if _GENERATION in record:
        return msgspec.structs.replace(row, values=_generation(record))
    if _REPORT in record:
        return msgspec.structs.replace(row, values=_report(record))
    message = "is neither a generation nor a row of a report of the AI Gateway"
    fault = Fault("invalid_record", "line", message)
    return msgspec.structs.replace(row, values={}, fault=fault)


def _generation(record: Json) -> dict[str, Any]:
    usage = _usage(
        record,
        input="native_tokens_prompt",
        output="native_tokens_completion",
        cached="native_tokens_cached",
        written="native_tokens_cache_creation",
        reasoning="native_tokens_reasoning",
    )
    line = line_of({**usage, "web_search_requests": record.get("billable_web_search_calls")}, None)
    inputs = sum(count for name, count in line.tokens.items() if name.startswith("input_"))
    byok = record.get("is_byok")
    return stated(
        {
            **_common(record, line),
            "event_id": record.get("id"),
            "response_id": record.get("id"),
            "occurred_at": record.get("created_at"),
            "provider": _provider(record.get("provider_name")),
            "context_input_tokens": inputs or None,
            "status": "failed" if record.get("finish_reason") == "error" else None,
            "tags.credentials": {True: "byok", False: "system"}.get(byok)
            if isinstance(byok, bool)
            else None,
        }
    )


def _report(record: Json) -> dict[str, Any]:
    usage = _usage(
        record,
        input="input_tokens",
        output="output_tokens",
        cached="cached_input_tokens",
        written="cache_creation_input_tokens",
        reasoning="reasoning_tokens",
    )
    day = record.get("day")
    return stated(
        {
            **_common(record, line_of(usage, None)),
            "occurred_at": record.get("hour") or (f"{day}T00:00:00Z" if day else None),
            "provider": _provider(record.get("provider")),
            "user": record.get("user"),
            "units.requests": record.get("request_count"),
            "tags.tag": record.get("tag"),
            "tags.credentials": record.get("credential_type"),
        }
    )


def _common(record: Json, line: UsageLine) -> dict[str, Any]:
    _, _, model = str(record.get("model") or "").rpartition("/")
    return {
        "instrument": INSTRUMENT,
        "model": model or None,
        **{f"tokens.{name}": count for name, count in line.tokens.items()},
        **{f"units.{name}": quantity for name, quantity in line.units.items()},
        f"units.{UNMEASURED_UNIT}": None if line.tokens or line.units else 1,
        f"tags.{FLAGS_TAG}": ",".join(sorted(line.flags)) or None,
    }


def _usage(record: Json, **names: str) -> dict[str, object]:
    """Return the counts in the form of Chat Completions; `names` says where each stands."""
    found: Mapping[str, object] = {part: record.get(name) for part, name in names.items()}
    return {
        "prompt_tokens": found["input"],
        "completion_tokens": found["output"],
        "prompt_tokens_details": {
            "cached_tokens": found["cached"],
            "cache_write_tokens": found["written"],
        },
        "completion_tokens_details": {"reasoning_tokens": found["reasoning"]},
    }


def _provider(name: object) -> str | None:
    return provider_of(name) if isinstance(name, str) and name else None
