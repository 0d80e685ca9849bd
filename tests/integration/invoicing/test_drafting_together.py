"""Statements that come together share a transaction, and none harms another."""

from dataclasses import replace
from typing import Any

import pytest

from services.invoicing import consumers
from services.invoicing.consumers import Record, StatementConsumer
from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.handlers import Received, draft_invoices
from shared.events.statement_rated import StatementRated

TENANTS = ("acme", "globex", "initech")


def record(statement: StatementRated, offset: int, **values: Any) -> Record:
    body = statement.model_dump_json().encode()
    made = Record(
        "statement.rated", 0, offset, "StatementRated", f"{statement.vendor_id}/{offset}", body
    )
    return replace(made, **values)


def of_tenants(statement: Any, *amounts: str) -> list[StatementRated]:
    return [
        statement(("a", amount), total=amount, tenant_id=tenant, subscription_id=tenant)
        for tenant, amount in zip(TENANTS, amounts, strict=True)
    ]


async def drafted(world: Any) -> dict[str, int]:
    query = "select tenant_id, total_minor from invoicing.invoice where vendor_id = :v"
    return {row.tenant_id: row.total_minor for row in await world.rows(query, v=world.vendor_id)}


async def buried(world: Any) -> list[tuple[int, str]]:
    rows = await world.rows('select "offset", code from invoicing.dead_letter order by 1')
    await world.rows("delete from invoicing.dead_letter returning 1")
    return [(row.offset, row.code) for row in rows]


async def test_statements_share_a_transaction(world: Any, statement: Any) -> None:
    """Three tenants' invoices were stored by one transaction, each with its history and message."""
    made = of_tenants(statement, "1", "2", "3")

    await StatementConsumer(world.database, world.clock).take(
        [record(one, offset) for offset, one in enumerate(made)]
    )

    query = "select distinct xmin from invoicing.invoice where vendor_id = :v"
    assert {"acme": 100, "globex": 200, "initech": 300} == await drafted(world)
    assert 1 == len(await world.rows(query.replace("xmin", "xmin::text"), v=world.vendor_id))
    states = await world.rows(
        "select tenant_id, position, state from invoicing.invoice_state_change"
        " where vendor_id = :v order by tenant_id",
        v=world.vendor_id,
    )
    assert [(tenant, 1, "draft") for tenant in TENANTS] == [tuple(row) for row in states]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type_name": "Other"}, "unknown_type"),
        ({"body": b"{"}, "invalid_message"),
        ({"body": None}, "invalid_amount"),
    ],
)
async def test_a_bad_statement_harms_no_neighbour(
    world: Any, statement: Any, change: Any, code: str
) -> None:
    """The bad one is kept as a dead letter, those before and behind it have their invoices."""
    first, second, third = of_tenants(statement, "1", "2", "3")
    bad = record(second, 1, **{name: value for name, value in change.items() if value is not None})
    if change == {"body": None}:
        lines = [second.lines[0].model_copy(update={"amount_exact": "much"})]
        bad = record(second.model_copy(update={"lines": lines}), 1)

    await StatementConsumer(world.database, world.clock).take(
        [record(first, 0), bad, record(third, 2)]
    )

    assert {"acme": 100, "initech": 300} == await drafted(world)
    assert [(1, code)] == await buried(world)


async def test_the_same_check_catches_a_transaction_without_a_second_try(
    world: Any, statement: Any
) -> None:
    """Drafted together only, a bad statement takes its neighbours with it."""
    made = of_tenants(statement, "1", "2", "3")
    lines = [made[1].lines[0].model_copy(update={"amount_exact": "much"})]
    made[1] = made[1].model_copy(update={"lines": lines})
    received = [Received(one, f"{one.vendor_id}/{at}") for at, one in enumerate(made)]

    with pytest.raises(InvalidStatement):
        async with world.database.transaction() as connection:
            await draft_invoices(connection, received, world.clock)

    assert {} == await drafted(world)


async def test_a_tenants_next_statement_sees_its_last(world: Any, statement: Any) -> None:
    """What the first leaves is on the second, also when both come together; twice is once."""
    first = statement(("a", "-3"), total="-3", sequence=1, statement_id="st-1")
    second = statement(("a", "10"), total="10", sequence=2, statement_id="st-2")
    records = [record(first, 0), record(second, 1), record(second, 1), record(second, 2)]

    await StatementConsumer(world.database, world.clock).take(records)

    query = "select total_minor from invoicing.invoice where vendor_id = :v order by sequence"
    totals = [row.total_minor for row in await world.rows(query, v=world.vendor_id)]
    assert [0, 700] == totals
    assert [] == await buried(world)


async def test_much_is_divided(world: Any, statement: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many bytes the next transaction begins."""
    monkeypatch.setattr(consumers, "GROUP_BYTES_MAX", 1)
    made = of_tenants(statement, "1", "2", "3")

    await StatementConsumer(world.database, world.clock).take(
        [record(one, offset + 10) for offset, one in enumerate(made)]
    )

    query = "select distinct xmin::text from invoicing.invoice where vendor_id = :v"
    assert 3 == len(await world.rows(query, v=world.vendor_id))
