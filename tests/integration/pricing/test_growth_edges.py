"""Growth where its inputs are odd: gaps between the days, like fees, names and corrections."""

from datetime import date
from fractions import Fraction

import httpx

from services.pricing.repository import statements
from shared.database import Database
from tests.support.pricing_statements import line, statement

from .billing_api import Headers
from .growth_api import ask, by_user, named, store_usage, tokens

DECEMBER = date(2023, 12, 10)
END_OF = {11: date(2023, 12, 1), 12: date(2024, 1, 1)}


async def test_who_came_between_the_days_is_new_and_does_not_return(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """December against September: cleo came in October, dan was there in August already."""
    rows = [
        by_user("ada", date(2023, 9, 10), 100),
        by_user("ada", DECEMBER, 100),
        by_user("cleo", date(2023, 10, 10), 30),
        by_user("cleo", DECEMBER, 30),
        by_user("dan", date(2023, 8, 10), 5),
        by_user("dan", DECEMBER, 5),
    ]
    await store_usage(store, vendor, users=rows)
    base = {"base_from": "2023-09-01", "base_to": "2023-10-01"}

    growth = await ask(client, headers, "growth", **base)

    assert {"new": "30", "returned": "5", "kept": "0", "lost": "0"} == {
        one["cohort"]: one["change"] for one in growth["cohorts"]["cohorts"]
    }


async def test_fees_that_are_alike_are_each_a_fee(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A flat fee of 1, and three of a third each: 2, though both come to 1 for the same days."""
    lines = [
        line(amount, details=[], model="flat", line_key=f"{place}-fee")
        for place, amount in enumerate(["1", "1/3", "1/3", "1/3"])
    ]
    made = statement(vendor, *lines, total_exact="2")
    async with store.transaction() as connection:
        await statements.issue(connection, [made])
    days = {"from": "2023-11-01", "to": "2023-12-01"}

    found = [
        await ask(client, headers, "growth", of="revenue", unit=unit, **days)
        for unit in ("tenant", "agent")
    ]

    assert [("2", {"fees": "2"})] * 2 == [(one["after"], named(one["effects"])) for one in found]


async def test_a_name_that_ends_like_none_is_a_name(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """`teams/red/` is a user as any other; only usage without a user is of nobody."""
    rows = [by_user(user, DECEMBER, 5) for user in ("teams/red/", "ada", "")]
    await store_usage(store, vendor, users=rows)

    assert 1 == (await ask(client, headers, "growth"))["units"]["after"]["unnamed"]


async def test_who_came_to_nothing_in_the_first_days_is_new_afterwards(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Used on the first day of November, taken back on the second: not there in it, nor before."""
    rows = [
        by_user("ada", date(2023, 11, 1), 10),
        by_user("ada", date(2023, 11, 2), -10),
        by_user("ada", DECEMBER, 5),
    ]
    await store_usage(store, vendor, users=rows)

    cohorts = (await ask(client, headers, "growth"))["cohorts"]["cohorts"]

    assert {"new": 1, "returned": 0, "kept": 0, "lost": 0} == {
        one["cohort"]: one["units"] for one in cohorts
    }


async def test_a_day_on_which_more_was_taken_back_than_used_is_no_active_day(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """100 on one day, -30 on the next: one active day with 70 tokens."""
    rows = [by_user("ada", DECEMBER, 100), by_user("ada", date(2023, 12, 11), -30)]
    await store_usage(store, vendor, users=rows)

    after = (await ask(client, headers, "growth"))["units"]["after"]

    assert (1, 1, "70") == (after["units"], after["active_days"], after["tokens"]["mean"])


async def test_what_one_agent_gives_back_of_anothers_tokens(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Tokens of a model that come to nothing in a tenant brought in 2: told apart, no failure.

    Of bot's -100 on gpt-5 half was billed; it used another model, too, so it is active.
    """
    rows = []
    for month in (11, 12):
        gpt = {"model": "gpt-5", "provider": "openai"}
        rows += [
            tokens(month, 10, 100, agent="writer", **gpt),
            tokens(month, 10, -100, agent="bot", entry="correction", **gpt),
            tokens(month, 10, 500, agent="bot"),
        ]
    await store_usage(store, vendor, *rows)
    on = {"kind": "input_uncached", "usage_day": DECEMBER, "quantity": "1"}
    details = [
        on | {"agent": agent, "model": model, "amount_exact": amount}
        for agent, model, amount in (
            ("writer", "gpt-5", "3"),
            ("bot", "gpt-5", "-1"),
            ("bot", "claude-sonnet-4-6", "5"),
        )
    ]
    december = {"period_start": date(2023, 12, 1), "period_end": date(2024, 1, 1)}
    made = statement(vendor, line("7", details=details), total_exact="7", **december)
    async with store.transaction() as connection:
        await statements.issue(connection, [made])

    growth = await ask(client, headers, "growth", of="revenue", unit="agent")

    assert {"price": "5", "without_tokens": "2"} == named(growth["effects"])
    assert Fraction(7) == sum(Fraction(one["amount"]) for one in growth["cohorts"]["kept"])


async def test_a_tenant_that_pays_less_and_grows_is_no_lower_price(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Of a thousand tokens globex pays 3, initech 1; initech goes from 10,000 to 40,000.

    The mean price of a token fell from 2 to 1.4, and nobody's price did: it is depth.
    """
    used = {("globex", 11): 10, ("initech", 11): 10, ("globex", 12): 10, ("initech", 12): 40}
    prices = {"globex": 3, "initech": 1}
    for (tenant, month), thousands in used.items():
        row = tokens(month, 10, thousands * 1_000)
        await store_usage(store, vendor, row, tenant=tenant, version=month)
        amount = str(thousands * prices[tenant])
        await _bill(store, vendor, tenant, month, amount)

    growth = await ask(client, headers, "growth", of="revenue", unit="tenant")

    assert ("40", "70", {"depth": "30"}) == (
        *(growth["before"], growth["after"]),
        named(growth["effects"]),
    )


async def test_a_small_tenant_that_comes_takes_no_depth_away(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Two days of 10,000 as before, and a new tenant's 1,000 on one day: breadth and mix."""
    globex = [tokens(month, day, 10_000) for month in (11, 12) for day in (10, 11)]
    await store_usage(store, vendor, *globex)
    await store_usage(store, vendor, tokens(12, 10, 1_000), tenant="initech")

    growth = await ask(client, headers, "growth", unit="tenant")

    assert "1000" == growth["change"]
    assert {"breadth", "group_mix"} == named(growth["effects"]).keys()


async def _bill(store: Database, vendor: str, tenant: str, month: int, amount: str) -> None:
    """Bill usage on the 10th of a month for so much."""
    day = date(2023, month, 10)
    of = {"agent": "support-0", "model": "claude-sonnet-4-6", "kind": "input_uncached"}
    detail = {**of, "usage_day": day, "quantity": "1", "amount_exact": amount}
    made = statement(
        *(vendor, line(amount, details=[detail])),
        tenant_id=tenant,
        sequence=month,
        total_exact=amount,
        period_start=day.replace(day=1),
        period_end=END_OF[month],
    )
    async with store.transaction() as connection:
        await statements.issue(connection, [made])
