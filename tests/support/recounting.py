"""A log of random events, and what is booked in a day, worked out one event after the other."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import polars as pl

from services.metering.archive.recount import Question
from services.metering.archive.recount_sql import KEY
from services.metering.domain.event import TokenEvent, WrittenVoid, normalise_void
from services.metering.domain.versions import Position
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Sender, place
from services.metering.worker.reading import Record
from shared.accounts.repository import Account

ACCOUNT = Account("v", "live")
DAY = date(2026, 1, 30)
PARTITIONS = 2
Row = dict[str, Any]
Sums = dict[tuple[Any, ...], tuple[Decimal, int]]


def random_event(random: Random, event_id: str, **changes: Any) -> TokenEvent:
    """Return an event of one of three days around `DAY`, with one to three kinds."""
    tokens = {"input_uncached": random.randint(0, 9)}
    if random.random() < 0.5:
        tokens["output_text"] = random.randint(0, 10**12)
    day = DAY + timedelta(days=random.choice([-1, 0, 0, 1]))
    values: dict[str, Any] = {
        "tenant_id": random.choice(["acme", "globex"]),
        "event_id": event_id,
        "occurred_at": datetime.combine(day, time(random.randrange(24)), UTC),
        "agent": random.choice(["coder", "tester"]),
        "model": "gpt-5",
        "provider": "openai",
        "tokens": tokens,
        "units": {"pages": f"0.{random.randint(1, 9)}"} if random.random() < 0.3 else {},
    }
    return TokenEvent(**(values | changes))


def void_event(event_id: str, target: TokenEvent, revision: int) -> TokenEvent:
    """Return a correction that takes an event back."""
    written = WrittenVoid(event_id, target.event_id, "void", revision)
    return normalise_void(written, tenant_id=target.tenant_id)


def random_log(random: Random, *, ids: int, versions: bool) -> list[Record]:
    """Return envelopes of events, re-sends, conflicts and, if wanted, revisions and corrections."""
    lanes: list[list[TokenEvent]] = [[] for _ in range(PARTITIONS)]
    for number in range(ids):
        lane = lanes[number % PARTITIONS]
        first = random_event(random, f"e-{number}")
        same_tenant = {"tenant_id": first.tenant_id}
        sent = [first] * random.choice([1, 1, 1, 2, 3])
        if random.random() < 0.05:
            sent.append(random_event(random, first.event_id, **same_tenant))
        for turn in range(random.choice([0, 0, 0, 1, 2, 3]) if versions else 0):
            revision, name = random.randint(1, 4), f"c-{number}-{turn}"
            marks = {**same_tenant, "revision": revision}
            replacing = {**marks, "corrects": first.event_id, "action": "replace"}
            sent.append(
                random.choice(
                    [
                        void_event(name, first, revision),
                        random_event(random, name, **replacing),
                        random_event(random, first.event_id, **marks),
                    ]
                )
            )
        lane += sent
    records: list[Record] = []
    for partition, lane in enumerate(lanes):
        random.shuffle(lane)
        begin = 0
        while begin < len(lane):
            end = begin + random.randint(1, 5)
            rows = [
                place(e, Sender("v", "live"), partitions=PARTITIONS).row for e in lane[begin:end]
            ]
            offset = sum(r.partition == partition for r in records)
            records.append(Record(partition, offset, encode_envelope(rows)))
            begin = end
    return records


@dataclass
class _Life:
    """One id: the version that counts, its revision, and corrections ahead of it."""

    current: Row | None = None
    waiting: list[Row] = field(default_factory=list)


@dataclass
class Bookkeeper:
    """Follows a log event by event. `steps` are (row, sign, entry, offset of its effect)."""

    steps: list[tuple[Row, int, str, int]] = field(default_factory=list)
    rejected: list[Position] = field(default_factory=list)
    lives: defaultdict[tuple[str, str], _Life] = field(default_factory=lambda: defaultdict(_Life))

    def take(self, row: Row) -> None:
        life = self.lives[row["tenant_id"], row["corrects"] or row["event_id"]]
        if life.current is None and row["corrects"]:
            life.waiting.append(row)
        elif life.current is None:
            life.current = row
            self.steps.append((row, 1, "usage", row["offset"]))
            ahead = sorted(life.waiting, key=lambda r: (r["revision"], r["offset"], r["index"]))
            for version in ahead:
                self._follow(life, version, row["offset"])
        else:
            self._follow(life, row, row["offset"])

    def _follow(self, life: _Life, row: Row, effect: int) -> None:
        current = life.current
        assert current is not None
        if row["revision"] == current["revision"] and row["fingerprint"] != current["fingerprint"]:
            self.rejected.append((row["partition"], row["offset"], row["index"]))
        if row["revision"] <= current["revision"]:
            return
        if current["action"] != "void":
            self.steps.append((current, -1, "correction", effect))
        if row["action"] != "void":
            self.steps.append((row, 1, "correction", effect))
        life.current = row

    def booked(self, question: Question) -> Sums:
        """Return the sums and numbers of events of the question's booked day."""
        sums: Sums = {}
        for row, sign, entry, effect in self.steps:
            usage_day = row["occurred_at"].date()
            late = question.late and effect >= question.late[row["partition"]]
            is_here = effect < question.sealed[row["partition"]]
            if not is_here or not (
                usage_day == question.day or (late and usage_day < question.day)
            ):
                continue
            values = {**row, "usage_day": usage_day, "entry": entry}
            for kind, quantity in kinds_of(row):
                key = tuple(values.get(name, kind) for name in KEY)
                before = sums.get(key, (Decimal(0), 0))
                sums[key] = (before[0] + sign * quantity, before[1] + sign)
        return sums


def kinds_of(row: Row) -> list[tuple[str, Decimal]]:
    """Return an event's kinds and quantities."""
    tokens = zip(row["token_types"], row["token_counts"], strict=True)
    units = zip(row["unit_names"], row["unit_quantities"], strict=True)
    return [(kind, Decimal(quantity)) for kind, quantity in (*tokens, *units)]


def follow(events: pl.DataFrame, bounds: Mapping[int, int]) -> Bookkeeper:
    """Take every event below the bounds in the order of the log."""
    keeper = Bookkeeper()
    for row in events.to_dicts():
        if row["offset"] < bounds[row["partition"]]:
            keeper.take(row)
    return keeper
