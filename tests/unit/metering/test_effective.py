"""Which events count in the end, as a pure function of the log."""

from typing import Any

import polars as pl

from services.metering.domain.event import TokenEvent
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Sender, place
from services.metering.worker.effective import effective_events
from services.metering.worker.reading import POSITION, Record, read_records
from tests.integration.metering.conftest import make_event


def _log(*events: TokenEvent) -> pl.DataFrame:
    records = []
    for offset, event in enumerate(events):
        placed = place(event, Sender("vendor", "live"), partitions=1)
        records.append(Record(0, offset, encode_envelope([placed.row])))
    return read_records(records, partitions=1).events


def _correction(event_id: str, of: str, revision: int, **changes: Any) -> TokenEvent:
    values = {"corrects": of, "action": "replace", "revision": revision, "reason": "r"}
    return make_event(event_id, **(values | changes))


def _void(event_id: str, of: str, revision: int) -> TokenEvent:
    nothing: dict[str, Any] = {
        "occurred_at": None,
        "agent": "",
        "model": "",
        "provider": "",
        "tokens": {},
    }
    return _correction(event_id, of, revision, action="void", **nothing)


def _counted(*events: TokenEvent) -> list[tuple[str, str]]:
    return effective_events(_log(*events)).select("event_id", "agent").rows()


def test_the_first_of_an_id_counts() -> None:
    """A re-send and a conflict change nothing; another tenant's id is another event."""
    again = _counted(
        make_event("1"), make_event("1"), make_event("1", agent="x"), make_event("1", tenant_id="b")
    )

    assert [("1", "coder"), ("1", "coder")] == again


def test_the_highest_revision_counts() -> None:
    """Whatever the order of arrival, the highest revision is the one."""
    one, two, three = (make_event("1", revision=i, agent=f"r{i}") for i in range(3))

    assert [("1", "r2")] == _counted(one, two, three)
    assert [("1", "r2")] == _counted(three, one, two)


def test_corrections_take_the_place_of_their_target() -> None:
    """A replacement counts under the target's id, a void takes it out, each also when ahead."""
    first, right = make_event("1"), _correction("c", "1", 1, agent="right")

    assert [("1", "right")] == _counted(first, right)
    assert [("1", "right")] == _counted(right, first)
    assert [] == _counted(first, right, _void("v", "1", 2))
    assert [] == _counted(_void("v", "1", 2), first, right)
    assert [] == _counted(_correction("c", "nobody", 1, agent="lost"))


def test_ids_of_corrections_are_their_own() -> None:
    """The first correction of an id is the one; an event may have the same id."""
    target, other = make_event("1"), make_event("c")
    repeated = _correction("c", "1", 1, agent="again")

    assert [("c", "coder"), ("1", "right")] == sorted(
        _counted(target, other, _correction("c", "1", 1, agent="right"), repeated), reverse=True
    )


def test_nothing_of_a_response_booked_before_counts() -> None:
    """Of an id whose first event another instrument had booked, no re-send or revision counts."""
    log = _log(make_event("1"), make_event("2"), make_event("1"), make_event("1", revision=1))
    losers = log.select(POSITION).head(1)

    assert ["2"] == effective_events(log, losers)["event_id"].to_list()
    # Without the identity, only the position left out, the re-send would count.
    naive = log.join(losers, on=POSITION, how="anti")
    assert {"1", "2"} == set(effective_events(naive)["event_id"])
