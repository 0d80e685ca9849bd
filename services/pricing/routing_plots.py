"""What a routing policy would have saved, by agent, as a Vega-Lite specification."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.pricing.plotting import (
    AMOUNTS,
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE_BLUE,
    PURPLE,
    RED,
    Rows,
    Spec,
    dollars,
    float_of,
    percent,
    spec_of,
)
from services.pricing.schemas.efficiency_report import RoutingAgentRead, RoutingRead

SHOWN_MAX = 12
"""Agents with bars of their own; the others are one."""
ROW_HEIGHT, PLAIN = 46, {"domain": False, "ticks": False, "labelLimit": 260}
WAS, WOULD = "as it was", "with the policy"
STAYS, ROUTED = "held out: stays", "on the chosen model"
SPARED, LOST, REPEATED, ROUTER = "spared", "cache lost", "repeated", "the router"
COLOURS = {
    WAS: INK,
    STAYS: GREY,
    ROUTED: PALE_BLUE,
    SPARED: BLUE,
    LOST: ORANGE,
    REPEATED: RED,
    ROUTER: PURPLE,
}
FIGURES = ("baseline_cost", "held_out", "chosen_cost", "lost_cache", "repeated", "cheaper")
Parts = Mapping[str, float]


def routing_plot(policy: RoutingRead, days: str) -> Spec | None:
    """Return two panels: what was paid and would be, and what makes the difference.

    None where nobody asked for the baseline, or nothing of it has a price.
    """
    agents = _agents(policy.by_agent)
    if not agents:
        return None
    paid = [row for name, parts in agents.items() for row in _paid(name, parts)]
    made = [row for name, parts in agents.items() for row in _made(name, parts)]
    names = list(agents)
    if router := float_of(policy.router_cost):
        names.append(ROUTER)
        made.append({"name": ROUTER, "part": ROUTER, "rank": 0, "amount": -router})
    return spec_of(
        _title(policy),
        _subtitle(policy, days),
        [],
        width=None,
        hconcat=[_before_and_after(names, paid), _difference(names, made)],
        spacing=30,
    )


def _title(policy: RoutingRead) -> str:
    saving, share = float_of(policy.saving), float_of(policy.share)
    verb = "save" if saving >= 0 else "lose"
    return (
        f"{policy.chosen.model} for {policy.baseline.model} would {verb} {dollars(abs(saving))}"
        f" of {dollars(float_of(policy.baseline_cost))}: {percent(abs(share))}"
    )


def _subtitle(policy: RoutingRead, days: str) -> list[str]:
    stated = (policy.hold_out, policy.gate, policy.cache_loss)
    held, gate, lost = (percent(float_of(share)) for share in stated)
    return [
        f"{policy.name}, {days}",
        f"assumed: {held} held out, {gate} of the others pass, {lost} of cached input written anew",
    ]


def _agents(agents: Sequence[RoutingAgentRead]) -> dict[str, Parts]:
    """Return amounts by agent, the dearest first; many cheap ones are one."""
    dearest = sorted(agents, key=lambda one: (-float_of(one.baseline_cost), one.agent))
    named: dict[str, Parts] = {
        one.agent: {name: float_of(getattr(one, name)) for name in FIGURES}
        for one in dearest
        if float_of(one.baseline_cost)
    }
    rest = list(named)[SHOWN_MAX:]
    if rest:
        others = [named.pop(name) for name in rest]
        named[f"{len(rest)} others"] = {name: sum(one[name] for one in others) for name in FIGURES}
    return named


def _paid(name: str, parts: Parts) -> Iterator[dict[str, Any]]:
    """Return the pieces of both bars of an agent."""
    bars = {
        WAS: {WAS: parts["baseline_cost"]},
        WOULD: {
            STAYS: parts["held_out"],
            ROUTED: parts["chosen_cost"],
            LOST: parts["lost_cache"],
            REPEATED: parts["repeated"],
        },
    }
    for bar, pieces in bars.items():
        for rank, (part, amount) in enumerate(pieces.items()):
            yield {"name": name, "bar": bar, "part": part, "rank": rank, "amount": amount}


def _made(name: str, parts: Parts) -> Iterator[dict[str, Any]]:
    """Return what spares and what costs; all of it is the saving."""
    pieces = {SPARED: parts["cheaper"], LOST: -parts["lost_cache"], REPEATED: -parts["repeated"]}
    for rank, (part, amount) in enumerate(pieces.items()):
        if amount:
            yield {"name": name, "part": part, "rank": rank, "amount": amount}


def _before_and_after(names: Sequence[str], rows: Rows) -> Spec:
    return _panel(names, rows, "paid, US dollars", by_bar=True)


def _difference(names: Sequence[str], rows: Rows) -> Spec:
    return _panel(names, rows, "saved, US dollars: right is more, left is less", by_bar=False)


def _panel(names: Sequence[str], rows: Rows, title: str, *, by_bar: bool) -> Spec:
    """Return stacked bars with their sums beside them, one for each name, or one for each bar."""
    place: Spec = {"field": "name", "type": "nominal", "sort": list(names), "title": None}
    place["scale"] = {"domain": list(names), "paddingInner": 0.3}
    place["axis"] = PLAIN if by_bar else None
    y: Spec = {"y": place}
    if by_bar:
        y["yOffset"] = {"field": "bar", "sort": [WAS, WOULD], "scale": {"domain": [WAS, WOULD]}}
    amount = {"type": "quantitative", "title": title, "axis": AMOUNTS}
    colour = {
        "field": "part",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(COLOURS), "range": list(COLOURS.values())},
        "legend": {"orient": "bottom", "columns": 0},
    }
    drawn = {
        **y,
        "x": {"field": "amount", "stack": "zero", **amount},
        "order": {"field": "rank", "type": "quantitative"},
        "color": colour,
    }
    text = {"type": "text", "align": "left", "dx": 6, "fontSize": 12, "color": INK}
    written = {**y, "x": {"field": "end", **amount}, "text": {"field": "label"}}
    return {
        "width": 320 if by_bar else 280,
        "height": ROW_HEIGHT * len(names),
        "data": {"values": rows},
        "layer": [
            {"mark": {"type": "bar"}, "encoding": drawn},
            {"data": {"values": _sums(rows)}, "mark": text, "encoding": written},
        ],
    }


def _sums(rows: Rows) -> Rows:
    """Return what the pieces of each bar come to, and where it ends; thin losses in words."""
    sums: dict[tuple[str, str], list[float]] = {}
    lost: dict[tuple[str, str], str] = {}
    for row in rows:
        key = row["name"], row.get("bar", "")
        sums.setdefault(key, []).append(row["amount"])
        if row["part"] == LOST and row["amount"] < 0:
            lost[key] = f" \N{MIDDLE DOT} cache {dollars(row['amount'])}"
    return [
        {
            "name": name,
            "bar": bar,
            "end": sum(amount for amount in amounts if amount > 0),
            "label": dollars(sum(amounts)) + lost.get((name, bar), ""),
        }
        for (name, bar), amounts in sums.items()
    ]
