"""Reading a request's body under caps, and splitting it into events before any is judged."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Literal, NoReturn

import msgspec
import pyarrow as pa

from services.metering.domain.faults import is_no_json
from shared.errors import Fault, TallyrollError

WIRE_BYTES_MAX = 2 * 1024 * 1024
UNPACKED_BYTES_MAX = 16 * 1024 * 1024
EVENTS_PER_REQUEST_MAX = 1_000
Compression = Literal["gzip", "zstd"]
COMPRESSIONS: dict[str, Compression] = {"gzip": "gzip", "zstd": "zstd"}
READ_BYTES = 256 * 1024
LISTED_BYTES_MAX = 256 * 1024
"""So many bytes of `1,1,1,…` are a list of 8 MiB; more of them are counted before they are kept."""
DEEP_BYTES_MAX = 2 * 1024 * 1024

_BYTE = re.compile(r"\(byte (\d+)\)")
_EVENTS = re.compile(rb'\s*\{\s*"events"\s*:\s*')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]+|[\]}]+|,', re.DOTALL)
"""A string that never ends is one token too: tried again at each of its quotes, it would cost the
square of its length."""

EventText = msgspec.Raw | bytes


_ABSENT = msgspec.Raw()


class _Wrapped(msgspec.Struct, gc=False):
    events: msgspec.Raw = _ABSENT


_Listed = msgspec.defstruct(
    "_Listed",
    [(f"event_{index}", msgspec.Raw, _ABSENT) for index in range(EVENTS_PER_REQUEST_MAX + 1)],
    array_like=True,
    gc=False,
)
"""The first events of an array. A list would hold millions of them for a body of `1,1,1,…`, which
weighs hundreds of megabytes before it can be refused."""
_decode_wrapped = msgspec.json.Decoder(_Wrapped).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_listed = msgspec.json.Decoder(_Listed).decode


async def read_body(chunks: AsyncIterator[bytes], content_encoding: str) -> bytes:
    """Return the unpacked body; refuses with 413 or 415 before more than the caps is in memory."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > WIRE_BYTES_MAX:
            _refuse_size("body_too_large", f"A body has at most {WIRE_BYTES_MAX} bytes.")
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        return bytes(body)
    if encoding not in COMPRESSIONS:
        message = "A body is plain, gzip or zstd, packed once."
        status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        raise TallyrollError("unsupported_encoding", message, status, encoding[:64])
    return _unpack(bytes(body), COMPRESSIONS[encoding])


def _unpack(packed: bytes, compression: Compression) -> bytes:
    unpacked = bytearray()
    try:
        with pa.CompressedInputStream(pa.BufferReader(packed), compression) as stream:
            # Counted while it is read: what a frame says of its own size is not trusted.
            while chunk := stream.read(READ_BYTES):
                unpacked += chunk
                if len(unpacked) > UNPACKED_BYTES_MAX:
                    message = f"An unpacked body has at most {UNPACKED_BYTES_MAX} bytes."
                    _refuse_size("unpacked_body_too_large", message)
    except OSError as error:
        raise TallyrollError("invalid_encoding", "The body cannot be unpacked.") from error
    return bytes(unpacked)


