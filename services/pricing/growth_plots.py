"""Answers about growth as Vega-Lite specifications, with their figures inside."""

from services.pricing.growth_words import EFFECTS
from services.pricing.plotting import (
    AMOUNTS,
    BLUE,
    GREY,
    INK,
    ORANGE,
    Rows,
    Spec,
    days_of,
    plain,
    short,
    signed,
    spec_of,
)
from services.pricing.schemas.agents import RosterRead
from services.pricing.schemas.growth.enablement import EffectRead, EnablementRead
from services.pricing.schemas.growth.growth import Amount, GrowthRead

RISE, FALL, WHOLE, PART = BLUE, ORANGE, INK, GREY
SIGNS = {"domain": ["whole", "more", "less"], "range": [WHOLE, RISE, FALL]}
UNITS_OF = {"tokens": "tokens", "active_days": "active days"}


def growth_plot(read: GrowthRead) -> Spec:
    """Return a waterfall from the earlier total over the effects to the later one."""
    level = float(read.before)
    bars = [
        _bar(
            f"before \N{MIDDLE DOT} {days_of(read.base_first, read.base_end)}", 0.0, level, "whole"
        )
    ]
    for one in _told(read.effects):
        upper = level + float(one.amount)
        words = EFFECTS[one.name].format(unit=read.unit)
        name = f"{one.name.replace('_', ' ')} \N{MIDDLE DOT} {words}"
        bars.append(_bar(name, level, upper, "more" if upper > level else "less"))
        level = upper
    bars.append(
        _bar(
            f"after \N{MIDDLE DOT} {days_of(read.first, read.end)}", 0.0, float(read.after), "whole"
        )
    )
    place = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 330, "domain": False, "ticks": False},
    }
    amount = {"type": "quantitative", "title": read.currency or read.of, "axis": AMOUNTS}
    bar = {
        "y": place,
        "x": {"field": "from", **amount},
        "x2": {"field": "to"},
        "color": {"field": "sign", "type": "nominal", "scale": SIGNS, "legend": None},
        "tooltip": [{"field": "name"}, {"field": "change", "format": ",.2f"}],
    }
    label = {"y": place, "x": {"field": "end", **amount}, "text": {"field": "label"}}
    return spec_of(
        _growth_title(read),
        f"the effects sum to the change; {read.of} by {read.unit}",
        bars,
        height={"step": 32},
        layer=[
            {"mark": {"type": "bar", "size": 20}, "encoding": bar},
            {"mark": _text(), "encoding": label},
        ],
    )


def enablement_plot(read: EnablementRead) -> Spec:
    """Return each estimate with its interval beside its placebo, each figure on its own scale."""
    rows = [
        _estimate(UNITS_OF[one.figure], test, effect)
        for one in read.measured
        for test, effect in (("after training", one.effect), ("placebo before", one.placebo))
        if effect is not None and effect.lower is not None and effect.upper is not None
    ]
    colours = {"domain": ["after training", "placebo before"], "range": [RISE, PART]}
    colour = {"field": "test", "type": "nominal", "legend": None, "scale": colours}
    test = {"field": "test", "type": "nominal", "title": None, "sort": colours["domain"]}
    change = {
        "type": "quantitative",
        "title": "change, a user and day: estimate with its 95 % interval; 0 is no effect",
        "axis": AMOUNTS,
    }
    at = {"y": test, "color": colour, "x": {"field": "estimate", **change}}
    layers = [
        {
            "mark": {"type": "rule", "strokeDash": [4, 4], "color": INK},
            "encoding": {"x": {"datum": 0, "type": "quantitative"}},
        },
        {
            "mark": {"type": "rule", "size": 3},
            "encoding": {**at, "x": {"field": "lower", **change}, "x2": {"field": "upper"}},
        },
        {"mark": {"type": "point", "filled": True, "size": 110, "opacity": 1}, "encoding": at},
        {
            "mark": _text(),
            "encoding": {**at, "x": {"field": "upper", **change}, "text": {"field": "label"}},
        },
    ]
    return spec_of(
        _enablement_title(read),
        [
            f"{read.trained} people trained, {read.others} not; {read.days} days before and after",
            "an interval that holds 0 does not tell an effect from chance",
        ],
        rows,
        width=None,
        facet={
            "row": {
                "field": "figure",
                "type": "nominal",
                "title": None,
                "sort": list(UNITS_OF.values()),
                "header": {"labelAngle": 0, "labelOrient": "top", "labelAnchor": "start"},
            }
        },
        spec={"width": 560, "height": {"step": 34}, "layer": layers},
        resolve={"scale": {"x": "independent"}},
    )


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


def _growth_title(read: GrowthRead) -> str:
    change, of = float(read.change), read.of.capitalize()
    if not change:
        return f"{of} stayed at {short(float(read.after))}"
    went = "grew" if change > 0 else "fell"
    known = read.growth_percent is not None
    by = (
        f"by {plain(abs(float(read.growth_percent or 0)))} %"
        if known
        else f"by {short(abs(change))}"
    )
    effects = _told(read.effects)
    if not effects:
        return f"{of} {went} {by}"
    largest = max(effects, key=lambda one: float(one.amount) * (1 if change > 0 else -1))
    return f"{of} {went} {by}, the largest part by {largest.name.replace('_', ' ')}"


def _enablement_title(read: EnablementRead) -> str:
    effect = next((one.effect for one in read.measured if one.figure == "tokens"), None)
    if effect is None or effect.lower is None or effect.upper is None:
        return f"What {read.program} changed is not known yet"
    if float(effect.lower) <= 0 <= float(effect.upper):
        return f"{read.program.capitalize()} changed nothing that can be told from chance"
    return f"{read.program.capitalize()}: {signed(float(effect.estimate))} tokens a user and day"


def _estimate(figure: str, test: str, effect: EffectRead) -> Spec:
    lower, estimate, upper = (
        float(number or 0) for number in (effect.lower, effect.estimate, effect.upper)
    )
    label = f"{signed(estimate)}  ({short(lower)} … {short(upper)})"
    return {
        "figure": figure,
        "test": test,
        "estimate": estimate,
        "lower": lower,
        "upper": upper,
        "label": label,
    }


def _told(effects: list[Amount]) -> list[Amount]:
    return [one for one in effects if float(one.amount)]


def _bar(name: str, start: float, end: float, sign: str) -> Spec:
    label = short(end) if sign == "whole" else signed(end - start)
    return {
        "name": name,
        "from": start,
        "to": end,
        "end": max(start, end),
        "sign": sign,
        "change": end - start,
        "label": label,
    }


def _text() -> Spec:
    return {"type": "text", "align": "left", "dx": 6, "fontSize": 12, "color": INK}


def _spec(title: str, values: Rows, more: Spec) -> Spec:
    return spec_of(title, [], values, **more)
