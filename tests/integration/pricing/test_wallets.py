"""Credits on a real database: draws, returns, expiry, top-ups, the ledger's own rules."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import Table, select, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from services.cli import app, check_credits
from services.metering.invariants.rule import Scope
from services.pricing.domain.wallet.draws import replay
from services.pricing.domain.wallet.grants import GrantState, Rollover
from services.pricing.domain.wallet.ledger import Entry, Transaction
from services.pricing.handlers.wallets import draw, expire_wallet, give, return_statement
from services.pricing.repository import wallets
from services.pricing.repository.invariants_ledger import check_ledger
from services.pricing.repository.wallets import Wallet
from services.pricing.tables import outbox
from services.pricing.wallet_tables import credit_grant, ledger_entry, ledger_transaction
from shared.database import Database
from shared.events.spend_crossed import SpendCrossed
from shared.ids import length_prefixed
from tests.support.credit_values import grant
from tests.support.database import TestDatabase
from tests.support.pricing_service import fresh_vendor
from tests.support.pricing_statements import line, statement
from tests.support.stack import StackAddress

MONTH_END = date(2023, 12, 1)
JANUARY = date(2024, 1, 10)


@pytest.fixture(scope="module", name="store")
async def _store(database: TestDatabase) -> AsyncIterator[Database]:
    opened = Database(database.urls["pricing"], connections=4)
    yield opened
    await opened.close()


@pytest.fixture(name="held")
def _held() -> Wallet:
    return Wallet(fresh_vendor(), "test", "globex", "USD")


async def give_all(store: Database, held: Wallet, *grants: Any) -> None:
    for one in grants:
        async with store.transaction() as connection:
            await give(connection, held, one, on=date(2023, 11, 1), origin="grant")


async def balances(store: Database, held: Wallet) -> dict[str, Fraction]:
    return {state.grant.grant_id: state.balance for state in await states(store, held)}


async def states(store: Database, held: Wallet) -> list[GrantState]:
    async with store.transaction() as connection:
        return await wallets.read_states(connection, held)


async def findings(store: Database, held: Wallet) -> list[str]:
    async with store.transaction() as connection:
        return list((await check_ledger(connection, held.vendor_id, None)).offending)


async def test_a_statement_draws_once(store: Database, held: Wallet) -> None:
    """A statement that is drawn again, also at the same time, pays what it paid the first time."""
    await give_all(store, held, grant("a", 5, priority=1), grant("b", 10))
    asked = statement(held.vendor_id, line("1/3"), line("7", line_key="001-fee", details=[]))

    async def once() -> Any:
        async with store.transaction() as connection:
            return await draw(connection, asked)

    drawn = await asyncio.gather(*(once() for _ in range(8)))

    assert all(one == drawn[0] for one in drawn)
    assert {"a": 0, "b": Fraction(23, 3)} == await balances(store, held)
    assert [] == await findings(store, held)


async def test_a_tenant_without_credit_draws_nothing(store: Database, held: Wallet) -> None:
    """Without a wallet nothing is locked and nothing is written."""
    async with store.transaction() as connection:
        assert await draw(connection, statement(held.vendor_id, line("5"))) is None
        assert [] == await wallets.list_transactions(connection, held, after=0, limit=9)


async def test_what_was_stored_is_enough_to_draw_again(store: Database, held: Wallet) -> None:
    """The draw in the ledger holds the grants it saw; replayed, it pays the same."""
    await give_all(store, held, grant("a", 5, expires_on=JANUARY), grant("b", 1))
    asked = statement(held.vendor_id, line("5.5"))

    async with store.transaction() as connection:
        drawn = await draw(connection, asked)
        stored = await wallets.read_draw(connection, held, asked.statement_id)

    assert stored is not None
    assert drawn == replay(stored["content"])


async def test_a_void_returns_everything_once(store: Database, held: Wallet) -> None:
    """What a void returns is back in its grants, an expired one lives 30 days; twice is once."""
    await give_all(store, held, grant("a", 5, expires_on=MONTH_END), grant("b", 10))
    asked = statement(held.vendor_id, line("8"))
    async with store.transaction() as connection:
        await draw(connection, asked)

    returned = []
    for _ in range(2):
        async with store.transaction() as connection:
            back = await return_statement(connection, held, asked.statement_id, on=JANUARY)
            returned.append(back)

    assert [8, 0] == returned
    assert {"a": 5, "b": 10} == await balances(store, held)
    assert [date(2024, 2, 9), None] == [state.expires_on for state in await states(store, held)]
    assert [] == await findings(store, held)


async def test_a_correction_returns_a_part(store: Database, held: Wallet) -> None:
    """Corrections return what was drawn last, never more in sum than was drawn."""
    await give_all(store, held, grant("a", 5, priority=1), grant("b", 10))
    asked = statement(held.vendor_id, line("8"))
    async with store.transaction() as connection:
        await draw(connection, asked)

    returned = []
    for amount in (2, 2, 9):
        async with store.transaction() as connection:
            back = await return_statement(
                connection, held, asked.statement_id, on=JANUARY, amount=Fraction(amount)
            )
            returned.append(back)

    assert [2, 2, 4] == returned
    assert {"a": 5, "b": 10} == await balances(store, held)


async def test_expiry_and_rollover_are_rows(store: Database, held: Wallet) -> None:
    """What ends is breakage, what rolls over another grant; ended twice is ended once."""
    rolling = Rollover(Fraction(4), days=31, times=1)
    await give_all(store, held, grant("a", 10, expires_on=MONTH_END, rollover=rolling))

    ended = []
    for _ in range(2):
        async with store.transaction() as connection:
            ended.append(await expire_wallet(connection, held, through=MONTH_END))

    assert [1, 0] == ended
    assert {"a": 0, "a~2023-12-01": 4} == await balances(store, held)
    async with store.transaction() as connection:
        rows = await wallets.list_transactions(connection, held, after=0, limit=9)
        entries = await wallets.read_entries(connection, held, [rows[-1]["transaction_id"]])
    assert 6 == sum(wallets.amount_of(one) for one in entries if one["account"] == "breakage")
    assert [] == await findings(store, held)


async def test_a_low_balance_buys_credit(store: Database, held: Wallet) -> None:
    """After a draw below the threshold lots are granted until it is reached, once a statement."""
    settings = {"on_empty": "overage", "top_up_below": "20", "top_up_amount": "15"}
    await give_all(store, held, grant("a", 21))
    async with store.transaction() as connection:
        await wallets.put_settings(connection, held, settings)
    asked = statement(held.vendor_id, line("20"))

    for _ in range(2):
        async with store.transaction() as connection:
            await draw(connection, asked)

    assert [1, 30] == list((await balances(store, held)).values())


@pytest.mark.parametrize(
    ("given", "paid", "more", "told"),
    [
        ("30", ["10"], {}, []),
        ("30", ["11"], {}, ["19"]),
        ("30", ["4", "7", "7"], {}, ["19"]),
        ("19", ["7"], {}, []),
        ("30", ["11"], {"top_up_below": "20", "top_up_amount": "15"}, []),
    ],
    ids=["down to it", "below it", "below once", "below before", "bought again"],
)
async def test_a_low_balance_is_told_once(  # noqa: PLR0917 - fixtures
    store: Database,
    held: Wallet,
    given: str,
    paid: list[str],
    more: dict[str, str],
    told: list[str],
) -> None:
    """Only the statement that takes the balance from the bound to below it says so, once."""
    settings = {"on_empty": "overage", "low_balance": "20", **more}
    await give_all(store, held, grant("a", given))
    async with store.transaction() as connection:
        await wallets.put_settings(connection, held, settings)

    for number, amount in enumerate(paid):
        asked = statement(held.vendor_id, line(amount), subscription_id=f"sub-{number}")
        for _ in range(2):
            async with store.transaction() as connection:
                await draw(connection, asked)

    async with store.transaction() as connection:
        mine = outbox.c.key == length_prefixed(held.vendor_id, held.tenant_id)
        rows = (await connection.execute(select(outbox.c.payload).where(mine))).scalars().all()
    crossings = [SpendCrossed.model_validate_json(row) for row in rows]
    assert told == [one.now_exact for one in crossings]
    assert {("wallet_low", "20")} >= {(one.kind, one.bound_exact) for one in crossings}


async def test_what_rolls_over_is_not_bought_again(store: Database, held: Wallet) -> None:
    """A balance that lives on in another grant counts for the threshold of the top-up."""
    settings = {"on_empty": "overage", "top_up_below": "5", "top_up_amount": "15"}
    rolling = Rollover(None, days=31, times=1)
    await give_all(store, held, grant("a", 10, expires_on=MONTH_END, rollover=rolling))
    async with store.transaction() as connection:
        await wallets.put_settings(connection, held, settings)
        await draw(connection, statement(held.vendor_id, line("2")))

    assert {"a": 0, "a~2023-12-01": 8} == await balances(store, held)


async def test_draws_at_once_never_overdraw(store: Database, held: Wallet) -> None:
    """Statements of two subscriptions at the same time share one balance and no more."""
    await give_all(store, held, grant("a", 10))

    async def one(number: int) -> Any:
        asked = statement(held.vendor_id, line("4"), subscription_id=f"sub-{number}")
        async with store.transaction() as connection:
            return await draw(connection, asked)

    drawn = await asyncio.gather(*(one(number) for number in range(6)))

    assert [0, 0, 2, 4, 4, 4] == sorted(each.uncovered for each in drawn)
    assert {"a": 0} == await balances(store, held)
    assert [] == await findings(store, held)


async def test_without_the_lock_a_wallet_is_overdrawn(store: Database, held: Wallet) -> None:
    """The variant that reads balances without the lock spends one balance twice, and is found."""
    await give_all(store, held, grant("a", 10))
    async with store.transaction() as first, store.transaction() as second:
        for connection in (first, second):
            assert 10 == (await wallets.read_states(connection, held))[0].balance
        for number, connection in enumerate((first, second)):
            out = (Entry("credits", "a", Fraction(-8)), Entry("usage", "a", Fraction(8)))
            await wallets.book(
                connection, held, Transaction("draw", MONTH_END, f"st-{number}", out)
            )

    assert ["grant a: balance -6"] == [one.split("/")[-1] for one in await findings(store, held)]


async def test_a_transaction_sums_to_zero(store: Database, held: Wallet) -> None:
    """The database refuses one-sided rows, to the last third of a cent."""
    await give_all(store, held, grant("a", 10))
    insert = text(
        "insert into pricing.ledger_entry values "
        "(:v, 'test', 'tx', 0, 'credits', 'a', '', -1, 3), (:v, 'test', 'tx', 1, 'usage', 'a', '',"
        " 333333333333333333333333333333, 1000000000000000000000000000000)"
    )

    with pytest.raises(DBAPIError, match="does not sum to zero"):
        async with store.transaction() as connection:
            await connection.execute(insert, {"v": held.vendor_id})


@pytest.mark.parametrize(
    "table", [credit_grant, ledger_transaction, ledger_entry], ids=lambda table: table.name
)
async def test_rows_of_money_never_change(store: Database, held: Wallet, table: Table) -> None:
    """Neither update nor delete nor truncate reaches what was booked."""
    await give_all(store, held, grant("a", 10))
    changes = (table.update().values(mode="live"), table.delete(), text(f"truncate {table}"))

    for change in changes:
        with pytest.raises(DBAPIError, match="immutable"):
            async with store.transaction() as connection:
                await connection.execute(change)


async def test_grants_wait_for_the_periods_that_they_may_pay(store: Database, held: Wallet) -> None:
    """A grant that ends with a period is not expired before the period's statement is there."""
    await give_all(store, held, grant("a", 10, expires_on=MONTH_END))
    subscribed = text(
        "insert into pricing.subscription (vendor_id, mode, subscription_id, tenant_id, price_book,"
        " plan, starts_on, anchor_day, seats, topic_partition, next_sequence, next_start, next_end)"
        " values (:v, 'test', 's', 'globex', 'b', 'p', '2023-11-01', 1, 0, 0, 1, '2023-11-01',"
        " :end)"
    )
    async with store.transaction() as connection:
        await connection.execute(subscribed, {"v": held.vendor_id, "end": MONTH_END})
        waiting = await expire_wallet(connection, held, through=MONTH_END)
        moved = "update pricing.subscription set next_end = '2024-01-01' where vendor_id = :v"
        await connection.execute(text(moved), {"v": held.vendor_id})
        ended = await expire_wallet(connection, held, through=MONTH_END)

    assert [0, 1] == [waiting, ended]


