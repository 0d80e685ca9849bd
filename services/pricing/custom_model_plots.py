"""A model of one's own as a Vega-Lite specification: its cost by volume, against today's."""

from collections.abc import Mapping, Sequence

from services.pricing.plotting import (
    AMOUNTS,
    BLUE,
    GREY,
    INK,
    ORANGE,
    Rows,
    Spec,
    dollars,
    float_of,
    short,
    spec_of,
)
from services.pricing.schemas.efficiency_report import CustomModelRead

MILLION = 1_000_000
BEYOND = 1.25
"""How far lines go on beyond the last point that matters."""


def custom_model_plot(case: CustomModelRead, days: str) -> Spec | None:
    """Return what a month costs by tokens on either model, with the volume at which both do alike.

    None where nothing of what it would replace was used: there is no mix to go by.
    """
    months, tokens = float_of(case.months), float_of(case.tokens)
    if not tokens:
        return None
    today, even = tokens / months, float_of(case.break_even_tokens)
    fixed, rate = float_of(case.fixed_a_month), float_of(case.per_million_tokens) / MILLION
    curves = {
        f"{case.replaces.model}, as now": (0.0, float_of(case.cost_now) / tokens),
        case.name: (fixed, rate),
    }
    farthest, million = max(today, even) * BEYOND, dollars(rate * MILLION)
    marks = _mark(today, f"used: {short(today)} a month", GREY, above=18)
    if case.break_even_tokens is not None:
        marks += _mark(even, f"pays from {short(even)} a month", ORANGE, above=4)
    return spec_of(
        _title(case, _rows(curves, (today,))),
        [
            f"{days}; of the mix of tokens that {case.replaces.model} served then",
            f"{dollars(fixed)} a month until training is paid; a million tokens {million}",
        ],
        _rows(curves, (0.0, farthest)),
        height=300,
        layer=[_lines(list(curves)), *marks, _points(_rows(curves, (today,)))],
    )


def _title(case: CustomModelRead, used: Rows) -> str:
    """Say what both curves say at the volume that was used."""
    now, own = (row["cost"] for row in used)
    verb = "save" if now >= own else "lose"
    title = f"{case.name} would {verb} {dollars(abs(now - own))} a month"
    return title if case.break_even_tokens is not None else f"{title}; no volume pays for it"


def _rows(curves: Mapping[str, tuple[float, float]], volumes: Sequence[float]) -> Rows:
    return [
        {"model": model, "tokens": tokens, "cost": fixed + rate * tokens}
        for model, (fixed, rate) in curves.items()
        for tokens in volumes
    ]


def _encoding() -> Spec:
    return {
        "x": {
            "field": "tokens",
            "type": "quantitative",
            "title": "tokens a month",
            "axis": AMOUNTS,
        },
        "y": {
            "field": "cost",
            "type": "quantitative",
            "title": "US dollars a month",
            "axis": AMOUNTS,
        },
    }


def _lines(models: Sequence[str]) -> Spec:
    colour = {
        "field": "model",
        "type": "nominal",
        "title": None,
        "scale": {"domain": models, "range": [INK, BLUE]},
        "legend": {"orient": "bottom", "symbolType": "stroke", "symbolStrokeWidth": 3},
    }
    return {
        "mark": {"type": "line", "strokeWidth": 3},
        "encoding": {**_encoding(), "color": colour},
    }


def _points(rows: Rows) -> Spec:
    """Return what either model costs at the volume that was used."""
    return {
        "data": {"values": rows},
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
        "encoding": {**_encoding(), "color": {"field": "model", "type": "nominal"}},
    }


def _mark(tokens: float, label: str, colour: str, *, above: int) -> list[Spec]:
    """Return a line at a volume, and its name above the plot."""
    data = {"values": [{"tokens": tokens, "label": label}]}
    at = {"x": _encoding()["x"]}
    text = {"type": "text", "y": -above, "baseline": "bottom", "fontSize": 12, "color": INK}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "strokeDash": [5, 4], "size": 2, "color": colour},
            "encoding": at,
        },
        {"data": data, "mark": text, "encoding": {**at, "text": {"field": "label"}}},
    ]
