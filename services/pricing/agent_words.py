"""Answers about agents and runs, as a terminal shows them."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from services.pricing.growth_words import number, print_state, table_of

Answer = Mapping[str, Any]

STYLES = {"completed": "", "aborted": "yellow", "failed": "red"}
FACTORS = {
    "calls_per_run": "calls of a run",
    "tokens_per_call": "tokens of a call",
    "cost_per_million_tokens": "models and prices",
    "cost_per_call": "cost of a call",
    "runs_per_outcome": "runs that bring nothing",
    "outcomes_per_run": "no outcome any more",
}


def cost(text: str | None) -> str:
    """Return US dollars for people: what is below one with four significant digits."""
    if text is None:
        return "n/a"
    value = float(text)
    return number(text) if abs(value) >= 1 or value == 0 else f"{value:.4g}"


def show_roster(console: Console, read: Answer) -> None:
    """Print agents, their runs, outcomes and versions, and who is nobody's."""
    console.print(_agents(read))
    if any(one["runs"] for one in read["agents"]):
        console.print(_runs(read["agents"]))
        console.print(_outcomes(read["agents"]))
        console.print(_versions(read["agents"]))
        for line in (read["intervals"], *read["biases"]):
            console.print(f"[dim]· {escape(line)}[/]")
    _tell_anomalies(console, read["agents"])
    if read["more"]:
        console.print(f"{read['more']} agents more")
    span = read["span"]
    console.print(f"{span['people']} people, {number(span['agents_per_person'])} agents each")
    if read["without_owner"]:
        names = ", ".join(escape(_name(one)) for one in read["without_owner"])
        console.print(f"[yellow]in use, and nobody's: {names}[/]")
    print_state(console, read)


def _agents(read: Answer) -> Any:
    names = ["owner", "status", "users", "tokens", "growth %", "cost USD", "before", "margin"]
    names += ["cache hit %", "reasoning %"]
    names += ["cost per outcome", "95 % interval"] if read["outcome"] else []
    table = table_of(f"agents, {read['from']} to {read['to']}", "agent", *names)
    for one in read["agents"]:
        table.add_row(escape(_name(one)), *_agent(one, read["outcome"]))
    return table


def _agent(one: Answer, outcome: str | None) -> Iterable[str]:
    names = ("tokens", "tokens_growth_percent", "cost", "cost_before", "margin")
    cells = [escape(one["owner"] or "-"), one["status"] or "-", str(one["users"])]
    cells += [number(one[name]) for name in names]
    cells += [number(one[name]) for name in ("cache_hit_percent", "reasoning_percent")]
    if one["unpriced"]:
        cells[5] += " + unpriced"
    if outcome:
        told = one["outcome"] or {"cost_per_outcome": None, "lower": None, "upper": None}
        cells += [number(told["cost_per_outcome"]), _interval(told["lower"], told["upper"])]
    return cells


def _runs(agents: Iterable[Answer]) -> Any:
    names = ("runs", "success %", "aborted %", "failed %", "cost P50", "P95", "mean", "waste %")
    table = table_of("runs", "agent", *names)
    for one in agents:
        for days, runs in (("", one["runs"]), (", before", one["runs_before"])):
            if runs is not None:
                table.add_row(escape(_name(one)) + days, *_figures(runs))
    return table


def _figures(runs: Answer) -> Iterable[str]:
    yield f"{runs['runs']:,}"
    success = runs["success"]
    yield f"{number(success['percent'])} ({_interval(success['lower'], success['upper'])})"
    yield from (number(runs[name]["percent"]) for name in ("aborted", "failed"))
    yield cost(runs["cost_p50"])
    yield cost(runs["cost_p95"])
    unknown = "" if runs["cost_complete"] else f", {runs['runs_unpriced']} unpriced"
    yield cost(runs["cost_mean"]) + unknown
    yield number(runs["waste_percent"])


def _outcomes(agents: Iterable[Answer]) -> Any:
    names = ("source", "outcomes", "successful", "value", "cost per outcome", "95 % interval")
    table = table_of("outcomes; values of two sources are never added up", "agent", *names)
    for one in agents:
        for told in one["runs"]["outcomes"] if one["runs"] else ():
            table.add_row(
                f"{escape(_name(one))}: {escape(told['name'])}",
                *(told["source"], f"{told['outcomes']:,}", f"{told['successful']:,}"),
                *(number(told["value"]), cost(told["cost_per_outcome"])),
                _interval(told["lower"], told["upper"]),
            )
    return table


