"""Revisions and corrections: ids with more than one version, looked at one by one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.versions import History, Position, Version
from services.metering.repository import identities as repository
from services.metering.repository.identities import Target
from services.metering.worker.claims import IDENTITY, Claim, lookup
from services.metering.worker.identity import NATURAL_DUPLICATE
from services.metering.worker.memory import Memory
from services.metering.worker.reading import POSITION
from shared.events.usage_recorded import SCHEMA

LOST = "original_unavailable"
EVENT_COLUMNS = [*SCHEMA.names, *POSITION]

_CorrectionKey = tuple[int, str, int]
"""(number of the tenant, id of the correction, revision)."""


class Originals(Protocol):
    """Reads single events back from the log or the archive.

    The answer has the columns of the schema and of the position; what cannot be found any more is
    left out.
    """

    async def read_events(self, positions: Sequence[Position]) -> pl.DataFrame: ...


@dataclass(frozen=True)
class Settled:
    """What becomes of the special targets: events to add with sign and entry, and verdicts.

    `verdicts` has partition, offset, index and verdict of each event of the flush that belongs to
    them; `refused` are whole events with their verdict, also such that waited since earlier.
    """

    entries: pl.DataFrame
    verdicts: pl.DataFrame
    refused: pl.DataFrame


async def settle(
    connection: AsyncConnection,
    frame: pl.DataFrame,
    claim: Claim,
    *,
    memory: Memory,
    originals: Originals,
) -> Settled:
    """Judge the versions of special targets in the order of the log, and store the outcome."""
    targets = pl.DataFrame(
        sorted(claim.special),
        schema={"tenant_number": pl.UInt32, "target_id": pl.String},
        orient="row",
    )
    rows = frame.join(targets, on=IDENTITY, how="semi", maintain_order="left")
    histories = await _histories(connection, rows, claim, memory)
    before = {target: history.current for target, history in histories.items()}
    audit = {_position(r): r for r in await _known_corrections(connection, claim.special, rows)}
    for row in audit.values():
        target = (row["tenant_number"], row["target_id"])
        if row["state"] == "waiting" and target in histories:
            histories[target].waiting.append(_version(row))
    library = await _library(rows, histories, originals)
    arrivals = _arrive(rows, histories, known=audit, available=set(library))
    await _store(connection, histories, before=before, arrivals=arrivals, audit=audit)
    _remember(histories, rows, memory)
    return _settled(rows, histories, arrivals, library)


async def _histories(
    connection: AsyncConnection, rows: pl.DataFrame, claim: Claim, memory: Memory
) -> dict[Target, History]:
    one_each = rows.unique(subset=IDENTITY, keep="first", maintain_order=True)
    histories: dict[Target, History] = {
        target: History() for target in one_each.select(IDENTITY).rows()
    }
    partitions = {_target(r): r["partition"] for r in one_each.to_dicts()}
    for row in (await lookup(connection, one_each, memory)).to_dicts():
        target = _target(row)
        position = (partitions[target], row["stored_offset"], row["stored_index"])
        history = histories[target]
        history.current = Version(position, row["stored_revision"], row["stored_digest"])
        history.is_duplicate = row["stored_state"] == NATURAL_DUPLICATE
    lost = claim.first.filter(pl.col("state") == NATURAL_DUPLICATE)
    for target in lost.select(IDENTITY).rows():
        if target in histories:
            histories[target].is_duplicate = True
    overlays = await repository.read_overlays(connection, sorted(histories))
    for row in overlays.to_dicts():
        histories[_target(row)].current = _version(row)
    return histories


async def _known_corrections(
    connection: AsyncConnection, special: Iterable[Target], rows: pl.DataFrame
) -> list[dict[str, Any]]:
    corrections = rows.filter(pl.col("corrects") != "")
    ids: list[Target] = corrections.select("tenant_number", "event_id").unique().rows()
    found = await repository.read_corrections(connection, targets=sorted(special), ids=sorted(ids))
    return [dict(row._mapping) for row in found]  # noqa: SLF001 - the mapping of a row


async def _library(
    rows: pl.DataFrame, histories: Mapping[Target, History], originals: Originals
) -> dict[Position, pl.DataFrame]:
    """Return every event that may be added or taken back, as frames of one row."""
    here = rows.select(EVENT_COLUMNS)
    library = dict(
        zip(map(_position, here.select(POSITION).to_dicts()), here.iter_slices(1), strict=True)
    )
    wanted = [h.current.position for h in histories.values() if h.current and not h.current.is_void]
    wanted += [version.position for h in histories.values() for version in h.waiting]
    missing = sorted(set(wanted) - library.keys())
    if missing:
        found = (await originals.read_events(missing)).select(EVENT_COLUMNS)
        for position, row in zip(
            found.select(POSITION).to_dicts(), found.iter_slices(1), strict=True
        ):
            library[_position(position)] = row
    return library


def _arrive(
    rows: pl.DataFrame,
    histories: Mapping[Target, History],
    *,
    known: Mapping[Position, dict[str, Any]],
    available: set[Position],
) -> list[dict[str, Any]]:
    """Let every version arrive in its order; return the rows with their verdicts."""
    digests: dict[_CorrectionKey, tuple[str, int]] = {
        _correction_key(row): (row["target_id"], int(row["digest"]))
        for row in known.values()
        if row["is_correction"]
    }
    names = ["event_id", "target_id", "corrects", "action", "revision", "digest", "actor", "reason"]
    arrivals = rows.sort(POSITION).select("tenant_number", *names, *POSITION).to_dicts()
    for row in arrivals:
        row["is_correction"] = row["corrects"] != ""
        row["is_void"] = row["action"] == "void"
        history, version = histories[_target(row)], _version(row)
        current = history.current
        content = (row["target_id"], row["digest"])
        seen = digests.get(_correction_key(row)) if row["is_correction"] else None
        if seen is not None:
            history.verdicts[version.position] = "duplicate" if seen == content else "conflict"
            row["repeats"] = True
        elif _is_lost(version, current, available):
            row["lost"] = True
        else:
            history.arrive(version)
        if row["is_correction"]:
            digests.setdefault(_correction_key(row), content)
    for row in arrivals:
        verdict = histories[_target(row)].verdicts.get(_position(row))
        row["verdict"] = LOST if row.get("lost") else verdict
    return arrivals


def _is_lost(version: Version, current: Version | None, available: set[Position]) -> bool:
    return (
        current is not None
        and not current.is_void
        and version.revision > current.revision
        and current.position not in available
    )


async def _store(
    connection: AsyncConnection,
    histories: Mapping[Target, History],
    *,
    before: Mapping[Target, Version | None],
    arrivals: Sequence[dict[str, Any]],
    audit: Mapping[Position, dict[str, Any]],
) -> None:
    overlays = [
        _overlay(target, history.current)
        for target, history in sorted(histories.items())
        if history.current is not None and _is_overlaid(history, before[target])
    ]
    await repository.put_overlays(connection, overlays)
    rows = [
        _audit_row(row, row["verdict"])
        for row in arrivals
        if row["verdict"] != "duplicate"
        and not row.get("repeats")
        and row["verdict"] != LOST
        and (row["is_correction"] or row["verdict"] == "applied")
    ]
    verdicts = {p: v for history in histories.values() for p, v in history.verdicts.items()}
    rows += [
        {**row, "state": verdicts[position]}
        for position, row in audit.items()
        if row["state"] == "waiting" and verdicts.get(position, "waiting") != "waiting"
    ]
    await repository.put_corrections(connection, rows)


def _is_overlaid(history: History, before: Version | None) -> bool:
    """Tell whether another version than the stored first one counts now."""
    if before is not None:
        return history.current != before
    return "applied" in history.verdicts.values()


def _overlay(target: Target, current: Version) -> dict[str, Any]:
    partition, offset, index = current.position
    return {
        "tenant_number": target[0],
        "event_id": target[1],
        "digest": current.fingerprint,
        "revision": current.revision,
        "partition": partition,
        "offset": offset,
        "index": index,
        "is_correction": current.is_correction,
        "is_void": current.is_void,
    }


_AUDITED = (
    *("tenant_number", "event_id", "target_id", "is_correction", "action", "revision", "digest"),
    *("actor", "reason", *POSITION),
)


def _audit_row(row: Mapping[str, Any], state: str) -> dict[str, Any]:
    # A higher revision of the event itself replaces, without saying so.
    return {
        **{name: row[name] for name in _AUDITED},
        "action": row["action"] or "replace",
        "state": state,
    }


def _remember(histories: Mapping[Target, History], rows: pl.DataFrame, memory: Memory) -> None:
    for row in rows.unique(subset=IDENTITY).select("partition", *IDENTITY).to_dicts():
        waiting = memory.waiting.setdefault(row["partition"], set())
        target = _target(row)
        if histories[target].waiting:
            waiting.add(target)
        else:
            waiting.discard(target)


def _settled(
    rows: pl.DataFrame,
    histories: Mapping[Target, History],
    arrivals: Sequence[dict[str, Any]],
    library: Mapping[Position, pl.DataFrame],
) -> Settled:
    nothing = rows.select(EVENT_COLUMNS).clear()
    entries = [nothing.with_columns(sign=pl.lit(1, pl.Int8), entry=pl.lit("usage"))]
    for history in histories.values():
        for step in history.steps:
            entry = "correction" if step.is_correction else "usage"
            event = library[step.position].with_columns(
                sign=pl.lit(step.sign, pl.Int8), entry=pl.lit(entry)
            )
            entries.append(event)
    verdicts = [(*_position(row), row["verdict"]) for row in arrivals]
    refused = [nothing.with_columns(verdict=pl.lit(""))]
    outcomes = {_position(row): row["verdict"] for row in arrivals}
    for history in histories.values():
        outcomes = {**history.verdicts, **outcomes}
    for position, verdict in outcomes.items():
        if verdict in ("conflict", "corrects_duplicate", LOST) and position in library:
            refused.append(library[position].with_columns(verdict=pl.lit(verdict)))
    schema = {**dict.fromkeys(POSITION, pl.Int64), "verdict": pl.String}
    return Settled(
        entries=pl.concat(entries, how="vertical_relaxed"),
        verdicts=pl.DataFrame(verdicts, schema=schema, orient="row"),
        refused=pl.concat(refused, how="vertical_relaxed"),
    )


def _target(row: Mapping[str, Any]) -> Target:
    return row["tenant_number"], row["target_id"]


def _position(row: Mapping[str, Any]) -> Position:
    return row["partition"], row["offset"], row["index"]


def _correction_key(row: Mapping[str, Any]) -> _CorrectionKey:
    return row["tenant_number"], row["event_id"], row["revision"]


def _version(row: Mapping[str, Any]) -> Version:
    is_void = row["is_void"] if "is_void" in row else row["action"] == "void"
    return Version(
        _position(row), row["revision"], int(row["digest"]), row["is_correction"], is_void
    )
