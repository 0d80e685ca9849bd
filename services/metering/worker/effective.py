"""Which events count in the end: first occurrences, with revisions and corrections applied."""

from collections.abc import Iterable

import polars as pl

from services.metering.domain.versions import History, Position, Version
from services.metering.worker.identity import with_identity
from services.metering.worker.reading import POSITION

_TARGET = ("vendor_id", "mode", "tenant_id", "target_id")


def effective_events(events: pl.DataFrame, losers: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the versions that count of a log's events, in its order, each identity once.

    `events` are valid events with their positions, from the beginning of the log up to some
    offsets, without the rejected ones. `losers` are positions of first events whose response
    another instrument had booked: nothing of their ids counts. The event of a corrected identity is
    the correction that won, under its target's id; a voided identity has none.
    """
    frame = with_identity(events.sort(POSITION))
    if losers is not None and not losers.is_empty():
        lost = frame.join(losers, on=POSITION, how="semi").select(_TARGET)
        frame = frame.join(lost, on=_TARGET, how="anti", maintain_order="left")
    several = pl.len().over(_TARGET) > 1
    alone = frame.filter(~several, pl.col("corrects") == "")
    versions = frame.filter(several)
    chosen = pl.DataFrame(
        list(_winners(versions)), schema=dict.fromkeys(POSITION, pl.Int64), orient="row"
    )
    won = versions.join(chosen, on=POSITION, how="semi")
    return (
        pl.concat([alone, won])
        .sort(POSITION)
        .with_columns(event_id="target_id")
        .select(events.columns)
    )


def _winners(versions: pl.DataFrame) -> Iterable[Position]:
    histories: dict[tuple[str, ...], History] = {}
    seen: set[tuple[str, str, str, str, int]] = set()
    columns = ["event_id", "corrects", "action", "revision", "digest"]
    for row in versions.select(*_TARGET, *columns, *POSITION).iter_rows(named=True):
        is_correction = row["corrects"] != ""
        if is_correction:
            # Ids of corrections are a namespace of their own: the first of an id is the one.
            key = (*(row[n] for n in _TARGET[:3]), row["event_id"], row["revision"])
            if key in seen:
                continue
            seen.add(key)
        position = (row["partition"], row["offset"], row["index"])
        history = histories.setdefault(tuple(row[n] for n in _TARGET), History())
        history.arrive(
            Version(
                position, row["revision"], row["digest"], is_correction, row["action"] == "void"
            )
        )
    for history in histories.values():
        if history.current is not None and not history.current.is_void:
            yield history.current.position
