"""Answers about growth, as a terminal shows them."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Answer = Mapping[str, Any]

PLACES = 2
EFFECTS = {
    "breadth": "more or fewer {unit}s",
    "group_mix": "which tenants they belong to",
    "frequency": "active days of each",
    "depth": "tokens of an active day",
    "model_mix": "models and kinds of the tokens",
    "price": "price of a token",
    "idle": "corrections beyond usage",
    "without_tokens": "tokens that were taken back",
    "other_usage": "units that are no tokens",
    "fees": "due by days: fees, seats, true-ups",
    "beside_tokens": "fees and units that are no tokens",
}


def number(text: str | None) -> str:
    """Return a decimal for people: thousands apart, two places; n/a where there is none."""
    if text is None:
        return "n/a"
    whole, _, places = text.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    if not places:
        return f"{sign}{int(digits):,}"
    cents = int(digits + places[: PLACES + 1].ljust(PLACES + 1, "0"))
    rounded = str((cents + 5) // 10).rjust(PLACES + 1, "0")
    return f"{sign}{int(rounded[:-PLACES]):,}.{rounded[-PLACES:]}"


def show_growth(console: Console, read: Answer) -> None:
    """Print the whole, its effects, its cohorts and how tokens are distributed."""
    what = f"{read['of']} in {read['currency']}" if read["currency"] else read["of"]
    change, percent = number(read["change"]), number(read["growth_percent"])
    console.print(
        f"{what}, {read['base_from']} to {read['to']}: {number(read['before'])} → "
        f"{number(read['after'])}, {change} ({percent} %)"
    )
    table = table_of("by factor", "effect", "what changed", read["of"])
    for one in _told(read["effects"]):
        words = EFFECTS[one["name"]].format(unit=read["unit"])
        table.add_row(one["name"].replace("_", " "), words, number(one["amount"]))
        if one["name"] == "depth":
            for part in _told(read["depth"] or ()):
                table.add_row("", f"  {part['name'].replace('_', ' ')}", number(part["amount"]))
    table.add_section()
    table.add_row("change", "", change)
    console.print(table)
    if read["cohorts"] is not None:
        console.print(_cohorts(read))
    console.print(_units(read))
    print_state(console, read)


def _cohorts(read: Answer) -> Table:
    table = table_of("by cohort", "cohort", f"{read['unit']}s", "before", "after", "change")
    split = read["cohorts"]
    for one in split["cohorts"]:
        amounts = [number(one[name]) for name in ("before", "after", "change")]
        table.add_row(one["cohort"], str(one["units"]), *amounts)
        if one["cohort"] == "kept":
            for part in _told(split["kept"]):
                name = part["name"].replace("_", " ")
                table.add_row(f"  {name}", "", "", "", number(part["amount"]))
    if split["outside"] != "0":
        table.add_row("outside", "", "", "", number(split["outside"]))
    table.add_section()
    table.add_row("change", "", "", "", number(read["change"]))
    return table


def _units(read: Answer) -> Table:
    table = table_of(f"tokens by {read['unit']}", "", "before", "after")
    sides = [read["units"][side] for side in ("before", "after")]
    for name in ("units", "active_days", "unnamed"):
        table.add_row(name.replace("_", " "), *(f"{side[name]:,}" for side in sides))
    for name in ("mean", "median", "top_decile_share", "gini"):
        cells = (side["tokens"] and side["tokens"][name] for side in sides)
        table.add_row(name.replace("_", " "), *map(number, cells))
    return table


def show_contribution(console: Console, read: Answer) -> None:
    """Print a table for each comparison."""
    for one in read["comparisons"]:
        growth = number(one["growth_percent"])
        what = f"{read['of']} in {read['currency']}" if read["currency"] else read["of"]
        title = (
            f"{what}, {one['base_from']} to {one['base_to']} → {one['from']} to {one['to']}: "
            f"growth {growth} %"
        )
        names = ("before", "after", "change", "points", "share %", "if unchanged %", "the rest %")
        table = table_of(title, read["by"], *names)
        for part in one["parts"]:
            style = None if part["kind"] == "value" else "dim"
            table.add_row(escape(part["name"]), *_cells(part), style=style)
        table.add_section()
        whole = (number(one[name]) for name in ("before", "after", "change"))
        table.add_row("whole", *whole, growth)
        console.print(table)
        if one["unpriced_tokens_after"] != "0" or one["unpriced_tokens_before"] != "0":
            before, after = (number(one[f"unpriced_tokens_{s}"]) for s in ("before", "after"))
            console.print(f"Tokens without a known cost, in no figure: {before} → {after}")
        for unit in one["unpriced_units"]:
            before, after = number(unit["before"]), number(unit["after"])
            kind = escape(unit["kind"])
            console.print(f"Without a known cost, in no figure: {kind}, {before} → {after}")
    print_state(console, read)


def _cells(part: Answer) -> Iterable[str]:
    names = ("before", "after", "change", "points", "share_percent")
    return (number(part[name]) for name in (*names, "growth_if_unchanged", "growth_of_the_rest"))


def show_enablement(console: Console, read: Answer) -> None:
    """Print estimates beside their placebos, who was compared, and what is assumed."""
    title = f"{read['program']}: {read['trained']} trained against {read['others']} others"
    names = ("estimate", "95 % interval", "relative %", "trained", "others")
    table = table_of(title, "a user and day", *names)
    for one in read["measured"]:
        for name, effect in (("", one["effect"]), (", placebo before", one["placebo"])):
            figure = one["figure"].replace("_", " ")
            table.add_row(f"{figure}{name}", *_estimate(effect))
    console.print(table)
    left_out = {name: read[name] for name in ("too_new", "too_few", "not_over") if read[name]}
    for name, count in left_out.items():
        console.print(f"left out, {name.replace('_', ' ')}: {count}")
    for line in (read["method"], read["interval"], *read["assumptions"]):
        console.print(f"[dim]· {escape(line)}[/]")


def _estimate(effect: Answer | None) -> Iterable[str]:
    if effect is None:
        return ("n/a",) * 5
    interval = "n/a"
    if effect["lower"] is not None:
        interval = f"{number(effect['lower'])} … {number(effect['upper'])}"
    sides = (
        f"{number(effect[f'{side}_before'])} → {number(effect[f'{side}_after'])}"
        for side in ("trained", "others")
    )
    return (number(effect["estimate"]), interval, number(effect["relative_percent"]), *sides)


def print_state(console: Console, read: Answer) -> None:
    """Print how far days are sealed, and whether revenue is to come."""
    console.print(f"sealed through {read['sealed_through'] or 'no day yet'}")
    if read["open_periods"]:
        text = f"{read['open_periods']} subscriptions have days in it that are not billed yet"
        console.print(f"[yellow]{text}: their revenue is to come[/]")


def _told(amounts: Iterable[Answer]) -> list[Answer]:
    return [one for one in amounts if one["amount"] != "0"]


def table_of(title: str, first: str, *others: str) -> Table:
    """Return an empty table; all columns but the first hold numbers."""
    table = Table(title=escape(title), title_justify="left")
    table.add_column(first, no_wrap=True, overflow="ignore")
    for name in others:
        table.add_column(name, justify="left" if name == "what changed" else "right")
    return table
