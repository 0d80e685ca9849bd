"""Attribution as W3C baggage (https://www.w3.org/TR/baggage/): one header, across processes.

`tallyroll.tenant=acme,tallyroll.run=0193…,tallyroll.tag.feature=search`, beside what others put
there. Values are percent-encoded UTF-8.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from urllib.parse import quote, unquote

from tallyroll.context.attribution import Attribution

HEADER = "baggage"
MEMBERS_MAX = 64
"""List members of a header, inclusive: what the specification makes everyone pass on."""
BYTES_MAX = 8_192
"""Bytes of a header, inclusive, by the same rule."""
PREFIX = "tallyroll."
TAG_PREFIX = "tallyroll.tag."
TAGS_MAX = 20
TAG_CHARACTERS_MAX = 500
KEYS = {
    "tenant": "tenant",
    "agent": "agent",
    "run": "run_id",
    "parent_run": "parent_run_id",
    "user": "user",
    "team": "team",
    "purpose": "purpose",
}
"""Key behind the prefix -> field of the event."""
PURPOSES = ("production", "explore", "eval")

_IN_KEYS = "!#$&'*+-.^_`|~"
"""Left as they are in keys, beside letters and digits: RFC 9110's token without the percent."""
_IN_VALUES = "!#$&'()*-./:<=>?@[]^_`{|}~"
"""All that a value may have but the plus, which OpenTelemetry's propagator reads as a blank."""
_NAME = re.compile(r"[A-Za-z0-9_.:/@+-]{1,128}")
"""As the server takes them."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def members(header: str) -> list[str]:
    """Return the list members of a header, as they stand there."""
    return [member for part in header.split(",") if (member := part.strip(" \t"))]


def written(attribution: Mapping[str, object], header: str) -> tuple[str, bool]:
    """Return the header with this attribution in place of an older one; False if parts are missing.

    Members of others are kept, as they stand and before ours. Ours go in while the specification's
    limits allow: all fields or none (half of an attribution would be another one), then tags.
    """
    kept = [member for member in members(header) if not _key(member).startswith(PREFIX)]
    fields = [
        f"{PREFIX}{key}={quote(value, safe=_IN_VALUES)}"
        for key, field in KEYS.items()
        if isinstance(value := attribution.get(field), str) and value
    ]
    if not _fits([*kept, *fields]):
        return ",".join(kept), False
    whole, complete = [*kept, *fields], True
    for tag in _tag_members(attribution.get("tags")):
        if _fits([*whole, tag]):
            whole.append(tag)
        else:
            complete = False
    return ",".join(whole), complete


def _tag_members(tags: object) -> Iterator[str]:
    if isinstance(tags, Mapping):
        for name, value in tags.items():
            if isinstance(name, str) and isinstance(value, str):
                key = quote(name, safe=_IN_KEYS)
                yield f"{TAG_PREFIX}{key}={quote(value, safe=_IN_VALUES)}"


def _fits(whole: list[str]) -> bool:
    return len(whole) <= MEMBERS_MAX and len(",".join(whole).encode()) <= BYTES_MAX


def _key(member: str) -> str:
    return member.partition(";")[0].partition("=")[0].strip(" \t")


def read(header: str) -> Attribution:
    """Return what a header says for us. What the server would not take is left out."""
    entries: list[tuple[str, str]] = []
    for member in members(header):
        key, equals, value = member.partition(";")[0].partition("=")
        text = _decoded(value.strip(" \t"))
        if equals and text is not None:
            entries.append((key.strip(" \t"), text))
    return of_entries(entries)


def of_entries(entries: Iterable[tuple[str, object]]) -> Attribution:
    """Return what baggage says for us that others have read: its keys as they came, values plain.

    What the server would not take is left out.
    """
    found: dict[str, str] = {}
    tags: dict[str, str] = {}
    for key, text in entries:
        if not isinstance(text, str):
            continue
        if key.startswith(TAG_PREFIX):
            _take_tag(tags, _decoded(key.removeprefix(TAG_PREFIX)), text)
        elif key.startswith(PREFIX) and (field := KEYS.get(key.removeprefix(PREFIX))):
            _take(found, field, text)
    if "run_id" not in found:
        found.pop("parent_run_id", None)
    attribution: Attribution = {**found}  # type: ignore[typeddict-item]  # by KEYS and _take
    if tags:
        attribution["tags"] = tags
    return attribution


def _decoded(text: str) -> str | None:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return None


def _take(found: dict[str, str], field: str, text: str) -> None:
    good = text in PURPOSES if field == "purpose" else _NAME.fullmatch(text)
    if good:
        found[field] = text


def _take_tag(tags: dict[str, str], name: str | None, text: str) -> None:
    if name is None or not _NAME.fullmatch(name) or _CONTROL.search(text):
        return
    if len(text) <= TAG_CHARACTERS_MAX and (name in tags or len(tags) < TAGS_MAX):
        tags[name] = text


def header_of(headers: object) -> str:
    """Return all baggage headers as one; of a mapping or of pairs, of text or bytes."""
    pairs = headers.items() if hasattr(headers, "items") else headers
    if not isinstance(pairs, Iterable):
        return ""
    return ",".join(
        text
        for name, value in pairs
        if _text(name).lower() == HEADER
        for text in map(_text, value if isinstance(value, list | tuple) else [value])
    )


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


def put(headers: MutableMapping[str, str], attribution: Mapping[str, object]) -> bool:
    """Write this attribution into the headers; False if parts of it found no room."""
    names = [name for name in headers if name.lower() == HEADER]
    header = ",".join(headers[name] for name in names)
    text, complete = written(attribution, header)
    for name in names[1:] if text else names:
        del headers[name]
    if text:
        headers[names[0] if names else HEADER] = text
    return complete
