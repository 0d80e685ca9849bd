"""Form bodies and query strings with nested keys, as Stripe's SDKs write them."""

import re
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import unquote_plus

from deploy.local.stripe_simulator.errors import StripeError

Raw: TypeAlias = "str | dict[str, Raw]"

PAIRS_MAX = 20_000
DEPTH_MAX = 8
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")


def parse_form(text: str) -> dict[str, Raw]:
    """Turn `a[0][b]=1&c=2` into `{"a": {"0": {"b": "1"}}, "c": "2"}`.

    Lists stay mappings from their index; the parameter's shape knows which they are. A key given
    twice, a key that is a value and a mapping at once, and text that is no UTF-8 are refused.
    """
    root: dict[str, Raw] = {}
    pairs = [pair for pair in text.split("&") if pair]
    if len(pairs) > PAIRS_MAX:
        raise StripeError(f"A request holds at most {PAIRS_MAX} parameters.", status=413)
    for pair in pairs:
        name, _, value = pair.partition("=")
        _place(root, name, _decoded(value))
    return root


def _decoded(text: str) -> str:
    if "%" not in text and "+" not in text and "\0" not in text:
        return text
    try:
        decoded = unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise StripeError("A parameter is no valid UTF-8.") from None
    if "\0" in decoded:
        raise StripeError("A parameter holds a NUL character.", code="invalid_characters")
    return decoded


def _place(root: dict[str, Raw], name: str, value: str) -> None:
    *parents, leaf = _path(name)
    here = root
    for part in parents:
        below = here.setdefault(part, {})
        if isinstance(below, str):
            raise _ambiguous(name)
        here = below
    if leaf in here:
        raise _ambiguous(name)
    here[leaf] = value


@lru_cache(maxsize=8192)
def _path(escaped: str) -> tuple[str, ...]:
    """Cut a key as it stands on the wire into its parts; the same keys come over and over."""
    name = _decoded(escaped)
    match = _KEY.fullmatch(name)
    if match is None:
        raise StripeError(f"Invalid parameter name: {name[:200]}", param=name[:200])
    path = (match[1], *_PART.findall(match[2]))
    if len(path) > DEPTH_MAX or "" in path:
        raise StripeError(f"Invalid parameter name: {name[:200]}", param=name[:200])
    return path


def _ambiguous(escaped: str) -> StripeError:
    name = _decoded(escaped)[:200]
    return StripeError(f"Parameter given more than once: {name}", param=name)
