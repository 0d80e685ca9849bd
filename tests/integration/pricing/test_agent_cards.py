"""Cards of agents: who owns one, kept as a log, and told in the roster."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database import Database
from tests.support.pricing_runs import part, used

from .agents_api import MILLION, price_input, roster, tell
from .billing_api import Headers

CARD = {"owner": "Ada", "team": "support", "status": "active", "purpose": "Answers\ntickets."}


async def put(
    client: httpx.AsyncClient, headers: Headers, agent: str = "support", **values: Any
) -> dict[str, Any]:
    answer = await client.put(f"/v1/agents/{agent}", json=CARD | values, headers=headers)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_card_is_kept_with_those_before_it(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """The same again adds nothing; a change is a new one that says when and by whom."""
    first, again = [await put(client, headers) for _ in range(2)]
    changed = await put(client, headers, owner="Bob", status="paused")

    found = (await client.get("/v1/agents/support", headers=headers)).json()

    assert first == again
    assert changed == found["card"]
    assert [changed, first] == found["history"]
    assert CARD.items() <= first.items()
    assert first["written_by"]
    assert ("Bob", "paused", None) == (changed["owner"], changed["status"], changed["tenant"])


async def test_a_key_makes_a_card_once(client: httpx.AsyncClient, headers: Headers) -> None:
    """Another card under the key is a conflict, and a card that was replaced is not put back."""
    named = {**headers, "Idempotency-Key": "card"}
    first = await put(client, named)
    await put(client, headers, owner="Bob")

    again = await put(client, named)
    other = await client.put("/v1/agents/support", json=CARD | {"owner": "X"}, headers=named)
    found = (await client.get("/v1/agents/support", headers=headers)).json()

    assert first == again
    assert (409, "idempotency_key_reused") == (other.status_code, other.json()["code"])
    assert "Bob" == found["card"]["owner"]


async def test_a_tenants_card_goes_before_that_of_every_tenant(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Whatever came later; other tenants have the one of all. A name may hold slashes."""
    own = await put(client, headers, "team/support:1", tenant="globex", owner="Grace")
    every = await put(client, headers, "team/support:1")

    url = "/v1/agents/team/support:1"
    found = [
        (await client.get(url, params=asked, headers=headers)).json()["card"]
        for asked in ({"tenant": "globex"}, {"tenant": "initech"}, {})
    ]

    assert [own, every, every] == found


async def test_the_roster_tells_owners_and_who_has_none(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Agents in use that nobody owns are listed: without a card, or with one that names nobody."""
    await price_input(client, headers)
    names = ("support", "writer", "stray")
    runs = [part(name, used(MILLION), agent=name) for name in names]
    old = part("gone", used(MILLION), agent="gone", days=-20)
    await tell(store, vendor, [*runs, old])
    await put(client, headers, team=None)
    await put(client, headers, "writer", owner=None, status="retired")

    found, agents = await roster(client, headers)

    told = {name: [one[key] for key in ("owner", "team", "status")] for name, one in agents.items()}
    assert {
        "support": ["Ada", None, "active"],
        "writer": [None, "support", "retired"],
        "stray": [None] * 3,
        "gone": [None] * 3,
    } == told
    assert [{"tenant": "globex", "agent": name} for name in ("stray", "writer")] == found[
        "without_owner"
    ]


@pytest.mark.parametrize("statement", ["update pricing.agent_card set owner = 'x'", "truncate"])
async def test_no_card_is_ever_changed(
    client: httpx.AsyncClient, headers: Headers, store: Database, statement: str
) -> None:
    """The database refuses it, also to the owner of the table."""
    await put(client, headers)
    wanted = "truncate pricing.agent_card" if statement == "truncate" else statement

    with pytest.raises(DBAPIError):
        async with store.transaction() as connection:
            await connection.execute(text(wanted))


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (CARD | {"status": "fired"}, "invalid_request", 400),
        (CARD | {"owner": "a\x00b"}, "invalid_json", 400),
        (CARD | {"owner": ""}, "invalid_request", 400),
        (CARD | {"purpose": "\x07"}, "invalid_request", 400),
        (CARD | {"purpose": "x" * 2_001}, "invalid_request", 400),
        (CARD | {"boss": "x"}, "invalid_request", 400),
        (CARD | {"tenant": "Globex!"}, "invalid_request", 400),
        (CARD | {"tenant": "nobody"}, "unknown_tenant", 404),
        ([], "invalid_request", 400),
    ],
    ids=str,
)
async def test_what_is_no_card_is_refused(
    client: httpx.AsyncClient, headers: Headers, body: Any, code: str, status: int
) -> None:
    """With a code, and nothing is kept."""
    answer = await client.put("/v1/agents/support", json=body, headers=headers)
    kept = await client.get("/v1/agents/support", headers=headers)

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert (404, "unknown_agent_card") == (kept.status_code, kept.json()["code"])


@pytest.mark.parametrize("agent", ["a%00b", "a%20b", "x" * 129, "%ff"])
async def test_what_no_agent_is_called_is_refused(
    client: httpx.AsyncClient, headers: Headers, agent: str
) -> None:
    """Neither written nor read; and never a failure of ours."""
    answers = [
        await client.put(f"/v1/agents/{agent}", json=CARD, headers=headers),
        await client.get(f"/v1/agents/{agent}", headers=headers),
    ]

    assert [400, 400] == [answer.status_code for answer in answers]
