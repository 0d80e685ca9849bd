"""Sums by run of an agent: when it began and ended, what it used, what came of it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from services.metering.worker.counting import QUANTITY, bucket_of, by_kind, row_keys
from shared.ids import IDENTIFIER_PATTERN
from shared.topics import RUNS_AGGREGATED

PART = (
    *("vendor_id", "mode", "tenant_id", "run_id", "parent_run_id", "agent", "agent_version"),
    "status",
)
"""What tells the parts of runs apart."""
CIRCUMSTANCES = (
    *("provider", "model", "context_band", "service_tier", "batch", "speed", "region"),
    *("purpose", "is_retry", "usage_day"),
)
"""What a part's usage is told apart by, beside its kind: what a cost depends on, and what for."""
VERSION_TAG = "agent_version"
"""The tag that names the version of the agent; OpenTelemetry calls it `gen_ai.agent.version`."""

RETRY_TAG = "retry_of"
"""The tag that names the event which an event repeats: the one before is paid for, too."""

_NAME = re.compile(IDENTIFIER_PATTERN)
_SOURCE = re.compile(rf"({IDENTIFIER_PATTERN.removeprefix('^')})?\Z")
_VALUE = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?\Z")
_MARK = ("vendor_id", "mode", "tenant_id", "run_id")
_NEEDED = (
    *("partition", "occurred_at", "sign", "outcome", "tags"),
    *("token_types", "token_counts", "unit_names", "unit_quantities"),
    *(name for name in (*PART, *CIRCUMSTANCES) if name not in ("agent_version", "is_retry")),
)


@dataclass(frozen=True)
class RunRows:
    """What a flush adds: parts of runs, what they used, their outcomes; and which runs changed."""

    parts: pl.DataFrame
    usage: pl.DataFrame
    outcomes: pl.DataFrame
    changed: pl.DataFrame


def sum_runs(entries: pl.DataFrame) -> RunRows | None:
    """Return what these events add to their runs; None when none of them belongs to a run.

    Counts and quantities follow `sign`; the first and the last time of a run are those of
    everything that was ever seen of it.
    """
    # A join copies every column that it is given.
    entries = entries.filter(pl.col("run_id") != "").select(_NEEDED)
    if entries.is_empty():
        return None
    keyed = _with_keys(_with_tags(entries), "row_key", PART)
    parts = (
        keyed.group_by("partition", "row_key", *PART)
        .agg(
            first_at=pl.col("occurred_at").min(),
            last_at=pl.col("occurred_at").max(),
            events=pl.col("sign").cast(pl.Int64).sum(),
        )
        .sort("partition", "row_key")
    )
    return RunRows(parts, _usage(keyed), _outcomes(keyed), _changed(parts))


def _with_keys(frame: pl.DataFrame, name: str, dimensions: Sequence[str]) -> pl.DataFrame:
    """Add the digest of the dimensions, made once for those that are alike."""
    distinct = frame.select(dimensions).unique()
    keys = distinct.with_columns(row_keys(distinct, dimensions).alias(name))
    return frame.join(keys, on=list(dimensions), maintain_order="left")


def _with_tags(entries: pl.DataFrame) -> pl.DataFrame:
    """Add what tags tell: `agent_version`, or empty, and `is_retry`."""
    names = "|".join(f'"{name}"' for name in (VERSION_TAG, RETRY_TAG))
    told = entries["tags"].filter(entries["tags"].str.contains(names))
    if told.is_empty():
        return entries.with_columns(agent_version=pl.lit(""), is_retry=pl.lit(value=False))
    read = pl.DataFrame(
        [(text, *_read_tags(text)) for text in told.unique().to_list()],
        schema={"tags": pl.String, "agent_version": pl.String, "is_retry": pl.Boolean},
        orient="row",
    )
    joined = entries.join(read, on="tags", how="left", maintain_order="left")
    return joined.with_columns(
        pl.col("agent_version").fill_null(""), pl.col("is_retry").fill_null(value=False)
    )


def _read_tags(tags: str) -> tuple[str, bool]:
    """Return the version, empty for what is no name, and whether another event is named."""
    try:
        told = json.loads(tags)
        version, repeated = told.get(VERSION_TAG) or "", told.get(RETRY_TAG) or ""
        return (version if _NAME.match(version) else ""), bool(repeated)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return "", False


def _usage(keyed: pl.DataFrame) -> pl.DataFrame:
    kinds = by_kind(keyed, ("partition", "row_key", *CIRCUMSTANCES))
    usage = _with_keys(kinds, "usage_key", (*CIRCUMSTANCES, "kind"))
    return usage.sort("partition", "row_key", "usage_key")


def _outcomes(keyed: pl.DataFrame) -> pl.DataFrame:
    told = keyed.filter(pl.col("outcome") != "")
    texts = told["outcome"].unique().to_list()
    read = [(text, *_read_outcome(text)) for text in texts]
    names = ("outcome", "name", "source", "value")
    known = pl.DataFrame(read, schema=dict.fromkeys(names, pl.String), orient="row")
    key = ("partition", "row_key", "name", "source")
    return (
        told.select("partition", "row_key", "sign", "outcome")
        .join(known, on="outcome")
        .group_by(key)
        .agg(
            value=(pl.col("value").cast(QUANTITY) * pl.col("sign")).sum().cast(QUANTITY),
            events=pl.col("sign").cast(pl.Int64).sum(),
        )
        .sort(key)
    )


def _read_outcome(text: str) -> tuple[str, str, str]:
    """Return name, source, value; what a trusted producer garbled is nameless and of value 0."""
    try:
        outcome = json.loads(text)
        name, value = outcome["name"], outcome.get("value") or "0"
        source = outcome.get("source") or ""
        if _NAME.match(name) and _VALUE.match(value) and _SOURCE.match(source):
            return name, source, value
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    return "", "", "0"


def _changed(parts: pl.DataFrame) -> pl.DataFrame:
    """Return a mark for each run, with the publisher's bucket of its tenant."""
    runs = parts.select(_MARK).unique().sort(_MARK)
    tenants = runs.select("vendor_id", "tenant_id").unique()
    buckets = [bucket_of(vendor, tenant, RUNS_AGGREGATED) for vendor, tenant in tenants.iter_rows()]
    known = tenants.with_columns(bucket=pl.Series(buckets, dtype=pl.Int32))
    return runs.join(known, on=["vendor_id", "tenant_id"], maintain_order="left")
