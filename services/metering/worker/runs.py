"""Sums by run of an agent: when it began and ended, what it used, what came of it."""

import json
import re
from dataclasses import dataclass

import polars as pl

from services.metering.worker.counting import QUANTITY, row_keys
from shared.ids import IDENTIFIER_PATTERN

RUN = ("vendor_id", "mode", "tenant_id", "run_id", "parent_run_id", "agent", "status")
_NAME = re.compile(IDENTIFIER_PATTERN)
_VALUE = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?\Z")


@dataclass(frozen=True)
class RunRows:
    """What a flush adds: a row per run, and per run and kind or name of an outcome."""

    runs: pl.DataFrame
    sums: pl.DataFrame


def sum_runs(entries: pl.DataFrame) -> RunRows | None:
    """Return what these events add to their runs; None when none of them belongs to a run.

    Counts and quantities follow `sign`; the first and the last time of a run are those of
    everything that was ever seen of it.
    """
    entries = entries.filter(pl.col("run_id") != "")
    if entries.is_empty():
        return None
    distinct = entries.select(RUN).unique()
    keyed = entries.join(
        distinct.with_columns(row_key=row_keys(distinct, RUN)), on=list(RUN), maintain_order="left"
    )
    runs = (
        keyed.group_by("partition", "row_key", *RUN)
        .agg(
            first_at=pl.col("occurred_at").min(),
            last_at=pl.col("occurred_at").max(),
            events=pl.col("sign").cast(pl.Int64).sum(),
        )
        .sort("partition", "row_key")
    )
    parts = pl.concat([_by_kind(keyed), _by_outcome(keyed)])
    sums = (
        parts.group_by("partition", "row_key", "subject", "name")
        .agg(
            quantity=(pl.col("quantity") * pl.col("sign")).sum().cast(QUANTITY),
            events=pl.col("sign").cast(pl.Int64).sum(),
        )
        .sort("partition", "row_key", "subject", "name")
    )
    return RunRows(runs, sums)


_KEY = ("partition", "row_key", "sign")


def _by_kind(keyed: pl.DataFrame) -> pl.DataFrame:
    parts = [
        keyed.select(*_KEY, name=names, quantity=quantities)
        .explode("name", "quantity", empty_as_null=False)
        .select(*_KEY, pl.lit("kind").alias("subject"), "name", pl.col("quantity").cast(QUANTITY))
        for names, quantities in (
            ("token_types", "token_counts"),
            ("unit_names", "unit_quantities"),
        )
    ]
    return pl.concat(parts)


def _by_outcome(keyed: pl.DataFrame) -> pl.DataFrame:
    told = keyed.filter(pl.col("outcome") != "").select(*_KEY, "outcome")
    texts = told["outcome"].unique().to_list()
    read = [(text, *_read_outcome(text)) for text in texts]
    schema = {"outcome": pl.String, "name": pl.String, "value": pl.String}
    known = pl.DataFrame(read, schema=schema, orient="row")
    return (
        told.join(known, on="outcome")
        .select(*_KEY, pl.lit("outcome").alias("subject"), "name", pl.col("value").cast(QUANTITY))
        .rename({"value": "quantity"})
    )


def _read_outcome(text: str) -> tuple[str, str]:
    """Return name and value; what a trusted producer garbled counts as nameless, of value 0."""
    try:
        outcome = json.loads(text)
        name, value = outcome["name"], outcome.get("value") or "0"
        if _NAME.match(name) and _VALUE.match(value):
            return name, value
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    return "", "0"
