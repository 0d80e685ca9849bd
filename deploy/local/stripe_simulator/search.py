"""Stripe's search language: `email:'a@b.c' AND metadata['tenant_id']:'acme'`."""

import re
from dataclasses import dataclass
from typing import Any

from deploy.local.stripe_simulator.errors import StripeError
from deploy.local.stripe_simulator.operations import Call
from deploy.local.stripe_simulator.shapes import Integer, Shape, Text
from deploy.local.stripe_simulator.state import Body

SEARCH = Shape(
    {"limit": Integer(least=1, most=100), "page": Text(), "query": Text(1000)}, required=("query",)
)
_CLAUSE = re.compile(
    r"""\s*(?P<not>-)?(?P<field>metadata\[(?:"[^"]*"|'[^']*')\]|[a-z_]+)\s*"""
    r"""(?P<operator>:|~|>=|<=|>|<)\s*(?P<value>"[^"]*"|'[^']*'|-?\d+|null)\s*"""
)
_JOIN = re.compile(r"(AND|OR)\b", re.IGNORECASE)
_SUBSTRING_MIN = 3


@dataclass(frozen=True)
class Searchable:
    """A type that can be searched: `fields` beside metadata and `created`."""

    kind: str
    url: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Clause:
    field: str
    key: str | None
    operator: str
    value: str | int | None
    negated: bool

    def holds(self, body: Body) -> bool:
        found = body[self.field] if self.key is None else body["metadata"].get(self.key)
        return self._compares(found) != self.negated

    def _compares(self, found: Any) -> bool:
        if self.value is None or found is None:
            return found is None and self.value is None
        if self.operator == ":":
            return str(found).lower() == str(self.value).lower()
        if self.operator == "~":
            return str(self.value).lower() in str(found).lower()
        order = {">": found > self.value, "<": found < self.value}
        return order[self.operator[0]] or ("=" in self.operator and found == self.value)


def search(call: Call, what: Searchable, bodies: list[Body]) -> Body:
    """Return a page of what matches, newest first; what is younger than the lag is not seen."""
    clauses, either = _parse(call.params["query"], what)
    latest = call.now - call.settings.search_lag_s
    join = any if either else all
    found = [
        body
        for body in reversed(bodies)
        if body["created"] <= latest and join(clause.holds(body) for clause in clauses)
    ]
    start, limit = _start(call.params.get("page")), call.params.get("limit", 10)
    has_more = len(found) > start + limit
    return {
        "object": "search_result",
        "data": found[start : start + limit],
        "has_more": has_more,
        "next_page": str(start + limit) if has_more else None,
        "url": what.url,
    }


def _start(page: str | None) -> int:
    if page is None:
        return 0
    if re.fullmatch(r"\d{1,9}", page, re.ASCII) is None:
        raise StripeError("Invalid page: pass the next_page of an answer.", param="page")
    return int(page)


def _parse(query: str, what: Searchable) -> tuple[list[Clause], bool]:
    clauses, joins, at = [], set(), 0
    while True:
        match = _CLAUSE.match(query, at)
        if match is None:
            raise _invalid(f"cannot read it at position {at}")
        clauses.append(_clause(match, what))
        at = match.end()
        if at == len(query):
            break
        join = _JOIN.match(query, at)
        if join is None:
            raise _invalid(f"cannot read it at position {at}")
        joins.add(join[1].upper())
        at = join.end()
    if len(joins) > 1:
        raise _invalid("AND and OR cannot be mixed")
    return clauses, joins == {"OR"}


def _clause(match: re.Match[str], what: Searchable) -> Clause:
    name, text, operator = match["field"], match["value"], match["operator"]
    key = name[len("metadata[") + 1 : -2] if name.startswith("metadata[") else None
    field = "metadata" if key is not None else name
    if key is None and field not in {*what.fields, "created"}:
        raise _invalid(f"{field} cannot be searched")
    quoted = text[0] in "\"'"
    value: str | int | None = text[1:-1] if quoted else None if text == "null" else int(text)
    if operator[0] in "<>" and not isinstance(value, int):
        raise _invalid(f"{field} needs a number")
    if field == "created" and not isinstance(value, int):
        raise _invalid("created needs a number")
    if operator == "~" and (not quoted or len(str(value)) < _SUBSTRING_MIN):
        raise _invalid(f"a substring has at least {_SUBSTRING_MIN} characters")
    return Clause(field, key, operator, value, negated=match["not"] is not None)


def _invalid(why: str) -> StripeError:
    return StripeError(f"We were unable to parse your search query: {why}.", param="query")