async def test_verify_covers_credits(store: Database, held: Wallet) -> None:
    """The rule of `tallyrollctl verify` counts the vendor's transactions and finds a false draw."""
    await give_all(store, held, grant("a", 10))
    async with store.transaction() as connection:
        await draw(connection, statement(held.vendor_id, line("3")))
    sound = await check_credits(store, Scope(held.vendor_id, None))
    content = {"parts": [["0", "usage", "", "", "5"]], "grants": [], "statement_id": "x"}
    content |= {"subscription_id": "s", "period_end": "2023-12-01"}
    out = (Entry("credits", "a", Fraction(-1)), Entry("usage", "a", Fraction(1)))
    async with store.transaction() as connection:
        false = Transaction("draw", MONTH_END, "x", out, content)
        await wallets.book(connection, held, false)

    broken = await check_credits(store, Scope(held.vendor_id, None))

    assert (2, []) == (sound.finding.rows, sound.finding.offending)
    assert ["a replay pays otherwise"] == [
        one.rpartition(": ")[2] for one in broken.finding.offending
    ]


async def test_credits_end_on_the_command_line(
    store: Database, held: Wallet, database: TestDatabase, stack: StackAddress
) -> None:
    """Every wallet of a vendor is brought up to a day, once."""
    await give_all(store, held, grant("a", 10, expires_on=MONTH_END), grant("b", 10))
    settings = {"TALLYROLL_PRICING_DATABASE_URL": database.urls["pricing"]}
    settings["TALLYROLL_KAFKA_BOOTSTRAP"] = stack.kafka_bootstrap
    environment = settings | {"TALLYROLL_SECRET_KEY": "x" * 32}
    command = ["pricing", "expire-credits", "--vendor", held.vendor_id, "--through", "2023-12-01"]

    outputs = [
        (await asyncio.to_thread(CliRunner().invoke, app, command, env=environment)).output
        for _ in range(2)
    ]

    assert ["1 grants ended\n", "0 grants ended\n"] == outputs
    assert {"a": 0, "b": 10} == await balances(store, held)


async def test_balances_have_any_number_of_digits(store: Database, held: Wallet) -> None:
    """What is drawn comes back from the database to the last digit, however long it has become."""
    await give_all(store, held, grant("a", 10))
    odd = Fraction(1, 3**2000)
    out = (Entry("credits", "a", -odd), Entry("usage", "a", odd))
    async with store.transaction() as connection:
        await wallets.book(connection, held, Transaction("draw", MONTH_END, "x", out))

    assert {"a": 10 - odd} == await balances(store, held)
