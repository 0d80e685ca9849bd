"""Bodies of requests as JSON that says one thing: what a parser would guess is refused.

Python's parser takes the last of two equal keys, reads NaN, makes infinity of 1e400 and texts that
are no Unicode, and nests as deep as its stack. Each of these is a fault with its place.
"""

import json
import math
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Fault, TallyrollError
from shared.faults import printable
from shared.problems import problem_response

DEPTH_MAX = 64
"""Objects and lists inside each other."""

VALUES_MAX = 200_000
"""Values in one body, so that no request keeps the others waiting."""

FAULTS_MAX = 100
WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
JSON_TYPE = b"application/json"


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, equal keys included."""


class _NotFinite:
    """What JSON has no number for."""


def json_faults(text: bytes) -> list[Fault]:
    """Return everything in a JSON text that could be read in two ways, or by no other program.

    At most `FAULTS_MAX` faults. Raises ValueError or RecursionError where it is no JSON at all.
    """
    root = json.loads(text, object_pairs_hook=_Pairs, parse_constant=lambda _: _NotFinite())
    faults: list[Fault] = []
    for fault in _faults(root):
        faults.append(fault)
        if len(faults) == FAULTS_MAX:
            break
    return faults


def _faults(root: Any) -> Iterator[Fault]:
    left: list[tuple[Any, str, int]] = [(root, "", 0)]
    seen = 0
    while left:
        value, path, depth = left.pop()
        seen += 1
        if seen > VALUES_MAX:
            yield Fault("too_many_values", "", f"A body has at most {VALUES_MAX} values.")
            return
        if isinstance(value, list) and depth == DEPTH_MAX:
            yield Fault("too_deep", path, f"Values nest at most {DEPTH_MAX} deep.")
        elif isinstance(value, _Pairs):
            yield from _key_faults(value, path)
            parts = [(part, _below(path, name), depth + 1) for name, part in value]
            left.extend(reversed(parts))
        elif isinstance(value, list):
            items = [(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(value)]
            left.extend(reversed(items))
        else:
            yield from _value_faults(value, path)


def _below(path: str, name: str) -> str:
    return f"{path}.{printable(name)}" if path else printable(name)


def _key_faults(pairs: _Pairs, path: str) -> Iterator[Fault]:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            yield Fault("duplicate_key", _below(path, name), "This key stands here twice.")
        seen.add(name)
        yield from _value_faults(name, _below(path, name))


def _value_faults(value: Any, path: str) -> Iterator[Fault]:
    if isinstance(value, str):
        if "\0" in value or not _is_unicode(value):
            message = "A text is Unicode, without lone surrogates and NUL."
            yield Fault("invalid_text", path, message)
    elif isinstance(value, _NotFinite) or (isinstance(value, float) and math.isinf(value)):
        yield Fault("not_finite", path, "JSON has no NaN and no infinity, nor has Tallyroll.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class StrictJson:
    """ASGI middleware: refuses bodies that are no JSON, too large, or of two meanings.

    With 415 `unsupported_media_type`, 413 `body_too_large` and 400 `invalid_json`. A body without
    a media type is taken for JSON.
    """

    def __init__(self, app: ASGIApp, *, bytes_max: int, apart: tuple[str, ...] = ()) -> None:
        """Stand in front of an application whose bodies are all JSON, but for paths `apart`."""
        self._app = app
        self._bytes_max = bytes_max
        self._apart = apart

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body, and hand it on as it came."""
        is_read = scope["type"] == "http" and scope["method"] in WITH_BODY
        if not is_read or scope["path"].startswith(self._apart):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(Request(scope, receive))
        except TallyrollError as error:
            await problem_response(error)(scope, receive, send)
            return
        if body and not Request(scope).headers.get("content-type"):
            scope = {**scope, "headers": [*scope["headers"], (b"content-type", JSON_TYPE)]}
        await self._app(scope, _again(body, receive), send)

    async def _read(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._bytes_max:
                message = f"A body has at most {self._bytes_max} bytes."
                status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                raise TallyrollError("body_too_large", message, status)
        if body:
            _refuse_other_types(request)
            _refuse_faults(bytes(body))
        return bytes(body)


def _refuse_other_types(request: Request) -> None:
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = named == "application/json" or (
        named.startswith("application/") and named.endswith("+json")
    )
    if (named and not is_json) or "content-encoding" in request.headers:
        message = "Send plain JSON, with the header Content-Type: application/json."
        status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        raise TallyrollError("unsupported_media_type", message, status)


def _refuse_faults(body: bytes) -> None:
    try:
        faults = json_faults(body)
    except json.JSONDecodeError as error:
        message = f"The body is no JSON: {error.msg}, line {error.lineno}, column {error.colno}."
        raise TallyrollError("invalid_json", message) from error
    except (ValueError, RecursionError) as error:
        message = "The body is no JSON that can be read."
        raise TallyrollError("invalid_json", message) from error
    if faults:
        message = f"The body has {len(faults)} faults; none of it was read."
        raise TallyrollError("invalid_json", message, faults=faults)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, once."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give
