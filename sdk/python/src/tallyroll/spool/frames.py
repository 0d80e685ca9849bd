r"""The format of a segment: frames, one per event. Pure: bytes in, bytes out.

    frame = 0x1E | length: u32 | number: u32 | crc: u32 | payload | "\n"      (little-endian)

`number` counts the frames of the segment from 0, so that a gap says how many were lost. `crc` is
CRC-32 over length, number and payload. A payload is JSON in one line: it holds neither 0x1E nor a
line's end as a byte, so whatever breaks, the next frame is found by its mark.
"""

import struct
from typing import NamedTuple
from zlib import crc32

MARK, END = 0x1E, 0x0A
_HEAD = struct.Struct("<BIII")
_COUNTED = struct.Struct("<II")
OVERHEAD = _HEAD.size + 1
"""Bytes of a frame beside its payload."""
_CLOSED = b"}\n"
"""The end of every whole frame: a payload is a JSON object."""


def encode_frame(payload: bytes, number: int) -> bytes:
    """Return the frame of a payload, the `number`th of its segment."""
    length = len(payload)
    crc = crc32(payload, crc32(_COUNTED.pack(length, number)))
    return _HEAD.pack(MARK, length, number, crc) + payload + b"\n"


def read_frames(
    data: bytes, number: int, *, events_max: int, payload_bytes_max: int
) -> tuple[list[bytes], list[int]]:
    """Return the payloads at the beginning of `data`, and the offset at which each frame ends.

    Stops at the first frame that is damaged, incomplete or not the next by its number, and at the
    bounds; the first payload is returned even if it alone is above `payload_bytes_max`.
    """
    payloads: list[bytes] = []
    ends: list[int] = []
    at, size, head = 0, len(data), _HEAD.size
    while len(payloads) < events_max and size - at > head:
        mark, length, found, crc = _HEAD.unpack_from(data, at)
        end = at + head + length
        if mark != MARK or found != number or end >= size or data[end] != END:
            break
        payload = data[at + head : end]
        if crc32(payload, crc32(data[at + 1 : at + 9])) != crc:
            break
        payload_bytes_max -= length + 1
        if payloads and payload_bytes_max < 0:
            break
        payloads.append(payload)
        at, number = end + 1, number + 1
        ends.append(at)
    return payloads, ends


class Found(NamedTuple):
    """A whole frame somewhere in the data."""

    offset: int
    number: int


def find_frame(data: bytes, number: int) -> Found | None:
    """Return the first whole frame of at least this number; None if there is none."""
    at = -1
    while (at := data.find(MARK, at + 1)) >= 0 and len(data) - at > _HEAD.size:
        _, length, found, crc = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        if found < number or end >= len(data) or data[end] != END:
            continue
        if crc32(data[at + _HEAD.size : end], crc32(data[at + 1 : at + 9])) == crc:
            return Found(at, found)
    return None


def whole_frames_in(damaged: bytes) -> int:
    """Estimate how many frames a damaged stretch held; 0 for a single frame that is torn off."""
    return damaged.count(_CLOSED)
