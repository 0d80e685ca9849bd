"""The format of a segment, against every kind of damage."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroll.spool import frames
from tallyroll.spool.frames import OVERHEAD, encode_frame, find_frame, read_frames, whole_frames_in

PAYLOADS = st.lists(
    st.dictionaries(st.text(max_size=5), st.text(max_size=30), max_size=3).map(
        lambda fields: json.dumps(fields, ensure_ascii=False).encode()
    ),
    min_size=1,
    max_size=8,
)


def segment(payloads: list[bytes]) -> bytes:
    """Return the bytes of a whole segment."""
    return b"".join(encode_frame(payload, number) for number, payload in enumerate(payloads))


def salvage(data: bytes) -> list[tuple[int, bytes]]:
    """Read everything that is whole, past whatever is damaged, as (number, payload)."""
    found, number = [], 0
    while data:
        payloads, ends = read_frames(data, number, events_max=1, payload_bytes_max=10**9)
        if payloads:
            found.append((number, payloads[0]))
            data, number = data[ends[0] :], number + 1
        elif (following := find_frame(data, number)) is not None:
            data, number = data[following.offset :], following.number
        else:
            break
    return found


@given(payloads=PAYLOADS)
def test_what_was_written_is_read(payloads: list[bytes]) -> None:
    """A whole segment gives back its payloads, in order, and where each ends."""
    data = segment(payloads)
    read, ends = read_frames(data, 0, events_max=100, payload_bytes_max=10**9)

    assert payloads == read
    assert len(data) == ends[-1] == sum(map(len, payloads)) + OVERHEAD * len(payloads)


@given(payloads=PAYLOADS, data=st.data())
def test_a_torn_tail_takes_only_its_own_frame(payloads: list[bytes], data: st.DataObject) -> None:
    """Cut anywhere, everything before the torn frame is read, and nothing is invented."""
    whole = segment(payloads)
    cut = data.draw(st.integers(0, len(whole) - 1))
    expected, at = [], 0
    for payload in payloads:
        at += len(payload) + OVERHEAD
        expected += [payload] if at <= cut else []

    read, ends = read_frames(whole[:cut], 0, events_max=100, payload_bytes_max=10**9)
    torn = whole[(ends[-1] if ends else 0) : cut]
    assert expected == read == [payload for _, payload in salvage(whole[:cut])]
    assert 0 == whole_frames_in(torn)


@given(payloads=PAYLOADS, data=st.data())
def test_a_flipped_bit_takes_only_its_own_frame(payloads: list[bytes], data: st.DataObject) -> None:
    """One bit of any byte: every other frame is read, and the numbers say which is missing."""
    whole = bytearray(segment(payloads))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    hit, end = 0, 0
    for number, payload in enumerate(payloads):
        end += len(payload) + OVERHEAD
        if at < end:
            hit = number
            break

    expected = [(number, p) for number, p in enumerate(payloads) if number != hit]
    assert expected == salvage(bytes(whole))


@given(payloads=PAYLOADS, noise=st.binary(max_size=60), data=st.data())
def test_garbage_is_never_an_event(
    payloads: list[bytes], noise: bytes, data: st.DataObject
) -> None:
    """Overwritten in part by anything, what is read is a part of what was written."""
    whole = bytearray(segment(payloads))
    at = data.draw(st.integers(0, len(whole)))
    whole[at : at + len(noise)] = noise

    assert set(salvage(bytes(whole))) <= set(enumerate(payloads))


def test_a_format_without_crc_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above find a reader that trusts what it reads."""
    monkeypatch.setattr(frames, "crc32", lambda _data, _start=0: 0)
    unchecked = pytest.raises(AssertionError)

    with unchecked:
        test_a_flipped_bit_takes_only_its_own_frame()


def test_batches_are_bounded_by_count_and_bytes() -> None:
    """Reading stops at the bounds; a payload above them comes alone."""
    payloads = [b'{"a":1}', b'{"b":2}', b'{"c":"' + b"x" * 100 + b'"}', b'{"d":4}']
    data = segment(payloads)

    assert 2 == len(read_frames(data, 0, events_max=2, payload_bytes_max=10**9)[0])
    assert payloads[:2] == read_frames(data, 0, events_max=9, payload_bytes_max=16)[0]
    third = data[2 * (7 + OVERHEAD) :]
    assert payloads[2:3] == read_frames(third, 2, events_max=9, payload_bytes_max=16)[0]
