"""The difference of two versions, as a terminal shows it."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.money import parse_exact

SUBSCRIPTIONS_SHOWN = 20
MARKS = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}


def show_diff(console: Console, found: Mapping[str, Any]) -> None:
    """Print the differences in words, the money, the largest changes first, and the faults."""
    _show_difference(console, found)
    if found["faults"]:
        console.print("It would not be published as it is:")
    for fault in found["faults"]:
        place, message = escape(fault["path"]), escape(fault["message"])
        console.print(f"[red]![/] [bold]{place}[/]: {message} [dim]({fault['code']})[/]")


def _show_difference(console: Console, found: Mapping[str, Any]) -> None:
    before = f"version {found['before']}" if found["before"] else "nothing"
    if not found["differences"]:
        console.print(f"The same as {before}.")
        return
    console.print(f"Compared with {before}:")
    for one in found["differences"]:
        console.print(f"{MARKS[one['kind']]} {escape(one['message'])}")
    money = found["money"]
    if money is None:
        console.print("No money to compare: nothing is published in this currency.")
        return
    _show_money(console, money)


def _show_money(console: Console, money: Mapping[str, Any]) -> None:
    title = f"Usage of {money['start']} to {money['end']} (exclusive), {money['currency']}"
    console.print(_table(title, "charge", [(c["name"], c) for c in money["charges"]], money))
    rated = [one for one in money["subscriptions"] if one["amounts"]]
    rated.sort(key=_size, reverse=True)
    rows = [(one["subscription_id"], one["amounts"]) for one in rated[:SUBSCRIPTIONS_SHOWN]]
    if rows:
        console.print(_table("By subscription", "subscription", rows, None))
    for one in money["subscriptions"]:
        if one["amounts"] is None:
            why = f"a version has no plan {one['plan']} for it, or it was not on the book then"
            console.print(f"{one['subscription_id']}: not compared, {why}.")
        elif one["unrated_after"] > one["unrated_before"]:
            more = one["unrated_after"] - one["unrated_before"]
            console.print(f"{one['subscription_id']}: {more} more kinds of usage stay unrated.")
        if one["meters_missing"]:
            missing = escape(", ".join(one["meters_missing"]))
            console.print(f"{one['subscription_id']}: without {missing}, which have no value yet.")


def _size(subscription: Mapping[str, Any]) -> Any:
    return abs(parse_exact(subscription["amounts"]["difference_exact"]))


def _table(
    title: str,
    noun: str,
    rows: list[tuple[str, Mapping[str, str]]],
    money: Mapping[str, Any] | None,
) -> Table:
    table = Table(title=title, title_justify="left", border_style="dim", show_footer=bool(money))
    total = money["total"] if money else None
    table.add_column(noun, footer="total" if total else "")
    for name in ("before", "after", "difference"):
        footer = total[f"{name}_shown"] if total else ""
        table.add_column(name, justify="right", footer=footer)
    for label, amounts in rows:
        cells = (amounts[f"{name}_shown"] for name in ("before", "after", "difference"))
        table.add_row(escape(label), *cells)
    return table
