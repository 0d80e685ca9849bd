"""Faults of a request stand where the client wrote them."""

from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from shared.problems import install_error_handlers


class _Seats(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["seats"]
    seats: int
    seat_class: str = Field(default="", max_length=2)
    when: Literal["now"] | int | None = None


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["plan"]
    plans: list[_Seats] = []


@pytest.fixture(name="client")
def _client() -> httpx.AsyncClient:
    app = FastAPI()

    @app.post("/")
    async def post(
        written: Annotated[_Seats | _Plan, Field(discriminator="kind")], limit: int = 1
    ) -> None:
        del written, limit

    install_error_handlers(app)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"kind": "seats"}, {("missing_field", "body.seats")}),
        ({"kind": "seats", "seats": "x"}, {("not_a_whole_number", "body.seats")}),
        (
            {"kind": "seats", "seats": 1, "seat_class": "long"},
            {("string_too_long", "body.seat_class")},
        ),
        (
            {"kind": "seats", "seats": 1, "when": "later"},
            {("unknown_choice", "body.when"), ("not_a_whole_number", "body.when")},
        ),
        (
            {"kind": "plan", "plans": [{"kind": "seats", "seats": 1}, {"kind": "seats", "x": 1}]},
            {("missing_field", "body.plans[1].seats"), ("unknown_field", "body.plans[1].x")},
        ),
        ({"kind": "none"}, {("unknown_choice", "body.kind")}),
        ({"seats": 1}, {("missing_field", "body.kind")}),
        ([], {("not_an_object", "body")}),
    ],
)
async def test_the_member_of_a_union_is_no_part_of_a_place(
    client: httpx.AsyncClient, body: Any, faults: set[tuple[str, str]]
) -> None:
    """Pydantic puts its name into the location; the client wrote no such thing."""
    answer = await client.post("/", json=body)

    assert 400 == answer.status_code
    assert faults == {(fault["code"], fault["path"]) for fault in answer.json()["faults"]}


async def test_a_choice_is_told_without_what_was_sent(client: httpx.AsyncClient) -> None:
    """It may be a name or a key."""
    answer = await client.post("/", json={"kind": "secret"})

    assert ["One of 'seats', 'plan' is expected here."] == [
        fault["message"] for fault in answer.json()["faults"]
    ]


async def test_a_query_keeps_its_place(client: httpx.AsyncClient) -> None:
    """Parameters are told by where they stand, and their name."""
    answer = await client.post("/?limit=x", json={"kind": "plan"})

    assert ["query.limit"] == [fault["path"] for fault in answer.json()["faults"]]


async def test_what_is_no_unicode_can_be_answered(client: httpx.AsyncClient) -> None:
    """A name or a choice that nobody can encode is told in an escaped form."""
    answers = [
        await client.post("/", content=body, headers={"Content-Type": "application/json"})
        for body in (rb'{"kind": "\ud800"}', rb'{"kind": "plan", "\ud800": 1}')
    ]

    assert [400, 400] == [answer.status_code for answer in answers]
