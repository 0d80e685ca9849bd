"""Reading many good events at once: checked by columns, with the same result as one by one.

A pattern per field costs more than everything else about an event. Here the texts of all events
are checked together; whatever is unusual in one of them sends all of them to `judge`, which alone
decides what is wrong and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import pyarrow as pa

from services.metering.domain.event import (
    EVENT_BYTES_MAX,
    Name,
    OptionalName,
    WrittenEvent,
    digest,
    microseconds,
    plain_units,
)
from services.metering.domain.judge import AGE_MAX, EARLIEST, FUTURE_MAX, Rules
from services.metering.domain.token_types import KNOWN_TOKEN_TYPES
from shared.ids import canonical_event_id

NAME_CHARACTERS_MAX = 128
_NAME_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/@+-"
_TIME_LENGTHS = {20, 24, 27}
"""`2026-01-31T23:59:59Z`, also with three or six digits of a fraction."""
_TIME_TYPE = pa.timestamp("us", tz="UTC")
KEY_ORDERS_MAX = 10_000


_WITHOUT_PATTERN: dict[Any, Any] = {Name: str, OptionalName: str, Name | None: str | None}


def _without_pattern(field: msgspec.structs.FieldInfo) -> tuple[Any, ...]:
    kind = _WITHOUT_PATTERN.get(field.type, field.type)
    if field.required:
        return field.encode_name, kind
    is_made = field.default is msgspec.NODEFAULT
    return field.encode_name, kind, field.default_factory() if is_made else field.default


_PlainEvent = msgspec.defstruct(
    "_PlainEvent",
    [_without_pattern(field) for field in msgspec.structs.fields(WrittenEvent)],
    forbid_unknown_fields=True,
    gc=False,
)
"""`WrittenEvent` without the patterns of its names."""

_decode = msgspec.json.Decoder(_PlainEvent).decode
_astuple = msgspec.structs.astuple
Column = Sequence[Any]


@dataclass(frozen=True)
class PlainEvents:
    """Good events as columns. `ids` as they were written, `sizes` in bytes of JSON.

    `columns` are the fields of `TokenEvent` in their order, times as `microseconds`; what is a map
    has its keys in order.
    """

    ids: Column
    sizes: list[int]
    columns: list[Column]

    def fingerprints(self) -> list[bytes]:
        """Return the fingerprint of each."""
        return list(map(digest, zip(*self.columns, strict=True)))


class _UnusualError(Exception):
    """Something has to be looked at event by event."""


_UNUSUAL = (
    *(_UnusualError, msgspec.DecodeError, UnicodeDecodeError, RecursionError),
    pa.ArrowInvalid,
)


def read_plain(texts: Sequence[bytes | msgspec.Raw], rules: Rules) -> PlainEvents | None:
    """Return the events of these JSON texts; None unless every one is good and no correction."""
    sizes = [len(memoryview(text)) for text in texts]
    if not sizes or max(sizes) > EVENT_BYTES_MAX:
        return None
    try:
        columns: list[Column] = list(zip(*[_astuple(_decode(text)) for text in texts], strict=True))
        return PlainEvents(columns[0], sizes, _normalised(columns, rules))
    except _UNUSUAL:
        return None


def _normalised(columns: list[Column], rules: Rules) -> list[Column]:
    (ids, agents, models, providers, times, tenants, tokens, units, *others) = columns
    (context, tier, batch, speed, region, user, team, run, parent, *others) = others
    (purpose, status, tags, response, line, instrument, *others) = others
    (revision, corrects, action, reason, outcome, reservation) = others
    if {None} != {*corrects, *action}:
        raise _UnusualError
    _check_names(ids, agents, models, providers, optional=False)
    _check_names(tier, speed, region, user, team, run, parent, response, instrument, reservation)
    empty = ("",) * len(ids)
    who = [_tenants(tenants, rules), _canonical(ids), _times(times, rules), agents, models]
    what = [providers, _tokens(tokens, units), _units(units), context, tier, batch, speed, region]
    whose = [user, team, run, parent, purpose, status, _tags(tags), response, line, instrument]
    return [*who, *what, *whose, revision, empty, empty, reason, outcome, reservation]


def _check_names(*columns: Column, optional: bool = True) -> None:
    names = set(chain.from_iterable(columns))
    if "" in names:
        if not optional:
            raise _UnusualError
        names.discard("")
    if not names:
        return
    if max(map(len, names)) > NAME_CHARACTERS_MAX:
        raise _UnusualError
    # One pass over all names: what is left is the line feeds between them, and nothing else.
    left = "\n".join(names).encode().translate(None, _NAME_BYTES)
    if len(left) != len(names) - 1 or left.strip(b"\n"):
        raise _UnusualError


def _tenants(named: Column, rules: Rules) -> Column:
    distinct = set(named)
    if rules.bound_tenant is None:
        if distinct <= rules.known_tenants:
            return named
    elif distinct <= {None, rules.bound_tenant}:
        return (rules.bound_tenant,) * len(named)
    raise _UnusualError


def _canonical(ids: Column) -> Column:
    joined = "\n".join(ids)
    return ids if joined == joined.lower() else tuple(map(canonical_event_id, ids))


def _times(texts: Column, rules: Rules) -> Column:
    """Return microseconds since 1970."""
    ends = ("\n".join(texts) + "\n").count("Z\n")
    if not set(map(len, texts)) <= _TIME_LENGTHS or ends != len(texts):
        raise _UnusualError
    times: Column = (
        pa.array(texts, pa.string()).cast(_TIME_TYPE).cast(pa.int64()).to_numpy().tolist()
    )
    earliest = EARLIEST if rules.backfill else max(EARLIEST, rules.now - AGE_MAX)
    if min(times) < microseconds(earliest) or max(times) > microseconds(rules.now + FUTURE_MAX):
        raise _UnusualError
    return times


_orders: dict[tuple[str, ...], tuple[str, ...]] = {}
"""Known token types in the order in which they were written -> in order."""


def _tokens(counted: Column, units: Column) -> list[dict[str, int]]:
    ordered = []
    for tokens, other in zip(counted, units, strict=True):
        written = tuple(tokens)
        if not (written or other):
            raise _UnusualError
        order = _orders.get(written) or _order(written)
        ordered.append(tokens if order == written else {name: tokens[name] for name in order})
    return ordered


def _order(written: tuple[str, ...]) -> tuple[str, ...]:
    if not KNOWN_TOKEN_TYPES.issuperset(written):
        raise _UnusualError
    if len(_orders) >= KEY_ORDERS_MAX:
        _orders.clear()
    order = _orders[written] = tuple(sorted(written))
    return order


def _tags(written: Column) -> Column:
    if not any(written):
        return written
    return [dict(sorted(tags.items())) for tags in written]


def _units(written: Column) -> Column:
    if not any(written):
        return written
    return [{name: plain_units(value) for name, value in sorted(u.items())} for u in written]
