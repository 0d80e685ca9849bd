"""Plots as Vega-Lite specs with their data in them, and as pairs of files: spec and PNG.

Nothing is computed from the numbers of a plot: they are binary, the exact ones are in the answers.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from shared.money import parse_exact

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
VEGA_LITE = "5.20"
SCALE = 2
WIDTH = 620

BLUE, ORANGE, RED, GREY = "#2f6db3", "#e8882e", "#c0392b", "#8a8f98"
INK, PURPLE, PALE_BLUE, PALE_ORANGE = "#333a45", "#8e6bb0", "#a9c5e6", "#f4c796"
SERIES = (BLUE, ORANGE, "#5fa55a", PURPLE, "#3aa6a6", "#b0843a", "#d17ba6")
"""Told apart by people who do not see red and green apart: they differ in lightness, too."""

Spec = dict[str, Any]
Rows = list[dict[str, Any]]

SHORT = (
    "abs(datum.value) < 1 ? format(datum.value, '.3~r')"
    " : replace(format(datum.value, '.3~s'), 'G', 'B')"
)
"""Labels of an axis: 1.5k, 20M, 3B; its own format would have one prefix for all of them."""
AMOUNTS = {"labelExpr": SHORT, "tickCount": 8, "labelOverlap": True}
"""An axis of amounts."""
UNITS = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))


def spec_of(title: str, subtitle: str | list[str], rows: Rows, **more: Any) -> Spec:
    """Return a spec with its data in it; a `width` of None is for what has none of its own."""
    spec = {
        "$schema": SCHEMA,
        "title": {"text": title, "subtitle": subtitle, "anchor": "start", "offset": 14},
        "data": {"values": rows},
        "background": "white",
        "config": {
            "view": {"stroke": None},
            "axis": {"labelFontSize": 12, "titleFontSize": 12, "gridColor": "#eceef1"},
            "axisY": {"labelLimit": 260},
            "legend": {"labelFontSize": 12, "titleFontSize": 12, "labelLimit": 260},
            "header": {"labelFontSize": 13, "titleFontSize": 12},
            "title": {
                "fontSize": 16,
                "subtitleFontSize": 12,
                "subtitleColor": GREY,
                "subtitlePadding": 5,
            },
        },
        "width": WIDTH,
        **more,
    }
    return {name: value for name, value in spec.items() if value is not None}


def short(number: float) -> str:
    """Return a number as labels have it: three digits, and k, M or B."""
    for unit, letter in UNITS:
        if abs(number) >= unit:
            return f"{plain(number / unit)}{letter}"
    return plain(number)


def plain(number: float) -> str:
    """Return a number with three digits at least, and no zeros behind the point."""
    if abs(number) < 1:
        text = f"{number:.3g}"
    else:
        text = f"{number:,.{max(3 - len(str(int(abs(number)))), 0)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "\N{MINUS SIGN}")


def signed(number: float, words: Callable[[float], str] = short) -> str:
    """Return a change as labels have it, with its sign."""
    return f"+{words(number)}" if number > 0 else words(number)


def dollars(number: float) -> str:
    """Return US dollars as labels have them; the sign stands before the unit."""
    text = short(number)
    return f"\N{MINUS SIGN}${text[1:]}" if number < 0 else f"${text}"


def percent(share: float) -> str:
    """Return a share as labels have it."""
    return f"{plain(share * 100)} %"


def float_of(exact: str | None) -> float:
    """Return an exact number for a picture: the one place where it need not be exact."""
    return 0.0 if exact is None else float(parse_exact(exact))


def days_of(first: date, end: date) -> str:
    """Return the days `[first, end)` by the first and the last of them."""
    return f"{first} \N{EN DASH} {end - timedelta(days=1)}"


def write_plots(plots: Mapping[str, Spec], folder: Path) -> list[Path]:
    """Write each plot as `NAME.vl.json` and `NAME.png`; return the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, spec in plots.items():
        picture = folder / f"{name}.png"
        (folder / f"{name}.vl.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
        picture.write_bytes(png_of(spec))
        pictures.append(picture)
    return pictures


def png_of(spec: Spec) -> bytes:
    """Return a plot as a PNG; nothing is loaded from anywhere."""
    import vl_convert  # noqa: PLC0415 - 80 MB that few commands need

    return bytes(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=SCALE))
