"""JSON that could be read in two ways is refused, each fault with its place."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from shared.strict_json import DEPTH_MAX, FAULTS_MAX, VALUES_MAX, StrictJson, json_faults

JSON = "application/json"
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUE = st.recursive(
    LEAF | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30
)


@given(VALUE)
def test_plain_json_has_no_fault(value: Any) -> None:
    """Whatever a JSON library writes of ordinary values is taken."""
    assert [] == json_faults(json.dumps(value).encode())


def test_all_faults_are_told_at_once_in_their_order() -> None:
    """Equal keys, what is no number, what is no text: each with its place."""
    text = (
        r'{"a": [1, NaN, {"b": "\ud800", "b": 1e400}], "c": {"\udc00": -Infinity}, "a": "x\u0000"}'
    )

    assert [
        ("duplicate_key", "a"),
        ("not_finite", "a[1]"),
        ("duplicate_key", "a[2].b"),
        ("invalid_text", "a[2].b"),
        ("not_finite", "a[2].b"),
        ("invalid_text", "c.\\udc00"),
        ("not_finite", "c.\\udc00"),
        ("invalid_text", "a"),
    ] == [(fault.code, fault.path) for fault in json_faults(text.encode())]


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_values_nest_to_a_depth(opening: str) -> None:
    """Up to it and not beyond, told once, however much deeper it goes."""
    closing = "]" if opening == "[" else "}"

    def nested(depth: int) -> bytes:
        return (opening * depth + "1" + closing * depth).encode()

    assert [] == json_faults(nested(DEPTH_MAX))
    for depth in (DEPTH_MAX + 1, 3 * DEPTH_MAX):
        assert ["too_deep"] == [fault.code for fault in json_faults(nested(depth))]


def test_a_body_is_bounded_in_values_and_its_answer_in_faults() -> None:
    """Neither does a body keep the others waiting, nor an answer grow with it."""
    many = b"[" + b"1," * VALUES_MAX + b"1]"
    faulty = b"[" + b"NaN," * (5 * FAULTS_MAX) + b"1]"

    assert ["too_many_values"] == [fault.code for fault in json_faults(many)]
    assert FAULTS_MAX == len(json_faults(faulty))


@pytest.fixture(name="client")
def _client() -> httpx.AsyncClient:
    """Return a client of an application that answers with the body it was given."""
    app = FastAPI()

    @app.post("/")
    async def echo(request: Request) -> Any:
        return {"body": (await request.body()).decode(), "type": request.headers["content-type"]}

    @app.get("/")
    async def get() -> str:
        return "got"

    app.add_middleware(StrictJson, bytes_max=100)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize(
    "named", [JSON, "APPLICATION/JSON; charset=utf-8", "application/vnd.api+json", None]
)
async def test_a_body_goes_on_as_it_came(client: httpx.AsyncClient, named: str | None) -> None:
    """Byte by byte; without a media type it is taken for JSON."""
    headers = {"Content-Type": named} if named else {}
    answer = await client.post("/", content=b' {"a": 1.50}', headers=headers)

    assert {"body": ' {"a": 1.50}', "type": named or JSON} == answer.json()


@pytest.mark.parametrize(
    ("body", "headers", "refusal"),
    [
        (b"{", {}, "400 invalid_json"),
        (b"\xff", {}, "400 invalid_json"),
        (b"[" * 100, {}, "400 invalid_json"),
        (b'{"a": 1, "a": 2}', {}, "400 invalid_json"),
        (b"9" * 101, {}, "413 body_too_large"),
        (b"{}", {"Content-Type": "text/plain"}, "415 unsupported_media_type"),
        (
            b"{}",
            {"Content-Type": "application/x-www-form-urlencoded"},
            "415 unsupported_media_type",
        ),
        (b"{}", {"Content-Encoding": "gzip"}, "415 unsupported_media_type"),
    ],
)
async def test_a_refusal_is_a_problem_document(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str], refusal: str
) -> None:
    """With a stable code, before anything is read by the application."""
    answer = await client.post("/", content=body, headers=headers)

    assert refusal == f"{answer.status_code} {answer.json()['code']}"
    assert "application/problem+json" == answer.headers["content-type"]


async def test_a_path_apart_gets_its_body_unread() -> None:
    """A signature is over the raw bytes: who verifies them decides what is no JSON."""
    app = FastAPI()

    @app.post("/signed/{name}")
    async def echo(name: str, request: Request) -> Any:
        return {"length": len(await request.body())}

    app.add_middleware(StrictJson, bytes_max=100, apart=("/signed/",))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        answer = await client.post("/signed/a", content=b"{" * 200)

    assert {"length": 200} == answer.json()


async def test_what_has_no_body_is_not_looked_at(client: httpx.AsyncClient) -> None:
    """A reading is answered whatever its headers say."""
    answer = await client.get("/", headers={"Content-Type": "text/plain"})

    assert "got" == answer.json()
