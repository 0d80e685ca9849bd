"""The SDK's normalisers and the server speak of the same token types."""

import ast
from pathlib import Path

from services.metering.domain.token_types import KNOWN_TOKEN_TYPES

SOURCES = Path(__file__).parents[2] / "sdk/python/src/tallyroll/usage"


def _counted_types() -> set[str]:
    """Return the types that any normaliser adds to, with `{…}` where a part is filled in."""
    found = set()
    for path in SOURCES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".add"):
                found.add(ast.unparse(node.args[0]).strip("f'"))
    return {name for name in found if name.startswith(("input", "output"))}


def test_every_type_that_is_counted_is_known_to_the_server() -> None:
    """A type that the server does not know would make every event that has it a rejected one."""
    ttls = {"input_cache_write_{ttl}": {"input_cache_write_5m", "input_cache_write_1h"}}
    counted = {one for name in _counted_types() for one in ttls.get(name, {name})}

    assert KNOWN_TOKEN_TYPES == counted
