"""The recount: agrees with counting event by event, and finds whatever does not."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from services.metering.archive.layout import cut, files_of
from services.metering.archive.recount import BOOKED_SCHEMA, Question, Recount, Recounted
from services.metering.archive.recount_sql import KEY
from services.metering.archive.storage import ArchiveStorage
from services.metering.repository.archive import ManifestRow
from services.metering.worker.reading import Record, events_of
from shared.accounts.repository import Account
from tests.support.recounting import ACCOUNT, DAY, Sums, follow, random_log


def _archive(storage: ArchiveStorage, records: list[Record], *, grid: int) -> list[ManifestRow]:
    manifest = []
    for partition in sorted({r.partition for r in records}):
        own = [r for r in records if r.partition == partition]
        for begin in range(0, len(own), grid):
            for file in files_of(cut(partition, own[begin : begin + grid])):
                storage.write(file.manifest.path, file.content)
                manifest.append(file.manifest)
    return manifest


def _table(sums: Sums) -> pa.Table:
    rows = [
        dict(zip(KEY, key, strict=True)) | {"quantity": quantity, "events": events}
        for key, (quantity, events) in sums.items()
    ]
    return pa.Table.from_pylist(rows, schema=BOOKED_SCHEMA)


def _question(random: Random, records: list[Record]) -> Question:
    sealed, late = {}, {}
    for partition in (0, 1):
        length = sum(r.partition == partition for r in records)
        late[partition] = random.randint(0, length)
        sealed[partition] = random.randint(late[partition], length)
    return Question(ACCOUNT, DAY, sealed=sealed, late=late)


class _Case:
    """One random log in an archive, and the sums of its day."""

    def __init__(self, folder: Path, seed: int, *, versions: bool) -> None:
        random = Random(seed)  # noqa: S311 - a reproducible log
        self.storage = ArchiveStorage.open(str(folder))
        records = random_log(random, ids=80, versions=versions)
        self.files = _archive(self.storage, records, grid=random.choice([8, 32, 256]))
        asked = _question(random, records)
        keeper = follow(events_of(records), asked.sealed)
        self.question = replace(asked, rejected=keeper.rejected)
        self.sums = keeper.booked(asked)

    def recount(self, sums: Mapping[Any, Any] | None = None, **changes: Any) -> Recounted:
        booked = _table(dict(self.sums if sums is None else sums))
        return Recount(self.storage, self.files).run(replace(self.question, **changes), booked)


@pytest.mark.parametrize("seed", range(6))
def test_duplicates_and_late_events(tmp_path: Path, seed: int) -> None:
    """Re-sends, conflicts and late events come out as when counted one by one."""
    case = _Case(tmp_path, seed, versions=False)
    recounted = case.recount()

    assert (0, []) == (recounted.differing_rows, recounted.differences)
    assert recounted.events > 0


@pytest.mark.parametrize("seed", range(16))
def test_revisions_and_corrections(tmp_path: Path, seed: int) -> None:
    """Revisions and corrections, also ahead of their target, come out as one by one."""
    case = _Case(tmp_path, seed, versions=True)
    recounted = case.recount()

    assert (0, []) == (recounted.differing_rows, recounted.differences)


def test_a_row_that_is_off_by_one_is_found(tmp_path: Path) -> None:
    """The broken variant: one count too many in one row is one difference, named exactly."""
    case = _Case(tmp_path, 1, versions=True)
    key, (quantity, events) = min(case.sums.items(), key=str)
    recounted = case.recount({**case.sums, key: (quantity + 1, events)})

    assert 1 == recounted.differing_rows
    difference = recounted.differences[0]
    assert dict(zip(KEY, key, strict=True)) == difference.key
    assert (quantity + 1, quantity) == (difference.counted, difference.recounted)


def test_an_event_without_quantity_is_found(tmp_path: Path) -> None:
    """The broken variant: an event counted twice whose counts are all 0 is found, too."""
    case = _Case(tmp_path, 1, versions=False)
    key, (quantity, events) = min(case.sums.items(), key=str)

    assert 1 == case.recount({**case.sums, key: (quantity, events + 1)}).differing_rows


def test_a_row_that_only_one_side_has_is_found(tmp_path: Path) -> None:
    """The broken variant: a lost and an invented row are differences."""
    case = _Case(tmp_path, 2, versions=False)
    (key, value), *others = case.sums.items()
    invented = (key[0], "invented", *key[2:])

    assert 1 == case.recount(dict(others)).differing_rows
    assert 1 == case.recount({**case.sums, invented: value}).differing_rows
    assert 2 == case.recount({**dict(others), invented: value}).differing_rows


def test_counting_repeats_is_found(tmp_path: Path) -> None:
    """The broken variant: a worker that counts every re-send differs."""
    case = _Case(tmp_path, 3, versions=False)
    doubled = {key: (2 * quantity, 2 * n) for key, (quantity, n) in case.sums.items()}

    assert len(doubled) == case.recount(doubled).differing_rows


def test_booking_by_another_vector_is_found(tmp_path: Path) -> None:
    """The broken variant: late events booked as if there had been no seal differ."""
    case = _Case(tmp_path, 5, versions=False)

    assert case.recount(late=None).differing_rows > 0


def test_another_account_has_nothing(tmp_path: Path) -> None:
    """Events of other vendors and of the other mode are not counted."""
    case = _Case(tmp_path, 1, versions=True)

    for account in (Account("w", "live"), Account("v", "test")):
        recounted = case.recount({}, account=account)
        assert (0, 0) == (recounted.events, recounted.differing_rows)


def test_a_response_of_another_instrument_counts_nothing(tmp_path: Path) -> None:
    """An id whose first event is a natural duplicate counts nothing, its corrections neither."""
    case = _Case(tmp_path, 7, versions=True)
    everything = [
        (file.partition, offset, index)
        for file in case.files
        for offset in range(file.first_offset, file.end_offset)
        for index in range(5)
    ]
    recounted = case.recount({}, losers=everything)

    assert (0, 0) == (recounted.events, recounted.differing_rows)


def test_an_archive_elsewhere_is_recounted(tmp_path: Path) -> None:
    """Files that are no local paths come out the same."""
    case = _Case(tmp_path, 4, versions=True)
    elsewhere = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
    case.storage = ArchiveStorage(elsewhere, "/")

    assert 0 == case.recount().differing_rows


def test_an_empty_day_agrees(tmp_path: Path) -> None:
    """Nothing archived and nothing counted agree."""
    storage = ArchiveStorage.open(str(tmp_path))
    question = Question(ACCOUNT, DAY, sealed={0: 0})

    assert Recounted(0, 0, []) == Recount(storage, []).run(question, _table({}))
    assert 1 == (
        Recount(storage, []).run(question, _table({_any_key(): (Decimal(1), 1)})).differing_rows
    )


def _any_key() -> tuple[Any, ...]:
    values: dict[str, Any] = {"usage_day": DAY, "batch": False, "entry": "usage"}
    return tuple(values.get(name, name) for name in KEY)
