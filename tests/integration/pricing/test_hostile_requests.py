"""Requests that mean harm, or two things at once: each is a refusal with a code, none a 500."""

import asyncio
import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from .billing_api import Headers
from .subscription_api import SUBSCRIPTION, book, publish_book, subscribe

VERSION = "/v1/price-books/sold/versions/2"
CHANGES = f"{SUBSCRIPTION}/changes"
GRANTS = "/v1/tenants/globex/wallets/USD/grants"
TOP_UPS = "/v1/tenants/globex/wallets/USD/top-ups"
NO_NUMBER = [
    *("1e400", "NaN", "-Infinity", "1.5", "12", "true", "null", "[]", "{}", "9" * 5_000, "9" * 400),
    *('"1e5"', '"NaN"', '"\\uff11\\uff12"', '"\\u0663"', '"-0"', '"-1"'),
    *('"+1"', '" 1"', '"1\\n"', '"1_0"', '".5"', '"5."', '""', '"1/3"', '"1\\u0000"', '"\\ud800"'),
    *(f'"{"9" * 41}"', "[" * 900 + "]" * 900, '{"a":' * 300 + "1" + "}" * 300),
]


@pytest.fixture(name="sold_to")
async def _sold_to(client: httpx.AsyncClient, headers: Headers) -> Headers:
    await publish_book(client, headers)
    await subscribe(client, headers)
    return headers


async def send(
    client: httpx.AsyncClient,
    headers: Headers,
    method: str,
    path: str,
    body: str | bytes | None = None,
    **more: str,
) -> httpx.Response:
    own = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4()), **headers}
    own |= {name.replace("_", "-"): value for name, value in more.items()}
    return await client.request(method, path, content=body, headers=own)


def said(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(fault["code"], fault["path"]) for fault in answer.json().get("faults", [])]


@pytest.mark.parametrize("literal", NO_NUMBER)
async def test_what_is_no_price_is_refused_wherever_it_stands(
    client: httpx.AsyncClient, sold_to: Headers, literal: str
) -> None:
    """In a book, a tenant's own prices, a trial, a grant and a provider's price."""
    flat = '{"model": "flat", "key": "a", "name": "A", "amount": %s}' % literal  # noqa: UP031
    bodies = [
        ("PUT", VERSION, json.dumps(book()).replace('"300.00"', literal)),
        (
            "POST",
            CHANGES,
            (
                '{"kind": "overrides", "when": "2024-01-01", "overrides":'
                f' [{{"target": "charge", "key": "input", "set": {{"unit_amount": {literal}}}}}]}}'
            ),
        ),
        (
            "POST",
            "/v1/evaluate",
            (
                '{"start": "2023-11-01", "end": "2023-12-01", "usage": [],'
                f' "content": {{"currency": "USD", "charges": [{flat}]}}}}'
            ),
        ),
        ("POST", GRANTS, f'{{"amount": {literal}}}'),
        (
            "POST",
            "/v1/provider-prices",
            (
                '{"prices": [{"source": "manual", "provider": "p", "model": "m", "kind": "k",'
                f' "effective_from": "2024-01-01", "per": {literal}, "unit_amount": "1"}}]}}'
            ),
        ),
    ]

    answers = [await send(client, sold_to, *body) for body in bodies]

    assert {400} == {answer.status_code for answer in answers}


@pytest.mark.parametrize(
    "day",
    [
        *("2023-12-01T00:00:00", "2023-12-01 00:00", "1701388800", "20231201", "2023-W48-5"),
        *(
            "2023-12-1",
            "\uff12\uff10\uff12\uff13-12-01",
            "2023-02-29",
            "2023-12-01\n",
            "",
            "9999-12-31",
        ),
        *(1701388800, 1.5, True, None, [], {}),
    ],
)
async def test_a_day_is_a_day(client: httpx.AsyncClient, sold_to: Headers, day: Any) -> None:
    """No instant, and no seconds since 1970: neither in a body nor in a query."""
    await send(client, sold_to, "PUT", VERSION, json.dumps(book("4.00")))
    seats = {"kind": "seats", "seats": 1, "when": day}
    answers = [
        await send(client, sold_to, "POST", f"{CHANGES}/preview", json.dumps(seats)),
        await send(
            client, sold_to, "POST", f"{VERSION}/publish", json.dumps({"effective_on": day})
        ),
    ]
    if isinstance(day, str):
        query = {"effective_on": day}
        answers.append(await client.get(f"{VERSION}/faults", params=query, headers=sold_to))

    assert {400} == {answer.status_code for answer in answers}
    assert {"body.when", "body.effective_on", "query.effective_on"} >= {
        path for answer in answers for _, path in said(answer)
    }


@pytest.mark.parametrize(
    "number", ["1_0", "1.0", "+1", " 1", "1\n", "01", "\uff11", "1e0", "0x1", "\0"]
)
async def test_a_number_in_an_address_is_written_in_digits(
    client: httpx.AsyncClient, sold_to: Headers, number: str
) -> None:
    """What else would be read as one is refused: of versions, cursors and pages."""
    path = f"/v1/price-books/sold/versions/{quote(number)}"
    answers = [await client.get(path, headers=sold_to)]
    for path, name in (
        ("/v1/statements", "after"),
        ("/v1/statements", "limit"),
        ("/v1/provider-prices", "after"),
        ("/v1/tenants/globex/wallets/USD/ledger", "limit"),
        ("/v1/price-books/sold/versions/1/diff", "against"),
    ):
        answers.append(await client.get(path, params={name: number}, headers=sold_to))

    assert {(400, "not_a_whole_number")} == {
        (answer.status_code, said(answer)[0][0]) for answer in answers
    }


