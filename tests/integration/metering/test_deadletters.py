"""Dead letters: listed, sent again with their ids, closed; and what waits for a person."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from services.metering.attention import Moment, list_attention
from services.metering.cli import app
from services.metering.deadletters import Operator, discard, replay
from services.metering.domain.versions import Position
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Sender, place
from services.metering.repository.deadletters import Selection, list_dead_letters
from shared.accounts.repository import Account
from shared.errors import TallyrollError
from tests.support.database import TestDatabase

from .conftest import Ledger, make_event

OPERATOR = Operator("olga", "the producer is repaired")


async def _misplace(ledger: Ledger, event_id: str) -> Position:
    """Have an event rejected for its partition; return the dead letter's position."""
    placed = place(make_event(event_id), Sender(ledger.vendor_id, "live"), partitions=4)
    wrong = (placed.partition + 1) % 4
    position = (wrong, ledger.offsets[wrong], 0)
    await ledger.flush([(wrong, encode_envelope([placed.row]))])
    return position


async def _replay(ledger: Ledger, position: Position) -> str:
    async with ledger.database.transaction() as connection:
        return await replay(connection, position, OPERATOR)


async def _relay(ledger: Ledger, *, times: int = 1) -> None:
    """Bring what the outbox holds for the log to the worker, like a relay that died in between."""
    rows = await ledger.query(
        "delete from metering.outbox where topic = 'usage.recorded' returning partition, payload"
    )
    for _ in range(times):
        await ledger.flush([(row.partition, bytes(row.payload)) for row in rows])


async def _actions(ledger: Ledger, position: Position) -> list[tuple[str, str, str, str]]:
    rows = await ledger.query(
        "select action, result, actor, reason from metering.dead_letter_action "
        'where partition = :p and "offset" = :o and index = :i order by id',
        **dict(zip("poi", position, strict=True)),
    )
    return [tuple(row) for row in rows]


async def test_a_replayed_event_is_counted_once(ledger: Ledger) -> None:
    """Relayed twice, a replayed event counts once, where it belongs; the action is on record."""
    position = await _misplace(ledger, "lost-1")
    refusal = await _replay(ledger, position)
    await _relay(ledger, times=2)

    assert "" == refusal
    assert {5, 2} == set((await ledger.usage()).values())
    assert [("replay", "queued", "olga", OPERATOR.reason)] == await _actions(ledger, position)


async def test_the_check_would_see_a_replay_under_a_new_id(ledger: Ledger) -> None:
    """Sums differ for a relay that sends the same event under two ids."""
    await ledger.count(make_event("fresh-1"), make_event("fresh-2"))

    assert {5, 2} != set((await ledger.usage()).values())


async def test_audit_and_effect_are_one_transaction(ledger: Ledger) -> None:
    """What fails after a replay leaves neither an outbox row nor an action."""
    position = await _misplace(ledger, "lost-2")

    async def replay_and_fail() -> None:
        async with ledger.database.transaction() as connection:
            await replay(connection, position, OPERATOR)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await replay_and_fail()
    rows = await ledger.query("select 1 from metering.outbox where topic = 'usage.recorded'")
    assert ([], []) == (rows, await _actions(ledger, position))


async def test_what_cannot_be_replayed_says_why(ledger: Ledger) -> None:
    """A conflict, a half event and one that is still invalid are refused, on record and open."""
    start = dict(ledger.offsets)
    await ledger.count(make_event("c-1"))
    await ledger.count(make_event("c-1", agent="other"))
    partition = next(p for p in start if ledger.offsets[p] == start[p] + 2)
    conflict = (partition, ledger.offsets[partition] - 1, 0)
    garbage = (0, ledger.offsets[0], 0)
    await ledger.flush([(0, b"garbage")])
    placed = place(make_event("i-1"), Sender(ledger.vendor_id, "moon"), partitions=4)  # type: ignore[arg-type]
    invalid = (placed.partition, ledger.offsets[placed.partition], 0)
    await ledger.flush([(placed.partition, encode_envelope([placed.row]))])
    refusals = [(await _replay(ledger, p)).split(":")[0] for p in (conflict, garbage, invalid)]

    assert ["still_conflicting", "event_incomplete", "invalid_event"] == refusals
    assert ["refused"] == [result for _, result, _, _ in await _actions(ledger, garbage)]
    assert "" == "".join([row["state"] for row in await _open(ledger)]).replace("open", "")


async def _open(ledger: Ledger) -> list[Any]:
    async with ledger.database.transaction() as connection:
        chosen = Selection(vendor_id=ledger.vendor_id)
        return list(await list_dead_letters(connection, chosen, limit=10))


