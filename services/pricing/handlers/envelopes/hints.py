"""What a program may know of its budgets: the state of every envelope that its key can use."""

import hashlib
from datetime import UTC, datetime, time
from fractions import Fraction

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.balance import Balance
from services.pricing.domain.envelopes.deciding import Request, step_of
from services.pricing.domain.envelopes.envelope import SCOPE_FIELDS, Ledger
from services.pricing.domain.envelopes.ladder import Step
from services.pricing.handlers.envelopes.standing import Standing, standing_of
from services.pricing.repository.envelopes import definitions
from services.pricing.schemas.budget_hint import BudgetHint, BudgetHints, HintState
from shared.accounts.repository import Account

_STATES: dict[Step, HintState] = {
    Step.OPEN: "open",
    Step.NOTIFY: "near",
    Step.ADVISE: "near",
    Step.ROUTE: "over",
    Step.SLOW: "over",
    Step.ASK: "closed",
    Step.BLOCK: "closed",
}
"""Step of the ladder -> what a client in its own process does of it."""
_BEGINS = Request(Fraction(0), is_new=True)
"""What a hint answers: a run that begins. On old figures it may, inside the overdraft."""


async def read_hints(
    connection: AsyncConnection, account: Account, tenant: str | None, *, now: datetime
) -> tuple[BudgetHints, datetime]:
    """Return the hints of an account, or of one tenant's work, and as of when they hold."""
    rows = await definitions.list_all(connection, account)
    if tenant is not None:
        rows = [row for row in rows if row["tenant"] in ("", tenant)]
    standing = await standing_of(connection, account, rows, now)
    as_of = standing.looked_at or now
    hints = [
        _hint(standing, standing.balance(name, ledger), as_of)
        for name in sorted(standing.envelopes)
        for ledger in Ledger
    ]
    return BudgetHints(tenant=tenant, hints=hints), as_of


def etag_of(hints: BudgetHints) -> str:
    """Return a tag of what a program decides by: not as of when it holds, nor the sentence.

    The sentence tells how much is used, which changes with every call.
    """
    content = hints.model_dump(mode="json", exclude={"hints": {"__all__": {"as_of", "reason"}}})
    digest = hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
    return f'"{digest[:32]}"'


def _hint(standing: Standing, balance: Balance, as_of: datetime) -> BudgetHint:
    envelope = balance.envelope
    scope = {name: value for name in SCOPE_FIELDS if (value := getattr(envelope.scope, name))}
    used = round(balance.share * 100)
    return BudgetHint(
        id=f"{envelope.name}/{balance.ledger.value}",
        scope=scope,
        ledger=balance.ledger.value,
        state=_STATES[step_of(_BEGINS, balance)],
        suggested=standing.settings[envelope.name].suggestions,
        reason=f"The {balance.ledger.value} ledger of {envelope.name} is {used} % used.",
        as_of=as_of,
        expires_at=datetime.combine(balance.span.end, time(), UTC),
    )
