"""The first vendor and its first key, made by an operator with access to the database."""

from shared.accounts import repository
from shared.accounts.keys import Scope, format_key, mint_key
from shared.accounts.repository import Account
from shared.accounts.schemas import ApiKeyWrite
from shared.clock import Clock, utc_day
from shared.database import Database
from shared.events.message import Mode

BOOTSTRAP_KEY_NAME = "bootstrap"


async def bootstrap_vendor(
    database: Database, account: Account, *, name: str, pepper: bytes, clock: Clock
) -> str:
    """Create the vendor unless it exists, and return a new key of the mode with every scope.

    Raises `api_key_exists` when an active bootstrap key of that mode exists: it was shown once.
    """
    mode: Mode = account.mode
    key = mint_key(mode)
    written = ApiKeyWrite(name=BOOTSTRAP_KEY_NAME, scopes=set(Scope))
    async with database.transaction() as connection:
        await repository.create_vendor(
            connection, account.vendor_id, name=name, live_from=utc_day(clock.now())
        )
        await repository.create_api_key(connection, account, key, written=written, pepper=pepper)
    return format_key(key)
