"""Reading and splitting a request's body: caps, places of errors, no neighbour harmed."""

import gzip
import re
import time
import tracemalloc
from collections.abc import AsyncIterator

import cramjam
import pytest

from services.metering.ingest.body import _TOKEN as TOKEN
from services.metering.ingest.body import (
    EVENTS_PER_REQUEST_MAX,
    UNPACKED_BYTES_MAX,
    WIRE_BYTES_MAX,
    read_body,
    split,
)
from shared.errors import TallyrollError
from tallyroll.compression import packings


async def _chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (b'{"a": 1}', [b'{"a": 1}']),
        (b' [{"a": 1}, 2]', [b'{"a": 1}', b"2"]),
        (b'{"events": [{"a": 1}]}', [b'{"a": 1}']),
        (b"[]", []),
        (b'{"events": []}', []),
    ],
)
def test_three_forms_of_a_body(body: bytes, texts: list[bytes]) -> None:
    """One event, an array of them and `{"events": […]}` are split into their events."""
    assert texts == [bytes(memoryview(text)) for text in split(body)]


@pytest.mark.parametrize("form", ["[%s]", '{"events": [%s]}', ' { "events" : [ %s ] } '])
def test_a_deep_event_leaves_its_neighbours_whole(form: str) -> None:
    """Nesting that no recursive parser reads is split by brackets, strings respected."""
    deep = "[" * 100_000 + "]" * 100_000
    body = form % f'{{"a": "],[\\"{{"}},{deep},{{"b": [1, 2]}}'

    texts = [bytes(memoryview(text)).strip() for text in split(body.encode())]

    assert [b'{"a": "],[\\"{"}', deep.encode(), b'{"b": [1, 2]}'] == texts


def test_text_that_is_no_unicode_leaves_its_neighbours_whole() -> None:
    """A lone surrogate and broken UTF-8 are one event's fault."""
    texts = split(b'[{"a": 1}, {"a": "\\ud800"}, {"a": "\xff"}, {"a": "\\udfff"}]')

    assert [b'{"a": 1}', b'{"a": "\\ud800"}', b'{"a": "\xff"}', b'{"a": "\\udfff"}'] == [
        bytes(memoryview(text)).strip() for text in texts
    ]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "byte 0, line 1, column 1"),
        (b'{"a": 1', "byte 7, line 1, column 8"),
        (b'[{"a": 1},\n{"b": nope}]', "byte 18, line 2, column 8"),
        (b"[" * 100_000, "byte 100000, line 1, column 100001"),
        (b'{"a": NaN}', "byte 6, line 1, column 7"),
        (b"[1] [2]", "byte 5, line 1, column 6"),
        (b'[{"a": "\\ud800"}] [2]', "byte 18, line 1, column 19"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(body: bytes, place: str) -> None:
    """A body that is no JSON is 400 `invalid_json` and says at which byte, line and column."""
    with pytest.raises(TallyrollError, match="invalid_json") as refusal:
        split(body)

    assert (400, place) == (refusal.value.status, refusal.value.subject)


@pytest.mark.parametrize(
    "body",
    [
        b"5",
        b'"text"',
        b'{"events": 5}',
        b'{"events": null}',
        b'{"events": [], "more": 1}',
        b'{"more": 1, "events": []}',
        b'{"events": [1], "events": [2]}',
        b'{"events": [{"a": "\\ud800"}], "events": [2]}',
        b'{"events": [{"a": "\\ud800"}, 1], "more": 2}',
    ],
)
def test_json_of_another_form_is_refused(body: bytes) -> None:
    """JSON that holds no events, or events that one reading would lose, is 400 `invalid_body`."""
    with pytest.raises(TallyrollError, match="invalid_body"):
        split(body)


def test_more_events_than_a_request_may_carry() -> None:
    """1,000 events pass, 1,001 are 413 `too_many_events`."""
    assert EVENTS_PER_REQUEST_MAX == len(split(b"[%b]" % b",".join([b"1"] * 1000)))

    with pytest.raises(TallyrollError, match="too_many_events") as refusal:
        split(b"[%b]" % b",".join([b"1"] * 1001))

    assert 413 == refusal.value.status


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "", "identity"])
async def test_a_packed_body_is_unpacked(encoding: str) -> None:
    """A body may come plain, or packed once with gzip or zstd."""
    packed = {"gzip": gzip.compress, "zstd": lambda b: bytes(cramjam.zstd.compress(b))}
    body = packed.get(encoding, bytes)(b'{"a": 1}')

    assert b'{"a": 1}' == await read_body(_chunks(body[:3], body[3:]), encoding)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_a_bomb_is_stopped_while_it_unpacks(encoding: str) -> None:
    """A small body that unpacks beyond 16 MiB is 413, whatever its frame says."""
    zeros = bytes(UNPACKED_BYTES_MAX + 1)
    body = gzip.compress(zeros) if encoding == "gzip" else bytes(cramjam.zstd.compress(zeros))

    with pytest.raises(TallyrollError, match="unpacked_body_too_large") as refusal:
        await read_body(_chunks(body), encoding)

    assert 413 == refusal.value.status


async def test_a_body_that_is_too_large_on_the_wire() -> None:
    """2 MiB pass, one byte more is 413 `body_too_large`."""
    assert WIRE_BYTES_MAX == len(await read_body(_chunks(bytes(WIRE_BYTES_MAX)), ""))

    with pytest.raises(TallyrollError, match="body_too_large"):
        await read_body(_chunks(bytes(WIRE_BYTES_MAX), b"x"), "")


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd, gzip"])
async def test_nested_and_unknown_encodings_are_refused(encoding: str) -> None:
    """Only one known packing is taken: anything else is 415."""
    with pytest.raises(TallyrollError, match="unsupported_encoding") as refusal:
        await read_body(_chunks(b"x"), encoding)

    assert 415 == refusal.value.status


async def test_a_body_that_cannot_be_unpacked() -> None:
    """Bytes that are no gzip are 400 `invalid_encoding`."""
    with pytest.raises(TallyrollError, match="invalid_encoding"):
        await read_body(_chunks(b"no gzip at all"), "gzip")


def _seconds_of_an_endless_string(token: re.Pattern[bytes], escapes: int) -> float:
    body, begin = b'["' + rb"\"" * escapes, time.process_time()
    token.findall(body)
    return time.process_time() - begin


def test_an_endless_string_is_read_once() -> None:
    """A string without an end costs its length, not the square of it: else 2 MiB take hours."""
    naive = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]+|[\]}]+|,', re.DOTALL)
    body = b'["' + rb"\"" * 1_000_000

    with pytest.raises(TallyrollError, match="invalid_json"):
        split(body)
    assert 10 * _seconds_of_an_endless_string(TOKEN, 4_000) < _seconds_of_an_endless_string(
        naive, 4_000
    )


@pytest.mark.parametrize("form", [b"[%b1]", b'{"events": [%b1]}'])
def test_a_million_events_never_stand_in_memory(form: bytes) -> None:
    """Events beyond the cap are counted, not kept: each would weigh forty times its text."""
    body = form % (b"1," * 1_000_000)
    tracemalloc.start()

    with pytest.raises(TallyrollError, match="too_many_events"):
        split(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * len(body)


async def test_what_the_sdk_packs_is_unpacked() -> None:
    """Every packing of the SDK is one that is taken, byte for byte."""
    body = b'{"events":[{"event_id":"a"}]}' * 1_000

    assert ["zstd", "gzip"] == [packing.name for packing in packings()]
    for packing in packings():
        assert body == await read_body(_chunks(packing.pack(body)), packing.name)