@pytest.mark.parametrize("path", ["model", "provider", "source", "after", "limit"])
async def test_a_filter_without_meaning_is_refused(
    client: httpx.AsyncClient, sold_to: Headers, path: str
) -> None:
    """A NUL byte reaches no database."""
    answer = await client.get(f"/v1/provider-prices?{path}=a%00", headers=sold_to)

    assert (400, "invalid_request") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", VERSION),
        ("PUT", "/v1/price-books/other"),
        ("PUT", "/v1/tenants/globex"),
        ("PUT", SUBSCRIPTION),
        ("PUT", "/v1/tenants/globex/wallets/USD"),
        ("POST", CHANGES),
        ("POST", f"{CHANGES}/preview"),
        ("POST", f"{VERSION}/publish"),
        ("POST", "/v1/price-books/sold/diff"),
        ("POST", "/v1/price-books/sold/migrations"),
        ("POST", GRANTS),
        ("POST", TOP_UPS),
        ("POST", "/v1/provider-prices"),
        ("POST", "/v1/evaluate"),
        ("POST", "/v1/api-keys"),
    ],
)
async def test_a_body_says_one_thing(
    client: httpx.AsyncClient, sold_to: Headers, method: str, path: str
) -> None:
    """On every route: JSON of a bounded size, each key once."""
    answers = [
        await send(client, sold_to, method, path, body)
        for body in (
            b"{",
            b"\xff",
            b"[" * 100_000,
            b'{"name": "a", "name": "b"}',
            b'{"a": "\\ud800"}',
        )
    ]
    large = await send(client, sold_to, method, path, b" " * (5 * 2**20) + b"{}")
    typed = await send(client, sold_to, method, path, b"{}", Content_Type="text/plain")
    empty = await send(client, sold_to, method, path, b"{}")

    assert {"invalid_json"} == {answer.json()["code"] for answer in answers}
    assert [(413, "body_too_large"), (415, "unsupported_media_type")] == [
        (answer.status_code, answer.json()["code"]) for answer in (large, typed)
    ]
    assert empty.status_code in {200, 400}


async def test_a_list_beyond_its_largest_number_is_one_fault(
    client: httpx.AsyncClient, sold_to: Headers
) -> None:
    """An answer does not grow with what is sent."""
    body = {**book(), "charges": [{}] * 50_000}

    answer = await send(client, sold_to, "PUT", VERSION, json.dumps(body))

    assert ("list_too_long", "charges") in said(answer)
    assert len(said(answer)) < 250


@pytest.mark.parametrize("variant", ["W/{tag}", "{bare}", "{tag}, {tag}", '""', "W/*", "null", ""])
async def test_one_strong_tag_or_any_is_asked_for(
    client: httpx.AsyncClient, sold_to: Headers, variant: str
) -> None:
    """Anything else is refused in words, and the draft stays as it is."""
    first = await send(client, sold_to, "PUT", VERSION, json.dumps(book("4.00")))
    tag = first.headers["etag"]
    named = variant.format(tag=tag, bare=tag.strip('"'))

    answer = await send(client, sold_to, "PUT", VERSION, json.dumps(book("5.00")), If_Match=named)
    kept = await client.get(VERSION, headers=sold_to)

    assert [("invalid_entity_tag", "header.If-Match")] == said(answer)
    assert tag == kept.headers["etag"]


async def test_a_key_is_for_one_request(client: httpx.AsyncClient, sold_to: Headers) -> None:
    """The same amount in another spelling is the same; at another place, or another, it is not."""
    asked = [
        (GRANTS, {"amount": "5"}, 201),
        (GRANTS, {"amount": "5.00"}, 201),
        (GRANTS, {"amount": "6"}, 409),
        (TOP_UPS, {"amount": "5"}, 409),
        (GRANTS.replace("USD", "EUR"), {"amount": "5"}, 409),
        (GRANTS, {"amount": "x"}, 400),
    ]
    answers = [
        await send(client, sold_to, "POST", path, json.dumps(body), Idempotency_Key="one")
        for path, body, _ in asked
    ]
    wallet = (await client.get("/v1/tenants/globex/wallets/USD", headers=sold_to)).json()

    assert [status for *_, status in asked] == [answer.status_code for answer in answers]
    assert "5" == wallet["balance_exact"]


async def test_a_key_that_is_used_at_once_writes_once(
    client: httpx.AsyncClient, sold_to: Headers
) -> None:
    """Ten attempts beside each other, of two bodies: one is written, the other a conflict."""
    sent = [
        send(client, sold_to, "POST", GRANTS, f'{{"amount": "{7 + n % 2}"}}', Idempotency_Key="k")
        for n in range(10)
    ]

    answers = await asyncio.gather(*sent)
    wallet = (await client.get("/v1/tenants/globex/wallets/USD", headers=sold_to)).json()

    assert [201] * 5 + [409] * 5 == sorted(answer.status_code for answer in answers)
    assert wallet["balance_exact"] in {"7", "8"}
