"""The SDK's figures beside those of the others, for the page."""

from collections.abc import Sequence

from tests.bench.results import Figure
from tests.bench.shown import number

PART = "sdk"
OTHERS = f"{PART}: "
"""What the parts of the other SDKs begin with."""
OWN_NAME = "tallyroll"
LEGEND = (
    "The same event by each SDK's own call, with its defaults, in a fresh interpreter, to one local"
    " server that answers as theirs do; the median of each figure, the best in bold. Calls come in"
    " bursts of 5 (1,000/s) and 100 (20,000/s), on one thread. A call is delivered when the server"
    " has its event. Memory is over a bare interpreter. `kill -9` comes in the middle of 1,000/s; a"
    " call is lost if neither the program nor the one that comes after it sends its event."
)


def comparison(figures: Sequence[Figure]) -> list[str]:
    """Return the lines of the section; none without figures of the SDK."""
    columns: dict[str, dict[str, Figure]] = {}
    for figure in figures:
        if figure.part == PART or figure.part.startswith(OTHERS):
            columns.setdefault(figure.part, {})[figure.name] = figure
    if PART not in columns:
        return []
    return [
        "## The SDK beside others",
        "",
        LEGEND,
        "",
        f"| | unit | {' | '.join(map(_title, columns.values()))} |",
        "|" + "---|" * (len(columns) + 2),
        *(_row(figure, list(columns.values())) for figure in columns[PART].values()),
        "",
        *(f"* {_title(column)}: {_any(column).extra['remark']}." for column in columns.values()),
        "",
    ]


def _any(column: dict[str, Figure]) -> Figure:
    return next(iter(column.values()))


def _title(column: dict[str, Figure]) -> str:
    figure = _any(column)
    return f"{figure.part.removeprefix(OTHERS).replace(PART, OWN_NAME)} {figure.extra['version']}"


def _row(own: Figure, columns: Sequence[dict[str, Figure]]) -> str:
    medians = [column[own.name].median if own.name in column else None for column in columns]
    found = [median for median in medians if median is not None]
    best = number(max(found) if own.better == "more" else min(found))
    mark = f"**{best}**" if len(found) > 1 else best
    cells = [mark if number(median) == best else number(median) for median in medians]
    return f"| {own.name} | {own.unit} | {' | '.join(cells)} |"
