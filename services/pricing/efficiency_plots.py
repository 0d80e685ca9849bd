"""Efficiency as Vega-Lite specifications; each title says what is seen."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from services.pricing.custom_model_plots import custom_model_plot
from services.pricing.plotting import (
    AMOUNTS,
    BLUE,
    INK,
    ORANGE,
    PALE_BLUE,
    PALE_ORANGE,
    Spec,
    days_of,
    dollars,
    float_of,
    percent,
    spec_of,
)
from services.pricing.routing_plots import routing_plot
from services.pricing.schemas.efficiency_report import CacheUseRead, EfficiencyRead, WasteRow

SHOWN_MAX = 15
"""Agents and models with a bar of their own; the others are one."""
CACHES = {
    "saved by reads": BLUE,
    "lost by writes": ORANGE,
    "could be saved, at the target": PALE_BLUE,
}
WASTE = {
    "broke off": ORANGE,
    "broke off: thinking": PALE_ORANGE,
    "failed": BLUE,
    "failed: thinking": PALE_BLUE,
}
Amounts = tuple[float, ...]
Row = TypeVar("Row", CacheUseRead, WasteRow)


def plots_of(found: EfficiencyRead) -> dict[str, Spec]:
    """Return the plots of an answer by name; one that has nothing to show is left out."""
    days = days_of(found.start, found.end)
    made = {"caches": _caches(found, days), "waste": _waste(found, days)}
    for number, policy in enumerate(found.routing, start=1):
        made[f"routing-{number}"] = routing_plot(policy, days)
    for number, model in enumerate(found.custom_models, start=1):
        made[f"custom-model-{number}"] = custom_model_plot(model, days)
    return {name: spec for name, spec in made.items() if spec is not None}


@dataclass(frozen=True)
class _Bar:
    """Amounts that are stacked: those above 0 to the right, those below to the left."""

    name: str
    amounts: Amounts

    @property
    def size(self) -> float:
        return sum(map(abs, self.amounts))

    @property
    def end(self) -> float:
        """Where the bar ends on the right."""
        return sum(amount for amount in self.amounts if amount > 0)


def _caches(found: EfficiencyRead, days: str) -> Spec | None:
    """Return what reads saved against what writes lost, and what the target would add."""

    def amounts(use: CacheUseRead) -> Amounts:
        saved, lost = float_of(use.saved_by_reads), float_of(use.lost_by_writes)
        return saved, -lost, float_of(use.could_save)

    bars = _bars({name: amounts(use) for name, use in _named(found.cache.by_agent_and_model)})
    if not bars:
        return None
    saved, could = float_of(found.cache.saved), float_of(found.cache.could_save)
    title = f"Caches {'saved' if saved >= 0 else 'lost'} {dollars(abs(saved))}"
    if could > 0:
        title += f", and could save {dollars(could)} more"
    told = f"{days}; what is left of the reads when the writes are paid stands beside the bar"
    return _stacked(
        (title, told), CACHES, bars, lambda bar: dollars(bar.amounts[0] + bar.amounts[1])
    )


def _waste(found: EfficiencyRead, days: str) -> Spec | None:
    """Return what broke off and what failed, the thinking in each apart."""

    def amounts(row: WasteRow) -> Amounts:
        thought = float_of(row.aborted_reasoning), float_of(row.failed_reasoning)
        aborted, failed = float_of(row.aborted), float_of(row.failed)
        return aborted - thought[0], thought[0], failed - thought[1], thought[1]

    rows, total = _named(found.waste.by_agent_and_model), found.waste.total
    bars = _bars({name: amounts(row) for name, row in rows})
    if not bars:
        return None
    costs = {name: float_of(row.cost) for name, row in rows}

    def label(bar: _Bar) -> str:
        cost = costs.get(bar.name)
        return dollars(bar.size) + (f", {percent(bar.size / cost)} of its cost" if cost else "")

    lost = dollars(float_of(total.aborted) + float_of(total.failed))
    title = f"Of {dollars(float_of(total.cost))}, {lost} came to nothing"
    title += f": {percent(float_of(total.share))}"
    cost = found.waste.retried.cost
    repeats = "is not known" if cost is None else f"cost {dollars(float_of(cost))}"
    told = f"{days}; at least. What repeated other requests {repeats}, and is in no bar"
    return _stacked((title, told), WASTE, bars, label)


def _named(rows: Sequence[Row]) -> list[tuple[str, Row]]:
    """Return rows with names of their own: with the provider where a model has several."""
    names = [f"{row.agent} \N{MIDDLE DOT} {row.model}" for row in rows]
    several = {name for name, count in Counter(names).items() if count > 1}
    return [
        (f"{name} \N{MIDDLE DOT} {row.provider}" if name in several else name, row)
        for name, row in zip(names, rows, strict=True)
    ]


def _bars(amounts: Mapping[str, Amounts]) -> list[_Bar]:
    """Return bars, the longest first; many short ones are one."""
    bars = [_Bar(name, parts) for name, parts in amounts.items() if any(parts)]
    bars.sort(key=lambda bar: (-bar.size, bar.name))
    rest = bars[SHOWN_MAX:]
    if not rest:
        return bars
    sums = tuple(map(sum, zip(*(bar.amounts for bar in rest), strict=True)))
    return [*bars[:SHOWN_MAX], _Bar(f"{len(rest)} others", sums)]


def _stacked(
    told: tuple[str, str],
    colours: Mapping[str, str],
    bars: Sequence[_Bar],
    label: Callable[[_Bar], str],
) -> Spec:
    """Return stacked bars with a label beside each."""
    rows: list[dict[str, Any]] = [
        {"name": bar.name, "part": part, "rank": rank, "amount": amount}
        for bar in bars
        for rank, (part, amount) in enumerate(zip(colours, bar.amounts, strict=True))
        if amount
    ]
    labels = [{"name": bar.name, "end": bar.end, "label": label(bar)} for bar in bars]
    plain = {"domain": False, "ticks": False, "labelLimit": 320}
    place = {
        "field": "name",
        "type": "nominal",
        "sort": [bar.name for bar in bars],
        "title": None,
        "axis": plain,
    }
    amount = {"type": "quantitative", "title": "US dollars", "axis": AMOUNTS}
    parts = {
        "field": "part",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": {"orient": "bottom"},
    }
    drawn = {
        "y": place,
        "x": {"field": "amount", "stack": "zero", **amount},
        "order": {"field": "rank", "type": "quantitative"},
        "color": parts,
    }
    text = {"type": "text", "align": "left", "dx": 7, "fontSize": 12, "color": INK}
    written = {"y": place, "x": {"field": "end", **amount}, "text": {"field": "label"}}
    return spec_of(
        *told,
        rows,
        height={"step": 28},
        layer=[
            {"mark": {"type": "bar", "size": 17}, "encoding": drawn},
            {"data": {"values": labels}, "mark": text, "encoding": written},
        ],
    )
