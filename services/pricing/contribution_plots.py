"""Contributions to growth as Vega-Lite specifications, each with its "without it" line."""

from collections.abc import Iterator, Sequence
from typing import Any

from services.pricing.plotting import (
    AMOUNTS,
    BLUE,
    GREY,
    INK,
    ORANGE,
    SERIES,
    Rows,
    Spec,
    days_of,
    plain,
    short,
    signed,
    spec_of,
)
from services.pricing.schemas.growth.contribution import (
    ContributionRead,
    ContributionsRead,
    PartRead,
)

OTHERS = "all others"
POINTS = "percentage points of growth"
FLAT_MAX = 6
"""Days that stand beside each other without being turned."""
FULL, DASHED = (1, 0), (5, 4)
PLAIN = {"domain": False, "ticks": False}


def contribution_plot(read: ContributionsRead) -> Spec:
    """Return the points of each part: bars of one comparison, or stacked over several.

    Beside them stands what growth would have been had a part stood still; over several comparisons
    had that part done so which moved most.
    """
    if len(read.comparisons) == 1:
        return _one(read, read.comparisons[0])
    return _several(read)


def _one(read: ContributionsRead, found: ContributionRead) -> Spec:
    """Return two panels side by side; amounts where there is no percentage of nothing."""
    in_points = found.growth_percent is not None
    whole = float(found.growth_percent or 0) if in_points else float(found.change)
    unit = "%" if in_points else read.currency or read.of
    rows = [_row(part, whole, in_points=in_points) for part in found.parts]
    days = days_of(found.first, found.end), days_of(found.base_first, found.base_end)
    return spec_of(
        _title(read, found),
        [
            f"{days[0]} against {days[1]}, by {read.by}",
            "left: bars sum to the growth. Right: growth of the whole, had the part stood still",
        ],
        rows,
        width=None,
        hconcat=[_bars(f"{_points(unit)} of growth"), _without(whole, unit)],
        spacing=40,
    )


def _points(unit: str) -> str:
    return "percentage points" if unit == "%" else unit


def _row(part: PartRead, whole: float, *, in_points: bool) -> dict[str, Any]:
    points = float((part.points if in_points else part.change) or 0)
    without = float(part.growth_if_unchanged or 0) if in_points else whole - points
    return {
        "name": part.name,
        "points": points,
        "without": without,
        "whole": whole,
        "sign": "more" if points >= 0 else "less",
        "end": max(points, 0.0),
        "label": signed(points, plain) if in_points else signed(points),
        "without_label": plain(without) if in_points else short(without),
        "rest": part.growth_of_the_rest,
    }


def _title(read: ContributionsRead, found: ContributionRead) -> str:
    change, of = float(found.change), read.of.capitalize()
    moved = f"{of} {'grew' if change >= 0 else 'fell'} by "
    if found.growth_percent is None:
        unit = f" {read.currency}" if read.currency else ""
        return f"{moved}{short(abs(change))}{unit}: there was nothing to grow from"
    moved += f"{plain(abs(float(found.growth_percent)))} %"
    if not found.parts or not change:
        return moved
    first = found.parts[0]
    return f"{moved}; without {first.name} by {plain(float(first.growth_if_unchanged or 0))} %"


def _bars(title: str) -> Spec:
    place = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": PLAIN}
    amount = {"field": "points", "type": "quantitative", "title": title, "axis": AMOUNTS}
    colour = {
        "field": "sign",
        "type": "nominal",
        "scale": {"domain": ["more", "less"], "range": [BLUE, ORANGE]},
        "legend": None,
    }
    both = {"y": place, "x": amount}
    tips = [{"field": name} for name in ("name", "points", "without", "rest")]
    return {
        "width": 330,
        "height": {"step": 28},
        "layer": [
            {
                "mark": {"type": "bar", "size": 17},
                "encoding": {**both, "color": colour, "tooltip": tips},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 7, "fontSize": 12, "color": INK},
                "encoding": {**both, "x": {**amount, "field": "end"}, "text": {"field": "label"}},
            },
        ],
    }