def _versions(agents: Iterable[Answer]) -> Any:
    names = ("runs", "success %", "aborted %", "failed %", "cost P50", "P95", "mean", "waste %")
    table = table_of("versions, the first seen first", "version", *names)
    for one in agents:
        for version in one["versions"]:
            if version["runs"] is not None:
                name = f"{_name(one)} {version['version'] or '(none named)'}"
                table.add_row(escape(name), *_figures(version["runs"]))
    return table


def _tell_anomalies(console: Console, agents: Iterable[Answer]) -> None:
    for one in agents:
        for version in one["versions"]:
            for found in version["anomalies"]:
                what = escape(found["outcome"]) if found["outcome"] is not None else "a run"
                driver = found["driver"]
                change = f"{number(driver['before'])} → {number(driver['after'])}"
                console.print(
                    f"[red]{escape(_name(one))} {escape(version['version'])}: {what} costs "
                    f"{cost(found['cost'])}, outside {_interval(found['lower'], found['upper'])} "
                    f"of {escape(found['against'])}; most by {FACTORS[driver['name']]}: {change}[/]"
                )


def show_tree(console: Console, read: Answer, levels: int) -> None:
    """Print a run's tree down to so many levels below the root."""
    whole = "" if read["complete"] else " and what has no price"
    console.print(f"{escape(read['root_run_id'])}: {cost(read['cost'])} US dollars{whole}")
    branches: list[Tree] = []
    hidden = 0
    for run in read["runs"]:
        if run["depth"] > levels:
            hidden += 1
            continue
        label = _label(run, asked=run["run_id"] == read["run_id"])
        del branches[run["depth"] :]
        branches.append(branches[-1].add(label) if branches else Tree(label))
        root = branches[0]
    console.print(root)
    if hidden:
        console.print(f"{hidden} runs further down: --levels")
    if read["circular"]:
        console.print("[yellow]parents go in a circle, which is cut above the first run[/]")
    if read["truncated"]:
        console.print("[yellow]there are more runs: sums lack them[/]")


def _label(run: Answer, *, asked: bool) -> str:
    name = f"[bold]{escape(run['run_id'])}[/]" if asked else escape(run["run_id"])
    if not run["seen"]:
        return f"{name} [dim](never seen itself)[/] tree {cost(run['tree_cost'])}"
    agents = ", ".join(f"{of['agent']} {of['version']}".strip() for of in run["agents"])
    style = STYLES[run["status"]]
    status = f"[{style}]{run['status']}[/]" if style else run["status"]
    words = [name, escape(agents), status, f"own {_known(run, 'own')}"]
    words += [f"tree {_known(run, 'tree')}"] if run["tree_runs"] > 1 else []
    words += [f"{number(run['seconds'])} s"]
    words += [escape(f"{told['name']} ({told['source']})") for told in run["outcomes"]]
    words += ["[yellow]unlinked[/]"] if run["unlinked"] else []
    return "  ".join(words)


def _known(run: Answer, which: str) -> str:
    return cost(run[f"{which}_cost"]) + ("" if run[f"{which}_complete"] else " + unpriced")


def show_runs(console: Console, read: Answer) -> None:
    """Print an agent's runs, one a line."""
    names = ("status", "last event", "calls", "tokens", "cost USD", "outcomes")
    table = table_of(f"runs of {read['agent']}, the {read['order']} first", "run", *names)
    for one in read["runs"]:
        known = cost(one["cost"]) + ("" if one["cost_complete"] else " + unpriced")
        at = one["last_at"][:19].replace("T", " ")
        figures = (f"{one['calls']:,}", number(one["tokens"]), known, f"{one['outcomes']:,}")
        name = f"{one['tenant']}/{one['run_id']}"
        table.add_row(escape(name), one["status"], at, *figures)
    console.print(table)
    if read["more"]:
        console.print("there are more: ask for fewer days, or a higher --limit")


def _name(one: Answer) -> str:
    return f"{one['tenant']}/{one['agent']}"


def _interval(lower: str | None, upper: str | None) -> str:
    return "n/a" if lower is None or upper is None else f"{cost(lower)} … {cost(upper)}"
