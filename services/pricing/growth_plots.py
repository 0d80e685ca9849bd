"""Answers about growth as Vega-Lite specifications, with their figures inside.

Nothing is computed from the numbers of a plot: they are binary, the exact ones are in the answer.
"""

from typing import Any

from services.pricing.schemas.agents import RosterRead
from services.pricing.schemas.growth.contribution import ContributionsRead
from services.pricing.schemas.growth.enablement import EnablementRead
from services.pricing.schemas.growth.growth import Amount, GrowthRead

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
WIDTH = 560
RISE, FALL, WHOLE, PART = "#2a7f62", "#b5483a", "#4a5568", "#7a8aa0"
SIGNS = {"domain": ["whole", "more", "less"], "range": [WHOLE, RISE, FALL]}


def growth_plot(read: GrowthRead) -> Spec:
    """Return a waterfall from the earlier total over the effects to the later one."""
    bars = [_bar(str(read.base_first), 0.0, float(read.before), "whole")]
    level = float(read.before)
    for one in _told(read.effects):
        upper = level + float(one.amount)
        bars.append(
            _bar(one.name.replace("_", " "), level, upper, "more" if upper > level else "less")
        )
        level = upper
    bars.append(_bar(str(read.first), 0.0, float(read.after), "whole"))
    title = f"{read.of} by {read.unit}: {read.base_first} to {read.end}"
    encoding = {
        "x": {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": _flat()},
        "y": {"field": "from", "type": "quantitative", "title": _unit(read), "axis": _short()},
        "y2": {"field": "to"},
        "color": {"field": "sign", "type": "nominal", "scale": SIGNS, "legend": None},
        "tooltip": [{"field": "name"}, {"field": "change", "format": ",.2f"}],
    }
    return _spec(title, bars, {"mark": {"type": "bar", "size": 36}, "encoding": encoding})


def contribution_plot(read: ContributionsRead) -> Spec:
    """Return the points of each part: bars of one comparison, or stacked over several."""
    points = [
        {"days": str(one.first), "name": part.name, "points": float(part.points)}
        for one in read.comparisons
        for part in one.parts
        if part.points is not None
    ]
    amount = {"field": "points", "type": "quantitative", "title": "percentage points of growth"}
    name = {"field": "name", "type": "nominal", "title": read.by}
    title = f"What each {read.by} made of the growth of {read.of}"
    if len(read.comparisons) > 1:
        encoding: Spec = {
            "x": {"field": "days", "type": "ordinal", "title": "days from", "axis": _flat()},
            "y": {**amount, "stack": True},
            "color": name,
        }
    else:
        encoding = {
            "y": {**name, "sort": None, "axis": {"labelLimit": 240}},
            "x": amount,
            "color": {
                "condition": {"test": "datum.points < 0", "value": FALL},
                "value": RISE,
            },
        }
    encoding["tooltip"] = [{"field": "name"}, {"field": "points", "format": ",.3f"}]
    return _spec(title, points, {"mark": "bar", "encoding": encoding})


def enablement_plot(read: EnablementRead) -> Spec:
    """Return each estimate with its interval beside its placebo, each figure on its own scale."""
    rows = [
        {
            "figure": one.figure.replace("_", " "),
            "test": test,
            "estimate": float(effect.estimate),
            "lower": float(effect.lower),
            "upper": float(effect.upper),
        }
        for one in read.measured
        for test, effect in (("after training", one.effect), ("placebo before", one.placebo))
        if effect is not None and effect.lower is not None and effect.upper is not None
    ]
    colour = {"field": "test", "type": "nominal", "legend": None, "scale": {"range": [RISE, PART]}}
    test = {"field": "test", "type": "nominal", "title": None}
    interval = {"field": "lower", "type": "quantitative", "title": "a user and day, 95 % interval"}
    layers = [
        {"mark": {"type": "rule", "strokeDash": [4, 4]}, "encoding": {"x": {"datum": 0}}},
        {
            "mark": {"type": "rule", "size": 3},
            "encoding": {"y": test, "x": interval, "x2": {"field": "upper"}, "color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": {
                "y": test,
                "x": {"field": "estimate", "type": "quantitative"},
                "color": colour,
            },
        },
    ]
    title = f"What {read.program} changed: {read.trained} trained against {read.others} others"
    facet = {
        "facet": {"row": {"field": "figure", "type": "nominal", "title": None}},
        "spec": {"width": WIDTH, "height": 90, "layer": layers},
        "resolve": {"scale": {"x": "independent"}},
    }
    spec = _spec(title, rows, facet)
    del spec["width"]
    return spec


def roster_plot(read: RosterRead) -> Spec:
    """Return what each agent cost now and before, the dearest first."""
    rows = [
        {"agent": f"{one.tenant}/{one.agent}", "days": days, "cost": float(cost)}
        for one in read.agents
        for days, cost in (("before", one.cost_before), ("now", one.cost))
    ]
    colours = {"domain": ["before", "now"], "range": [PART, RISE]}
    encoding = {
        "y": {"field": "agent", "type": "nominal", "sort": None, "title": None},
        "yOffset": {"field": "days", "sort": ["before", "now"]},
        "x": {"field": "cost", "type": "quantitative", "title": "cost in US dollars"},
        "color": {"field": "days", "type": "nominal", "scale": colours, "title": None},
    }
    title = f"Agents, {read.first} to {read.end}"
    return _spec(title, rows, {"mark": "bar", "encoding": encoding})


def _told(effects: list[Amount]) -> list[Amount]:
    return [one for one in effects if float(one.amount)]


def _bar(name: str, start: float, end: float, sign: str) -> Spec:
    return {"name": name, "from": start, "to": end, "sign": sign, "change": end - start}


def _unit(read: GrowthRead) -> str:
    return read.currency or read.of


def _flat() -> Spec:
    return {"labelAngle": -30}


def _short() -> Spec:
    # An axis' own format has one prefix for all of its labels: 0.1k.
    return {"labelExpr": "format(datum.value, '.3~s')"}


def _spec(title: str, values: list[Spec], more: Spec) -> Spec:
    return {
        "$schema": SCHEMA,
        "title": title,
        "width": WIDTH,
        "data": {"values": values},
        **more,
    }