def _without(whole: float, unit: str) -> Spec:
    place = {"field": "name", "type": "nominal", "sort": None, "axis": None}
    title = f"growth without it, {unit}"
    amount = {
        "type": "quantitative",
        "title": title,
        "scale": {"zero": False, "padding": 36},
        "axis": AMOUNTS,
    }
    both = {"y": place, "x": {"field": "without", **amount}}
    told = plain(whole) if unit == "%" else short(whole)
    level = [{"at": whole, "label": f"with all: {told}"}]
    at = {"x": {"field": "at", **amount}}
    return {
        "width": 250,
        "height": {"step": 28},
        "layer": [
            {
                "data": {"values": level},
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": INK, "size": 1.5},
                "encoding": at,
            },
            {
                "data": {"values": level},
                "mark": {"type": "text", "y": -9, "color": INK, "fontSize": 12},
                "encoding": {**at, "text": {"field": "label"}},
            },
            {
                "mark": {"type": "rule", "color": GREY, "size": 2},
                "encoding": {**both, "x2": {"field": "whole"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1, "color": INK},
                "encoding": both,
            },
            *_labels(both),
        ],
    }


def _labels(at: Spec) -> Iterator[Spec]:
    """Return labels beyond a dot, on the side that the line comes to it from afar."""
    for test, align, dx in (("<", "right", -8), (">=", "left", 8)):
        yield {
            "transform": [{"filter": f"datum.without {test} datum.whole"}],
            "mark": {"type": "text", "align": align, "dx": dx, "fontSize": 12, "color": INK},
            "encoding": {**at, "text": {"field": "without_label"}},
        }


def _several(read: ContributionsRead) -> Spec:
    """Return a stack for each comparison that has a percentage, with growth as a line."""
    known = [one for one in read.comparisons if one.growth_percent is not None]
    names = _largest(known)
    rows = [_piece(one, part, names) for one in known for part in one.parts]
    colours = {"domain": [*names, OTHERS], "range": [*SERIES[: len(names)], GREY]}
    if not any(row["name"] == OTHERS for row in rows):
        colours = {"domain": names, "range": list(SERIES[: len(names)])}
    days = {
        "field": "days",
        "type": "ordinal",
        "title": "days from",
        "axis": {"labelAngle": 0 if len(known) <= FLAT_MAX else -40, "ticks": False},
    }
    points = {"field": "points", "type": "quantitative", "title": POINTS, "axis": AMOUNTS}
    bars = {
        "x": days,
        "y": {**points, "aggregate": "sum", "stack": "zero"},
        "order": {"field": "rank", "type": "quantitative"},
        "color": {"field": "name", "type": "nominal", "scale": colours, "title": None},
    }
    layer = [
        {"mark": {"type": "bar", "size": 34}, "encoding": bars},
        _line(_levels(known), {"x": days, "y": points}),
    ]
    if names:
        layer.append(_line(_levels(known, names[0]), {"x": days, "y": points}, DASHED))
    told = f" Dashed: what it would have been, had {names[0]} stood still" if names else ""
    return spec_of(
        _title_of_several(read, names),
        ["each stack sums to the growth against the days before", f"line: growth.{told}"],
        rows,
        height=320,
        layer=layer,
    )


def _largest(known: Sequence[ContributionRead]) -> list[str]:
    """Return the parts with colours of their own: those that moved most over all comparisons."""
    moved: dict[str, float] = {}
    for one in known:
        for part in one.parts:
            if part.kind != "others":
                moved[part.name] = moved.get(part.name, 0.0) + abs(float(part.points or 0))
    return sorted(moved, key=lambda name: (-moved[name], name))[: len(SERIES)]


def _piece(one: ContributionRead, part: PartRead, names: Sequence[str]) -> dict[str, Any]:
    """Return a part of a stack; `rank` is its place in it."""
    name = part.name if part.name in names else OTHERS
    rank = [*names, OTHERS].index(name)
    return {"days": str(one.first), "name": name, "rank": rank, "points": float(part.points or 0)}


def _levels(known: Sequence[ContributionRead], without: str | None = None) -> Rows:
    """Return the growth of each comparison, or what it would have been without a part."""
    levels = []
    for one in known:
        still = next((part for part in one.parts if part.name == without), None)
        growth = one.growth_percent if still is None else still.growth_if_unchanged
        levels.append({"days": str(one.first), "points": float(growth or 0)})
    return levels


def _line(levels: Rows, at: Spec, dash: Sequence[int] = FULL) -> Spec:
    mark = {"type": "line", "color": INK, "strokeWidth": 2, "strokeDash": list(dash)}
    point = {"size": 60, "stroke": INK, "fill": INK if dash == FULL else "white"}
    return {"data": {"values": levels}, "mark": {**mark, "point": point}, "encoding": at}


def _title_of_several(read: ContributionsRead, names: Sequence[str]) -> str:
    if not names:
        return f"Growth of {read.of}: there was nothing to grow from"
    return f"Growth of {read.of} by {read.by}: {names[0]} moved it most"
