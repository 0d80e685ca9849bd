"""Amazon's event streams as bytes: frames of headers and a payload, each with two checksums.

Source: smithy.io, "Amazon Event Stream Specification".
"""

import base64
import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

from sdk.python.tests.wrapping.wire import Answer

Events = Iterable[tuple[str, Mapping[str, Any]]]
"""(type of the event, its payload) …"""
TEXT = 7
"""The type of a header that is a text."""
REQUEST_ID = "3f1c2f0e-0000-4000-8000-000000000001"


def frame(kind: str, payload: Mapping[str, Any], *, message: str = "event") -> bytes:
    """Return one frame; `message` is "event" or "exception"."""
    body = json.dumps(payload).encode()
    headers = b"".join(
        _header(name, value)
        for name, value in (
            (f":{message}-type", kind),
            (":content-type", "application/json"),
            (":message-type", message),
        )
    )
    prelude = struct.pack("!II", 4 * 4 + len(headers) + len(body), len(headers))
    framed = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return framed + struct.pack("!I", crc32(framed))


def _header(name: str, value: str) -> bytes:
    return struct.pack(
        f"!B{len(name)}sBH{len(value)}s",
        len(name),
        name.encode(),
        TEXT,
        len(value),
        value.encode(),
    )


def event_stream(events: Events, *, cut: bool = False) -> Answer:
    """Return an answer that is a stream of events."""
    parts = tuple(frame(kind, payload) for kind, payload in events)
    return stream_of(parts, cut=cut)


def stream_of(parts: Iterable[bytes], *, cut: bool = False) -> Answer:
    """Return an answer of these frames."""
    kind = "application/vnd.amazon.eventstream"
    return Answer(parts, content_type=kind, headers={"x-amzn-RequestId": REQUEST_ID}, cut=cut)


def native(chunks: Iterable[Mapping[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return a vendor's own chunks as InvokeModelWithResponseStream packs them."""
    return [
        ("chunk", {"bytes": base64.b64encode(json.dumps(chunk).encode()).decode()})
        for chunk in chunks
    ]
