"""Many rows in one statement: a column each as an array, which `unnest` makes rows of again.

The text of such a statement is the same for any number of rows, so that it is prepared once.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, Text, bindparam
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import BindParameter

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def unnested(table: Table, names: Sequence[str], alias: str = "given") -> str:
    """Return a table expression of the columns' arrays, which are parameters of their names."""
    types = [table.c[name].type.compile(_DIALECT) for name in names]
    arrays = [f"cast(:{name} as {kind}[])" for name, kind in zip(names, types, strict=True)]
    return f"unnest({', '.join(arrays)}) as {alias}({', '.join(names)})"


def columns(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return rows as the parameters of such an expression."""
    taken = list(rows)
    return {name: [row[name] for row in taken] for name in names}


def array_of(values: Iterable[str]) -> BindParameter[Sequence[str]]:
    """Return texts as one parameter, for `column == any_(…)`: `in_` has one for each value."""
    return bindparam(None, list(values), type_=postgresql.ARRAY(Text), unique=True)
