"""Messages of vendors without endpoints are passed over, those of others never."""

from datetime import timedelta
from typing import Any

from services.invoicing.webhooks_out.listeners import CACHE_LIFE, Listeners
from shared.database import Database
from tests.support.webhooks import Hooks

URL = "https://hooks.example.com/"


async def test_a_new_endpoint_is_heard_of_in_a_second(hooks: Hooks) -> None:
    """What another process made is known when the cache is a second old."""
    listeners = Listeners(hooks.database, hooks.clock)
    vendor = hooks.account.vendor_id

    before = await listeners.include(vendor)
    await hooks.add(URL)
    cached = await listeners.include(vendor)
    hooks.clock.advance(CACHE_LIFE)

    assert (False, False, True) == (before, cached, await listeners.include(vendor))
    assert not await listeners.include("somebody-else")


async def test_this_processes_endpoint_is_heard_of_at_once(hooks: Hooks) -> None:
    """Who makes one forgets what was cached."""
    listeners = Listeners(hooks.database, hooks.clock)
    await listeners.include(hooks.account.vendor_id)
    await hooks.add(URL)
    listeners.forget()

    assert await listeners.include(hooks.account.vendor_id)


async def test_without_postgres_everybody_listens(hooks: Hooks) -> None:
    """No message is passed over because nobody could be asked."""
    nowhere: Any = Database("postgresql://nobody:none@127.0.0.1:1/none", connections=1)
    listeners = Listeners(nowhere, hooks.clock)

    assert await listeners.include(hooks.account.vendor_id)
    hooks.clock.advance(timedelta(seconds=5))
    assert await listeners.include("somebody-else")
    await nowhere.close()
