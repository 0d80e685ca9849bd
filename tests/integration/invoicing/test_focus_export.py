"""The FOCUS export of a month, over HTTP and by `tallyrollctl focus`."""

import asyncio
import csv
import os
import sys
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from services.invoicing import handlers
from services.invoicing.focus.export import export_focus
from services.invoicing.handlers import Change
from services.invoicing.models import Invoice
from services.invoicing.repository.documents import Billed
from shared.accounts.keys import Scope
from shared.errors import TallyrollError
from tests.support import focus_spec
from tests.support.database import TestDatabase

JANUARY = "/v1/focus?month=2026-01"


def _rows(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(content.splitlines()))


async def _become(world: Any, invoice: Invoice, state: Any) -> None:
    async with world.database.transaction() as connection:
        await handlers.change_state(connection, invoice, Change(state), world.clock)


@pytest.fixture(name="billed")
async def _billed(world: Any, statement: Any) -> list[Invoice]:
    """Return two sent invoices of January, beside a void one, a draft and one of February."""
    await world.add_tenant("globex")
    statements = [
        statement(("a", "5.004"), ("b", "1/3"), total="16012/3000"),
        statement(("a", "7"), total="7", tenant_id="globex", statement_id="st-2"),
        statement(("a", "9"), total="9", sequence=2, statement_id="st-3"),
        statement(
            *[("a", "11")],
            total="11",
            sequence=3,
            statement_id="st-4",
            period_start=date(2026, 2, 1),
            period_end=date(2026, 3, 1),
        ),
    ]
    made = [await world.draft(one) for one in statements]
    await world.sync().sync_due()
    await _become(world, await world.read(made[2]), "void")
    await world.draft(statement(("a", "13"), total="13", sequence=4, statement_id="st-5"))
    return [await world.read(one) for one in made[:2]]


async def test_a_months_rows_sum_to_its_invoices(api: Any, billed: list[Invoice]) -> None:
    """What is billed and nothing else: no drafts, no void invoices, no other month."""
    headers = await api.key(Scope.BILLING_READ)

    answer = await api.http.get(JANUARY, headers=headers)
    rows = _rows(answer.text)

    assert 200 == answer.status_code
    assert sum(one.total_minor for one in billed) == 100 * sum(
        Decimal(row["BilledCost"]) for row in rows
    )
    assert {one.number for one in billed} == {row["InvoiceId"] for row in rows}
    assert [] == [fault for row in rows for fault in focus_spec.faults_of(row)]


async def test_parquet_holds_the_same(api: Any, billed: list[Invoice]) -> None:
    """The other form has the same rows, typed."""
    headers = await api.key(Scope.BILLING_READ)

    answer = await api.http.get(f"{JANUARY}&format=parquet", headers=headers)
    table = pq.read_table(BytesIO(answer.content)).to_pylist()

    assert Decimal("12.34") == sum(row["BilledCost"] for row in table)


async def test_a_tenants_key_sees_its_own_rows(api: Any, billed: list[Invoice]) -> None:
    """Bound to a tenant, a key exports that tenant; a vendor's key may name one."""
    bound = await api.key(Scope.BILLING_READ, tenant_id="globex")
    vendors = await api.key(Scope.BILLING_READ)

    seen = [
        {row["BillingAccountId"] for row in _rows((await api.http.get(path, headers=key)).text)}
        for path, key in ((JANUARY, bound), (f"{JANUARY}&tenant=acme", vendors))
    ]
    refused = await api.http.get(f"{JANUARY}&tenant=acme", headers=bound)

    assert [{"globex"}, {"acme"}] == seen
    assert 403 == refused.status_code


async def test_another_vendor_or_mode_exports_nothing(api: Any, billed: list[Invoice]) -> None:
    """A live key finds no test invoices: a file with columns, without rows."""
    headers = await api.key(Scope.BILLING_READ, mode="live")

    answer = await api.http.get(JANUARY, headers=headers)

    assert [] == _rows(answer.text)
    assert answer.text.startswith("AvailabilityZone,BilledCost,")


@pytest.mark.parametrize("month", ["2026-13", "0000-01", "9999-12", "january", ""])
async def test_a_month_that_there_is_not_is_refused(api: Any, month: str) -> None:
    """By name, never with a failure."""
    headers = await api.key(Scope.BILLING_READ)

    answer = await api.http.get("/v1/focus", params={"month": month}, headers=headers)

    assert 400 == answer.status_code
    assert answer.json()["code"] in ("invalid_month", "invalid_request")


async def test_more_rows_than_an_answer_takes_are_refused(
    world: Any, billed: list[Invoice]
) -> None:
    """The refusal names the command, which has no such bound."""
    january = Billed(world.account, None, date(2026, 1, 1), date(2026, 2, 1))
    async with world.database.transaction() as connection:
        with pytest.raises(TallyrollError, match="tallyrollctl focus"):
            await export_focus(connection, january, BytesIO(), "csv", rows_max=2)


async def _command(database: TestDatabase, *options: str) -> tuple[int | None, str]:
    """Run `tallyrollctl focus` for January; return its exit code and what it told."""
    settings = {
        "TALLYROLL_INVOICING_DATABASE_URL": database.urls["invoicing"],
        "TALLYROLL_KAFKA_BOOTSTRAP": "unused:1",
        "TALLYROLL_SECRET_KEY": "a-secret-key-of-thirty-two-bytes-or-more",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "focus", "--month", "2026-01", *options),
        env=os.environ | settings,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    _, told = await process.communicate()
    return process.returncode, told.decode()


async def test_the_command_writes_the_same_file(
    api: Any, billed: list[Invoice], database: TestDatabase, tmp_path: Path
) -> None:
    """`tallyrollctl focus` writes what the API answers, and says what it sums to."""
    headers = await api.key(Scope.BILLING_READ)
    out = tmp_path / "focus.csv"

    code, told = await _command(database, "--vendor", api.world.vendor_id, "--out", str(out))

    assert 0 == code, told
    assert (await api.http.get(JANUARY, headers=headers)).content == out.read_bytes()
    assert "focus: 3 rows of 2 invoices, USD 12.34" in told


async def test_the_command_knows_the_only_vendor(
    world: Any, billed: list[Invoice], database: TestDatabase
) -> None:
    """Where one vendor has invoices it needs no name; without any it says what is missing."""
    found = await _command(database)
    missing = await _command(database, "--mode", "live")

    assert (0, True) == (found[0], "USD 12.34" in found[1])
    assert (1, True) == (missing[0], "vendor_required" in missing[1])
