"""Envelopes, as a terminal shows them."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.money import parse_exact

Answer = Mapping[str, Any]
BAR = 10
"""Characters of a bar that is full; half as many at most are drawn of what is beyond it."""


def show_list(console: Console, read: Answer) -> None:
    """Print a line for each envelope."""
    table = _table("name", "for", "period", "amount", "explore", "overdraft")
    for one in read["envelopes"]:
        scope = ", ".join(f"{field} {value}" for field, value in one["scope"].items() if value)
        shares = [percent(one[name]) for name in ("explore_share", "overdraft")]
        table.add_row(
            escape(one["name"]), escape(scope), one["period"], dollars(one["amount"]), *shares
        )
    console.print(table)


def show_state(console: Console, read: Answer) -> None:
    """Print both ledgers: bars, step, pace, and where it leads."""
    as_of = read["as_of"] or "nothing counted yet"
    stale = " (stale)" if read["stale"] else ""
    console.print(
        f"{escape(read['name'])}, {read['period_start']} to {read['period_end']}, "
        f"as of {as_of}{stale}"
    )
    table = _table("ledger", "", "used", "limit", "step", "burn 1 d", "burn 7 d")
    for one in read["ledgers"]:
        table.add_row(
            one["ledger"],
            bar(parse_exact(one["share"])),
            dollars(one["used"]),
            dollars(one["limit"]),
            one["step"],
            *(pace(one[name]) for name in ("burn_short", "burn_long")),
        )
    console.print(table)
    for one in read["ledgers"]:
        console.print(f"{one['ledger']}: {_leads(one)}")
    for name, quantity in read["unpriced"].items():
        console.print(f"without a price: {escape(name)} {quantity}")


def show_bias(console: Console, read: Answer) -> None:
    """Print the signs on both sides of a cap, and how far to trust them."""
    console.print(
        f"{escape(read['envelope'])}, capped on {read['capped_on']}; "
        f"{read['window_start']} to {read['window_end']}"
    )
    table = _table("sign", "before", "after", "change")
    for name, words in (("explored", "share of exploration"), ("deferred", "work put off")):
        table.add_row(words, *(percent(read[name][side]) for side in ("before", "after", "change")))
    console.print(table)
    gone = ", ".join(read["gone_users"])
    console.print(escape(f"gone since: {percent(read['gone'])} {gone}".rstrip()))
    console.print(escape(read["caution"]))


def bar(share: Fraction) -> str:
    """Return a bar of a share: up to its limit, and what is beyond it, at most half of it."""
    filled = min(max(round(share * BAR), 0), BAR)
    beyond = min(max(round((share - 1) * BAR), 0), BAR // 2)
    return "█" * filled + "░" * (BAR - filled) + "▓" * beyond


def dollars(exact: str) -> str:
    """Return an exact amount to the cent."""
    amount = round(parse_exact(exact), 2)
    sign = "-" if amount < 0 else ""
    return f"{sign}${float(abs(amount)):,.2f}"


def percent(exact: str | None) -> str:
    """Return a share for people; n/a where there is none."""
    return "n/a" if exact is None else f"{float(parse_exact(exact) * 100):.1f} %"


def pace(exact: str | None) -> str:
    """Return a burn rate; without anything left there is none."""
    return "nothing left" if exact is None else f"{float(parse_exact(exact)):.2f}"


def _leads(ledger: Answer) -> str:
    forecast = ledger["forecast"]
    if forecast is None:
        return "not enough history for a forecast"
    low, middle, high = (dollars(forecast[name]) for name in ("p10", "p50", "p90"))
    end = forecast["exhausted_on"]
    when = f"used up on {end}" if end else "not used up in this period"
    return f"comes to {middle} ({low} to {high}), {when}"


def _table(*names: str) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for name in names:
        right = name in ("used", "limit", "amount", "before", "after", "change")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    return table
