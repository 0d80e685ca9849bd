"""Efficiency as files: every figure as JSON, and as one CSV table for each kind of row."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel

from services.pricing.csv_tables import csv_table
from services.pricing.schemas.efficiency import ModelNamed, UnpricedRead
from services.pricing.schemas.efficiency_report import (
    CacheUseRead,
    CustomModelRead,
    EfficiencyRead,
    RoutingAgentRead,
    RoutingRead,
    WasteRead,
    WasteRow,
)
from shared.money import format_shown, parse_exact

NOT_KNOWN = "not known"
"""What a cell says of a figure that the usage does not tell: neither 0 nor nothing."""

TEXTS = ("agent", "provider", "model", "name", "kind", "reason")
LISTS = ("unpriced", "by_agent")
"""What is a table of its own."""


def write_files(found: EfficiencyRead, folder: Path) -> list[Path]:
    """Write `efficiency.json` and the tables; return the files. Those of before are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"efficiency.json": found.model_dump_json(indent=2) + "\n"}
    texts |= {f"{name}.csv": text for name, text in efficiency_tables(found).items()}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return [folder / name for name in texts]


def efficiency_tables(found: EfficiencyRead) -> dict[str, str]:
    """Return tables by name, each with its header line even if there is no row."""
    routing = found.routing
    return {
        "caches": _table(CacheUseRead, found.cache.by_agent_and_model),
        "waste": _waste(found.waste),
        "routing": _table(RoutingRead, routing),
        "routing-by-agent": csv_table(
            ("policy", *_columns(RoutingAgentRead)),
            [(policy.name, *_cells(one)) for policy in routing for one in policy.by_agent],
        ),
        "custom-models": _table(CustomModelRead, found.custom_models),
        "unpriced": csv_table(
            ("of", *_columns(UnpricedRead)),
            [(of, *_cells(one)) for of, rows in _unpriced(found) for one in rows],
        ),
    }


def _unpriced(found: EfficiencyRead) -> Iterator[tuple[str, list[UnpricedRead]]]:
    yield "caches", found.cache.unpriced
    yield "waste", found.waste.unpriced
    yield from ((policy.name, policy.unpriced) for policy in found.routing)
    yield from ((model.name, model.unpriced) for model in found.custom_models)


def _waste(found: WasteRead) -> str:
    retried = {
        (one.agent, one.provider, one.model): _cell("cost", one.cost)
        for one in found.retried.by_agent_and_model
    }
    return csv_table(
        (*_columns(WasteRow), "retried"),
        [
            (*_cells(row), retried.get((row.agent, row.provider, row.model), NOT_KNOWN))
            for row in found.by_agent_and_model
        ],
    )


def _table(model: type[BaseModel], rows: Iterable[BaseModel]) -> str:
    return csv_table(_columns(model), map(_cells, rows))


def _columns(model: type[BaseModel]) -> list[str]:
    return [name for name in model.model_fields if name not in LISTS]


def _cells(row: BaseModel) -> list[object]:
    return [_cell(name, getattr(row, name)) for name in _columns(type(row))]


def _cell(name: str, value: object) -> object:
    """Return a value as a spreadsheet reads it: 7/19 would be a day of July."""
    if isinstance(value, ModelNamed):
        return f"{value.provider}/{value.model}"
    if isinstance(value, str) and name not in TEXTS:
        return format_shown(parse_exact(value))
    return value