async def test_a_closed_dead_letter_stays_closed(ledger: Ledger) -> None:
    """After a discard the event is not listed any more, and cannot be replayed."""
    position = await _misplace(ledger, "lost-3")
    async with ledger.database.transaction() as connection:
        await discard(connection, position, OPERATOR)
    with pytest.raises(TallyrollError) as refusal:
        await _replay(ledger, position)

    assert ("dead_letter_closed", []) == (refusal.value.code, await _open(ledger))


async def test_filters_choose_dead_letters(ledger: Ledger) -> None:
    """Vendor, code and time each leave out what does not fit."""
    await _misplace(ledger, "lost-4")
    chosen = Selection(vendor_id=ledger.vendor_id)
    later = datetime.now(UTC) + timedelta(hours=1)
    counts = []
    for selection in (
        chosen,
        replace(chosen, code="wrong_partition"),
        replace(chosen, code="invalid_event"),
        replace(chosen, since=later),
        replace(chosen, vendor_id="nobody"),
    ):
        async with ledger.database.transaction() as connection:
            counts.append(len(await list_dead_letters(connection, selection, limit=10)))

    assert [1, 1, 0, 0, 0] == counts


async def test_the_command_line(
    ledger: Ledger, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """List, show, replay and discard do what they say; a second time is refused with a code."""
    monkeypatch.setenv("TALLYROLL_METERING_DATABASE_URL", database.urls["metering"])
    monkeypatch.setenv("TALLYROLL_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("TALLYROLL_SECRET_KEY", "x" * 32)
    first = ":".join(map(str, await _misplace(ledger, "cli-1")))
    second = ":".join(map(str, await _misplace(ledger, "cli-2")))
    common = ("--vendor", ledger.vendor_id)
    because = ("--reason", "repaired", "--actor", "olga")

    listed = json.loads(await _invoke("list", *common, "--json"))
    table = await _invoke("list", *common)
    replayed = await _invoke("replay", first, *because)
    discarded = await _invoke("discard", *common, *because)
    again = await _invoke("replay", first, *because)
    history = json.loads(await _invoke("show", second))["actions"]

    assert {first, second} == {entry["position"] for entry in listed}
    assert second in table
    assert f"{first}: queued\n" == replayed
    assert f"{second}: discarded\n" == discarded
    assert "dead_letter_closed: This dead letter was replayed already.\n" == again
    assert [("discard", "olga")] == [(a["action"], a["actor"]) for a in history]


async def _invoke(*arguments: str) -> str:
    """Run a command in a thread, as it has an event loop of its own."""
    runner = CliRunner(env={"COLUMNS": "200"})
    result = await asyncio.to_thread(runner.invoke, app, ["deadletters", *arguments])
    return result.output


async def test_attention_counts_dead_letters_by_code(ledger: Ledger) -> None:
    """Each code has its count, its newest and one action; a closed dead letter does not wait."""
    await _misplace(ledger, "a-1")
    closed = await _misplace(ledger, "a-2")
    await _misplace(ledger, "a-3")
    async with ledger.database.transaction() as connection:
        await discard(connection, closed, OPERATOR)
    items = await _attention(ledger, datetime(2026, 2, 2, tzinfo=UTC))

    assert [("dead_letters", "wrong_partition", 2)] == [(i.code, i.subject, i.count) for i in items]
    assert items[0].newest is not None


async def test_attention_names_days_that_are_not_sealed(ledger: Ledger, writer: Any) -> None:
    """A live vendor's day waits from an hour after its grace on, until it is sealed."""
    await writer(ledger.vendor_id, live_from=date(2026, 1, 30))
    early = await _attention(ledger, datetime(2026, 1, 31, 12, 59, tzinfo=UTC))
    late = await _attention(ledger, datetime(2026, 2, 1, 13, 0, tzinfo=UTC))
    await ledger.query(
        "insert into metering.vendor_seal values (:vendor, 'live', cast('2026-01-31' as date))"
    )
    sealed = await _attention(ledger, datetime(2026, 2, 1, 13, 0, tzinfo=UTC))

    assert ([], []) == (early, sealed)
    assert [("unsealed_days", "2026-01-30", 2)] == [(i.code, i.subject, i.count) for i in late]


async def test_attention_names_recounts_that_differ(ledger: Ledger) -> None:
    """A sealed day whose recount differs waits for a person."""
    await ledger.query(
        "insert into metering.seal values "
        "(:vendor, 'live', cast('2026-01-31' as date), '{}', 'differs', now())"
    )
    items = await _attention(ledger, datetime(2026, 2, 2, tzinfo=UTC))

    assert [("recount_differs", "2026-01-31")] == [(i.code, i.subject) for i in items]


async def _attention(ledger: Ledger, now: datetime) -> list[Any]:
    async with ledger.database.transaction() as connection:
        await connection.execute(text("set local time zone 'UTC'"))
        account = Account(ledger.vendor_id, "live")
        return await list_attention(connection, account, Moment(now, timedelta(hours=12)))
