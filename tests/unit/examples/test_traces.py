"""The traces are what their publishers recorded: nothing is changed on the way in."""

from collections import Counter

import pytest

from examples.demo.catalog import price_book
from examples.demo.malformed import MALFORMED_EVENTS, malformed_bodies
from examples.demo.traces import REQUESTS, Request, read_requests


@pytest.fixture(scope="module", name="requests")
def _requests() -> list[Request]:
    return list(read_requests())


def test_every_row_is_a_request(requests: list[Request]) -> None:
    """8,819 + 19,366 + 12,031 rows."""
    assert REQUESTS == len(requests)


def test_no_count_is_changed(requests: list[Request]) -> None:
    """The totals are those that the publishers' files add up to."""
    totals = Counter[tuple[str, str]]()
    for request in requests:
        for kind, count in request.tokens.items():
            totals[request.tenant, kind] += count

    assert {
        ("acme", "input_uncached"): 18_059_974,
        ("acme", "output_text"): 245_896,
        ("globex", "input_uncached"): 22_361_870,
        ("globex", "output_text"): 4_088_665,
        ("initech", "input_uncached"): 144_793_823 - 54_098_411,
        ("initech", "input_cache_read"): 54_098_411,
        ("initech", "output_text"): 4_122_048,
    } == totals


def test_the_malformed_events_are_twenty_five() -> None:
    """Every body holds one malformed event; half of them have good neighbours."""
    bodies = list(malformed_bodies([{"event_id": "good"}] * 3))

    assert MALFORMED_EVENTS == len(bodies)
    assert {1, 4} == {events for _, events in bodies}


def test_the_price_book_names_each_charge_once() -> None:
    """Plans only name charges of the book."""
    book = price_book()
    keys = [charge["key"] for charge in book["charges"]]

    assert sorted(keys) == sorted(key for plan in book["plans"] for key in plan["charges"])
