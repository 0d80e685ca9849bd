"""The published table: the JSON of runs as Markdown, missed rows written as missed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from rich.table import Table

from tests.bench.results import Figure, Missing, Run
from tests.bench.sdk.table import OTHERS, comparison
from tests.bench.shown import number, ratio

PATH = "docs/reference/performance.md"
LEGEND = (
    "The limit is what this machine does when only the unavoidable is done: a producer of the same"
    " records, decoding alone, COPY alone, the SQL alone. Plain is tests/bench/plain.py:"
    " FastStream, pydantic and a SQLAlchemy upsert per event."
)


@dataclass(frozen=True)
class Goal:
    """A row of the table of goals: the figure it is about, at least, and what is aimed at."""

    text: str
    part: str
    name: str
    least: float
    aim: float
    times_plain: float = 0.0


GOALS = (
    Goal("ingest, batch 500, acknowledged", "ingest", "batch 500 x 16", 120_000, 250_000),
    Goal("ingest, batch 1, 32 connections", "ingest", "batch 1 x 32", 4_000, 10_000),
    Goal("worker, exact dedup, 5,000 keys", "worker", "5,000 keys", 120_000, 300_000, 30),
    Goal("the same with response_id", "worker", "5,000 keys, response_id", 60_000, 120_000, 30),
    Goal("end to end, sustained", "end to end", "HTTP to queryable", 60_000, 120_000),
    Goal("freshness p99 at half load", "freshness", "p99", 2_000, 500),
    Goal("recount of 10 M events", "recount", "seconds", 30, 5),
    Goal("usage query p95, 10 M rollup rows", "query", "p95", 50, 10),
    Goal("worker memory", "worker", "memory, 5,000 keys", 500, 250),
    Goal("rating, one core", "rating", "200 rows, 12 charges", 1_000, 5_000),
    Goal("closing a month, 10,000 tenants", "closing", "seconds", 60, 20),
    Goal("memory of closing, 10,000 tenants", "closing", "memory", 500, 500),
    Goal("live bill p95", "bill", "p95", 50, 50),
    Goal("reservation p99 at 200/s", "envelopes", "reservation p99 at 200/s", 20, 20),
    Goal("backtest: 10 plans, 1,000 tenants, a year", "simulation", "seconds", 60, 10),
    Goal("memory of a backtest, 1,000 tenants", "simulation", "memory", 1_024, 1_024),
    Goal("invoices sent, 10,000 statements", "invoicing", "no limits", 150, 150),
    Goal("the same for each core of invoicing", "invoicing", "of one core of invoicing", 150, 150),
    Goal("memory of invoicing, 10,000 statements", "invoicing", "memory", 400, 400),
    Goal("within Stripe's limits", "invoicing", "share of the best schedule", 90, 95),
    Goal("SDK: capture p50 at 20,000/s, on disk", "sdk", "capture p50, 20,000/s", 15, 8),
    Goal("SDK: capture p99 at 20,000/s, on disk", "sdk", "capture p99, 20,000/s", 60, 30),
    Goal("SDK: sustained from one process", "sdk", "calls made, of 20,000/s", 19_900, 19_900),
    Goal("SDK: of a core meanwhile", "sdk", "of a core meanwhile", 60, 60),
    Goal("SDK: wrap() adds to a call", "sdk", "wrap() adds to a chat call, p50", 100, 50),
    Goal("SDK: import", "sdk", "import", 60, 60),
    Goal("SDK: memory over the interpreter", "sdk", "memory under that load", 30, 30),
)

SIZES = ("10 M", "10,000 tenants", "1,000 tenants", "10,000 statements")
"""Goals that are for this much and no less."""


def verdict(goal: Goal, figure: Figure | None, *, scale: float = 1.0) -> str:
    """Tell whether a goal is reached, by the median; a goal of a size needs a run of that size."""
    if figure is None:
        return "not measured"
    if scale < 1 and any(size in goal.text for size in SIZES):
        return f"not measured at that size: {scale:g} of it"
    more = figure.better == "more"
    reached = [figure.median >= v if more else figure.median <= v for v in (goal.least, goal.aim)]
    if goal.times_plain and (figure.times(figure.plain) or 0) < goal.times_plain:
        return f"**missed**: {ratio(figure.times(figure.plain))} plain"
    return "met, aim met" if all(reached) else "met" if reached[0] else "**missed**"


def terminal(figures: list[Figure]) -> Table:
    """Return the figures for a terminal."""
    names = ("part", "figure", "unit", "min", "median", "max", "limit", "of limit", "of plain")
    table = Table(*names, border_style="dim")
    for row in _rows(figures):
        table.add_row(*row)
    return table


SETTING = "TALLYROLL_"
"""What the names of settings begin with."""


def _rows(figures: list[Figure]) -> Iterator[tuple[str, ...]]:
    for f in figures:
        spread = (number(min(f.values)), number(f.median), number(max(f.values)))
        ratios = (ratio(f.times(f.limit)), ratio(f.times(f.plain)))
        yield (f.part, f.name, f.unit, *spread, number(f.limit), *ratios)


def joined(runs: Sequence[Run]) -> Run:
    """Return several runs as one: the figures of a part are those of the last run that has it.

    Settings, which concern single parts, are those of all runs. Raises ValueError for runs on
    different machines, or of different sizes.
    """
    *_, last = runs
    if any((_bare(run), run.scale) != (_bare(last), last.scale) for run in runs):
        raise ValueError("runs of one page are of one machine and one size")
    figures: dict[str, list[Figure]] = {}
    missing: dict[str, Missing] = {}
    for run in runs:
        for figure in run.figures:
            missing.pop(figure.part, None)
        missing |= {one.part: one for one in run.missing}
        parts = dict.fromkeys(figure.part for figure in run.figures)
        figures |= {part: [f for f in run.figures if f.part == part] for part in parts}
    flat = [figure for own in figures.values() for figure in own]
    machine = {name: value for run in runs for name, value in run.machine.items()}
    return msgspec.structs.replace(
        last, machine=machine, figures=flat, missing=list(missing.values())
    )


def _bare(run: Run) -> dict[str, str]:
    """Return the machine without the settings that its run had."""
    return {name: value for name, value in run.machine.items() if not name.startswith(SETTING)}


def markdown(*runs: Run) -> str:
    """Return the page; raises ValueError for runs that do not belong together."""
    run = joined(runs)
    found = {(figure.part, figure.name): figure for figure in run.figures}
    machine = [f"* {name}: {value}" for name, value in run.machine.items()]
    goals = [
        f"| {goal.text} | {number(goal.least)} | {number(goal.aim)} | {_median(figure)} |"
        f" {verdict(goal, figure, scale=run.scale)} |"
        for goal, figure in ((g, found.get((g.part, g.name))) for g in GOALS)
    ]
    head = "| part | figure | unit | min | median | max | limit | of limit | of plain |"
    missing = [f"* {one.part}: {one.reason}" for one in run.missing]
    ours = [figure for figure in run.figures if not figure.part.startswith(OTHERS)]
    scaled = "" if run.scale == 1 else f" Run at {run.scale:g} of the full number of events."
    commands = " and ".join(
        f"`{one.command}` ({one.began:%Y-%m-%d}, every figure {one.repeats} times)" for one in runs
    )
    measured = (
        f"Measured by {commands}, with broker, database, services and load generator on one"
        f" machine. Every run checked its totals.{scaled}"
    )
    return "\n".join(
        [
            "# Performance",
            "",
            "<!-- Made by `python -m tests.bench table` from files of var/bench. -->",
            "",
            measured,
            "",
            *machine,
            "",
            "## Goals",
            "",
            "| | at least | aim | median | |",
            "|---|---|---|---|---|",
            *goals,
            "",
            "## All figures",
            "",
            LEGEND,
            "",
            head,
            "|" + "---|" * 9,
            *("| " + " | ".join(row) + " |" for row in _rows(ours)),
            "",
            *comparison(run.figures),
            *([*missing, ""] if missing else []),
        ]
    )


def _median(figure: Figure | None) -> str:
    return "-" if figure is None else f"{number(figure.median)} {figure.unit}"
