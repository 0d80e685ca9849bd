"""What became of the events of a flush: counted, seen before, stale, corrections, refused."""

from dataclasses import dataclass
from typing import Self

import polars as pl

from services.metering.worker import claims, counting, overlays
from services.metering.worker.claims import Claim
from services.metering.worker.identity import COUNTED
from services.metering.worker.overlays import EVENT_COLUMNS, Settled
from services.metering.worker.reading import POSITION, Rejection, reject

TALLIED = ("vendor_id", "mode", "partition")
Tallies = dict[tuple[str, str, int], dict[str, int]]
"""(vendor, mode, partition) -> verdict -> number of events."""

_REFUSALS = {
    "conflict": (
        "conflicting_event",
        "event_id",
        "An event of this id and revision with other content came before.",
    ),
    "corrects_duplicate": (
        "corrects_duplicate",
        "corrects",
        "The event to be corrected is a response that another instrument has booked.",
    ),
    overlays.LOST: (
        "original_unavailable",
        "corrects",
        "The event to be corrected can be read neither from the log nor from the archive.",
    ),
}
"""Verdict -> code, field and sentence of the rejection."""


@dataclass(frozen=True)
class Flushed:
    """How many events of one flush had which verdict."""

    counted: int
    duplicates: int
    rejected: int
    stale: int = 0
    corrections: int = 0


@dataclass(frozen=True)
class Verdicts:
    """Every event of a flush is in one of `counted` to `refused`, all but the last as `TALLIED`.

    `entries` is what is added to the sums: `sign` says once (1) or taken back (-1), `entry` usage
    or correction. `refused` has the `verdict`.
    """

    entries: pl.DataFrame
    counted: pl.DataFrame
    duplicates: pl.DataFrame
    stale: pl.DataFrame
    corrections: pl.DataFrame
    refused: pl.DataFrame

    def with_special(self, frame: pl.DataFrame, settled: Settled, entries: pl.DataFrame) -> Self:
        """Add what became of the ids that were looked at one by one; `entries` are booked."""
        judged = frame.join(settled.verdicts, on=POSITION, how="inner", maintain_order="left")

        def of(*names: str) -> pl.DataFrame:
            return judged.filter(pl.col("verdict").is_in(names)).select(TALLIED)

        return type(self)(
            entries=pl.concat([self.entries, entries], how="diagonal_relaxed"),
            counted=pl.concat([self.counted, of("counted")]),
            duplicates=pl.concat([self.duplicates, of("duplicate")]),
            stale=pl.concat([self.stale, of("stale")]),
            corrections=pl.concat([self.corrections, of("applied", "waiting")]),
            refused=pl.concat([self.refused, settled.refused]),
        )

    def rejections(self) -> list[Rejection]:
        """Return the refused events with code, field and sentence."""
        rejections: list[Rejection] = []
        for verdict, (code, name, message) in _REFUSALS.items():
            own = self.refused.filter(pl.col("verdict") == verdict)
            rejections += reject(own, code, message, field=name)
        return rejections

    def tallies(self) -> Tallies:
        """Count the events of each vendor, mode and partition by verdict."""
        counts: Tallies = {}
        for name in ("counted", "duplicates", "stale", "corrections"):
            for key, tallied in counting.tally(getattr(self, name), name).items():
                counts.setdefault(key, {}).update(tallied)
        return counts

    def flushed(self, *, rejected: int) -> Flushed:
        """Return the numbers; `rejected` includes what could not be read at all."""
        return Flushed(
            counted=self.counted.height,
            duplicates=self.duplicates.height,
            rejected=rejected,
            stale=self.stale.height,
            corrections=self.corrections.height,
        )


def with_rejected(tallies: Tallies, rejections: list[Rejection]) -> Tallies:
    """Add rejections to tallies."""
    for rejection in rejections:
        key = (rejection.vendor_id, rejection.mode, rejection.partition)
        entry = tallies.setdefault(key, {})
        entry["rejected"] = entry.get("rejected", 0) + 1
    return tallies


def judge(claim: Claim, frame: pl.DataFrame) -> Verdicts:
    """Judge what columns can tell; the claim's special targets are left out.

    `frame` has all columns of all events of the flush.
    """
    first, others = claim.first, claim.others
    if claim.special:
        special = pl.DataFrame(
            sorted(claim.special),
            schema={"tenant_number": pl.UInt32, "target_id": pl.String},
            orient="row",
        )
        first, others = (
            own.join(special, on=claims.IDENTITY, how="anti", maintain_order="left")
            for own in (first, others)
        )
    is_counted = pl.col("state") == COUNTED
    counted = first.filter(is_counted)
    is_same = pl.col("digest") == pl.col("reference_digest")
    is_stale = pl.col("revision") < pl.col("reference_revision")
    again = others.filter(~is_stale)
    duplicates = [first.filter(~is_counted), again.filter(is_same)]
    refused = _whole(again.filter(~is_same), frame)
    return Verdicts(
        entries=_whole(counted, frame).with_columns(sign=pl.lit(1, pl.Int8), entry=pl.lit("usage")),
        counted=counted.select(TALLIED),
        duplicates=pl.concat([own.select(TALLIED) for own in duplicates]),
        stale=others.filter(is_stale).select(TALLIED),
        corrections=first.clear().select(TALLIED),
        refused=refused.select(*EVENT_COLUMNS, verdict=pl.lit("conflict")),
    )


def _whole(events: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Return events of a flush with all columns; without a copy where they are all of it."""
    if events.height == frame.height:
        return frame
    return frame.join(events, on=POSITION, how="semi", maintain_order="left")