def _refuse_size(code: str, message: str) -> NoReturn:
    raise TallyrollError(code, message, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def split(body: bytes) -> list[EventText]:
    """Return the JSON text of each event of one object, an array, or `{"events": […]}`.

    Raises `invalid_json` with the place for what is no JSON, `too_many_events` above 1,000.
    """
    events: list[EventText]
    try:
        events = [*_split_fast(body)]
    except RecursionError:
        events = [*_split_deep(body)]
    except UnicodeDecodeError as error:
        raise _invalid_json(body, error.start, "a name is no valid UTF-8") from error
    except msgspec.ValidationError as error:
        message = 'The body is an event, an array of events, or {"events": […]}.'
        raise TallyrollError("invalid_body", message) from error
    except msgspec.DecodeError as error:
        if is_no_json(error) or len(body) > DEEP_BYTES_MAX or not _is_balanced(body):
            raise invalid_json(body, error) from error
        events = [*_split_deep(body)]
    if len(events) > EVENTS_PER_REQUEST_MAX:
        message = f"A request carries at most {EVENTS_PER_REQUEST_MAX} events."
        _refuse_size("too_many_events", message)
    return events


def _split_fast(body: bytes) -> list[msgspec.Raw]:
    if not body.lstrip().startswith(b"{"):
        return _listed(body)
    events = _decode_wrapped(body).events
    if events is _ABSENT:
        return [msgspec.Raw(body)]
    head = _EVENTS.match(body)
    if head is None or body[head.end() + len(memoryview(events)) :].strip() != b"}":
        raise _other_fields()
    return _listed(events)


def _listed(array: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    if len(memoryview(array)) <= LISTED_BYTES_MAX:
        return _decode_list(array)
    return [
        event for event in msgspec.structs.astuple(_decode_listed(array)) if event is not _ABSENT
    ]


def _other_fields() -> TallyrollError:
    message = 'Beside "events" the body has no other fields, and "events" stands there once.'
    return TallyrollError("invalid_body", message, subject="events")


def _split_deep(body: bytes) -> list[bytes]:
    """Split a body that a parser gives up on, by counting brackets.

    It is nested too deeply for recursion, or has text that is no Unicode. One monstrous event
    must not take its neighbours with it. Bounded, since this is slow.
    """
    if len(body) > DEEP_BYTES_MAX:
        message = f"A body above {DEEP_BYTES_MAX} bytes is not nested so deeply."
        raise TallyrollError("nested_too_deep", message)
    start, level, depth = body.find(b"["), 1, 0
    head = body[: max(start, 0)].strip()
    if body.lstrip().startswith(b"{"):
        if not re.fullmatch(rb'\{\s*"events"\s*:', head):
            return [body]
        level, depth = 2, 1
    events, begin = [], start + 1
    for token in _TOKEN.finditer(body, start):
        first, length = token[0][:1], len(token[0])
        if first in b"[{":
            depth += length
        elif first in b"]}":
            depth -= length
            if depth < level:
                end = token.start() + depth + length - level
                events.append(body[begin:end])
                _check_end(body, end + 1, wrapped=level > 1)
                return events if len(events) > 1 or events[0].strip() else []
        elif first == b"," and depth == level:
            events.append(body[begin : token.start()])
            begin = token.end()
    raise _invalid_json(body, len(body), "input data was truncated")


def _check_end(body: bytes, end: int, *, wrapped: bool) -> None:
    rest = body[end:].strip()
    if wrapped and rest != b"}":
        raise _other_fields()
    if not wrapped and rest:
        raise _invalid_json(body, body.index(rest, end), "trailing characters")


def _is_balanced(body: bytes) -> bool:
    opened = closed = 0
    for token in _TOKEN.finditer(body):
        opened += len(token[0]) * (token[0][:1] in b"[{")
        closed += len(token[0]) * (token[0][:1] in b"]}")
    return opened == closed


def invalid_json(body: bytes, error: msgspec.DecodeError, *, base: int = 0) -> TallyrollError:
    """Return the refusal of a body that is no JSON, with the byte, line and column.

    `base` is where the part begins in the body that the error speaks of.
    """
    match = _BYTE.search(str(error))
    reason = re.sub(r" \(byte \d+\)", "", str(error)).removeprefix("JSON is malformed: ")
    return _invalid_json(body, base + int(match[1]) if match else len(body), reason)


def _invalid_json(body: bytes, offset: int, reason: str) -> TallyrollError:
    line = body.count(b"\n", 0, offset) + 1
    column = offset - (body.rfind(b"\n", 0, offset) + 1) + 1
    place = f"byte {offset}, line {line}, column {column}"
    message = f"The body is no JSON at {place}: {reason[0].lower()}{reason[1:]}."
    return TallyrollError(
        "invalid_json", message, subject=place, faults=[Fault("invalid_json", place, reason)]
    )
