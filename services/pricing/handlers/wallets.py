"""Moving credit: grants, draws of statements, returns, expiry. Each takes the wallet's lock."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.wallet.changes import AutomaticTopUp, expire, return_draws
from services.pricing.domain.wallet.draws import (
    DrawnStatement,
    Payable,
    StatementToPay,
    after,
    draw_statement,
    replay,
)
from services.pricing.domain.wallet.grants import CreditScope, Grant, GrantState
from services.pricing.domain.wallet.ledger import (
    Origin,
    draw_transaction,
    expiry_transaction,
    grant_transaction,
    return_transaction,
)
from services.pricing.domain.wallet.orders import TopUpOrder
from services.pricing.handlers.low_wallets import tell_low
from services.pricing.handlers.top_ups import place
from services.pricing.repository import top_ups, wallets
from services.pricing.repository.wallets import Wallet
from shared.clock import utc_day
from shared.events.invoice_changed import REVISED, InvoiceChanged
from shared.events.statement_rated import StatementLine, StatementRated
from shared.ids import new_id
from shared.money import parse_exact

TOP_UP_PRIORITY = 100


async def give(
    connection: AsyncConnection, held: Wallet, grant: Grant, *, on: date, origin: Origin
) -> None:
    """Store a grant and book it."""
    await wallets.lock_wallet(connection, held)
    await wallets.add_grant(connection, held, grant)
    await wallets.book(connection, held, grant_transaction(grant, on=on, origin=origin))


def bought(grant_id: str, amount: Fraction, *, on: date, expires_on: date | None = None) -> Grant:
    """Return the grant of a top-up: paid at par, for anything, from this day on."""
    return Grant(
        grant_id=grant_id,
        position=0,
        amount=amount,
        priority=TOP_UP_PRIORITY,
        valid_from=on,
        expires_on=expires_on,
        cost_basis=Fraction(1),
        scope=CreditScope(),
        tax="at_use",
    )


async def draw(connection: AsyncConnection, statement: StatementRated) -> DrawnStatement | None:
    """Pay a statement from its tenant's wallet after rating; None where there is no wallet.

    The caller brings the statements of a tenant in order of (period end, subscription id), each in
    the transaction that issues it. A statement draws once: again, it is given what it drew then.
    Credit is bought afterwards where the balance fell below the wallet's threshold, and grants that
    no period can use any more expire.
    """
    held = Wallet(statement.vendor_id, statement.mode, statement.tenant_id, statement.currency)
    if not await wallets.exists(connection, held):
        return None
    await wallets.lock_wallet(connection, held)
    earlier = await wallets.read_draw(connection, held, statement.statement_id)
    if earlier is not None:
        return replay(earlier["content"])
    states = await wallets.read_states(connection, held)
    drawn = draw_statement(to_pay(statement), [state for state in states if state.balance])
    transaction_id = await wallets.book(connection, held, draw_transaction(drawn))
    day = booked_on(statement)
    await _expire(connection, held, after(states, drawn.draws), through=day)
    await _top_up(connection, held, f"top-up-{transaction_id}", on=day)
    before, left = (
        spendable(known, on=day) for known in (states, await wallets.read_states(connection, held))
    )
    await tell_low(connection, held, statement.statement_id, before=before, after=left, on=day)
    return drawn


async def return_adjusted(
    connection: AsyncConnection, statement: StatementRated
) -> dict[str, Fraction]:
    """Return what adjusted periods had drawn too much; how much, by their statements.

    A period that costs less than was billed, or charged in advance, gives back what credits paid
    of the difference, to the grants that it came from. The rest of the difference lowers what this
    statement asks for.
    """
    held = Wallet(statement.vendor_id, statement.mode, statement.tenant_id, statement.currency)
    nets: dict[str, Fraction] = defaultdict(Fraction)
    for line in statement.lines:
        if name := _changed(line):
            nets[name] += parse_exact(line.amount_exact)
    day = booked_on(statement)
    return {
        name: await return_statement(connection, held, name, on=day, amount=-net)
        for name, net in nets.items()
        if net < 0
    }


def booked_on(statement: StatementRated) -> date:
    """Return the day on which a statement moves credit: behind its period, or as that opens."""
    return statement.period_start if statement.kind == "opening" else statement.period_end


def _changed(line: StatementLine) -> str:
    """Return the statement that a line takes something back of, or adds to; else nothing."""
    if line.adjusts is not None:
        return line.adjusts.statement_id
    return (line.advance.statement_id if line.advance else None) or ""


async def _top_up(connection: AsyncConnection, held: Wallet, grant_id: str, *, on: date) -> None:
    """Buy credit where the balance is below the wallet's threshold: granted at once, or ordered.

    While an order waits for its payment, or for a person to see that it was not paid, there is no
    other.
    """
    settings = await wallets.read_settings(connection, held)
    if settings is None or settings["top_up_below"] is None:
        return
    below, amount = (parse_exact(settings[f"top_up_{name}"]) for name in ("below", "amount"))
    balance = spendable(await wallets.read_states(connection, held), on=on)
    needed = AutomaticTopUp(below, amount).needed(balance)
    if not needed:
        return
    if settings["top_up_by"] == "grant":
        grant = bought(grant_id, needed, on=on)
        await give(connection, held, grant, on=on, origin="automatic_top_up")
    elif not await top_ups.has_pending(connection, held):
        await place(
            connection, held, TopUpOrder(new_id(), needed, needed), on=on, origin="automatic"
        )


def to_pay(statement: StatementRated) -> StatementToPay:
    """Return a rated statement as the parts that credits may pay.

    What went back to credits does not lower what they are asked for: it would be given twice.
    """
    returned = {one.statement_id: parse_exact(one.amount_exact) for one in statement.returns}
    parts = []
    for line in statement.lines:
        name = _changed(line)
        for part in _parts(line):
            back = min(returned.get(name, Fraction(0)), max(-part.amount, Fraction(0)))
            if back:
                returned[name] -= back
            if part.amount + back:
                parts.append(replace(part, amount=part.amount + back))
    # An opening draws as of its first day, which no grant that begins with it should miss.
    opening = timedelta(days=1 if statement.kind == "opening" else 0)
    end = booked_on(statement) + opening
    return StatementToPay(statement.statement_id, statement.subscription_id, end, tuple(parts))


def _parts(line: StatementLine) -> list[Payable]:
    """Return a line by kind and model; what its details do not explain is a part of its own."""
    sums: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for detail in line.details:
        sums[detail.kind, detail.model] += parse_exact(detail.amount_exact)
    sums["", ""] += parse_exact(line.amount_exact) - sum(sums.values(), Fraction(0))
    return [
        Payable(line.line_key, line.charge, kind, model, amount)
        for (kind, model), amount in sorted(sums.items())
        if amount
    ]


def spendable(states: list[GrantState], *, on: date) -> Fraction:
    """Return what the grants that are valid on a day hold together."""
    return sum((state.balance for state in states if state.valid_on(on)), Fraction(0))


async def return_statement(
    connection: AsyncConnection,
    held: Wallet,
    statement_id: str,
    *,
    on: date,
    amount: Fraction | None = None,
) -> Fraction:
    """Return what a statement drew: all of it (a void), or `amount` (a correction).

    Return how much that is: twice the same void returns nothing the second time.
    """
    await wallets.lock_wallet(connection, held)
    draws = await wallets.read_drawn(connection, held, statement_id)
    states = await wallets.read_states(connection, held)
    returns = return_draws(draws, states, on=on, amount=amount)
    if returns:
        transaction = return_transaction(statement_id, returns, on=on)
        await wallets.book(connection, held, transaction)
    return sum((one.amount for one in returns), Fraction(0))


async def return_credits(connection: AsyncConnection, message: InvoiceChanged) -> None:
    """Return what the statement of a voided invoice drew; twice is once.

    One that was voided to be replaced keeps it: the new invoice is lower by these credits, too.
    """
    if message.state != "void" or message.statement_id is None or message.reason == REVISED:
        return
    held = Wallet(message.vendor_id, message.mode, message.tenant_id, message.currency)
    if await wallets.exists(connection, held):
        day = utc_day(message.changed_at)
        await return_statement(connection, held, message.statement_id, on=day)


async def expire_wallet(connection: AsyncConnection, held: Wallet, *, through: date) -> int:
    """Book the end of grants that end on or before `through`; return how many ended."""
    await wallets.lock_wallet(connection, held)
    states = await wallets.read_states(connection, held)
    return await _expire(connection, held, states, through=through)


async def _expire(
    connection: AsyncConnection, held: Wallet, states: list[GrantState], *, through: date
) -> int:
    """A grant waits for the statement of every period that ends while it is valid."""
    open_until = await wallets.open_until(connection, held)
    if open_until is not None:
        states = [s for s in states if s.expires_on is not None and s.expires_on < open_until]
    expiries = expire(states, through=through)
    for expiry in expiries:
        if expiry.carried is not None:
            await wallets.add_grant(connection, held, expiry.carried)
        await wallets.book(connection, held, expiry_transaction(expiry, on=through))
    return len(expiries)
