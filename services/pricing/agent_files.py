"""Answers about agents and runs as CSV files: the figures of the JSON answer, a header line."""

from services.pricing.csv_tables import csv_table
from services.pricing.schemas.agent_runs import RunsRead
from services.pricing.schemas.agents import AgentRead, OutcomeRead, RosterRead
from services.pricing.schemas.run_tree import (
    AgentRunRead,
    AgentRunsRead,
    RunNodeRead,
    RunTreeRead,
)

AGENT_COLUMNS = (
    *("tenant", "agent", "owner", "team", "status", "first_day", "last_day", "active_days"),
    *("users", "tokens", "tokens_before", "cost", "cost_before", "revenue", "margin"),
    *("cache_hit_percent", "reasoning_percent", "aborted_percent", "failed_percent"),
)
RATES = ("success", "aborted", "failed")
RUN_COLUMNS = (
    *("runs", "cost", "cost_complete", "runs_unpriced", "cost_p50", "cost_p95", "cost_mean"),
    *("mean_lower", "mean_upper", "waste_percent", "calls_per_run", "tokens_per_run"),
    "valued_percent",
)
NODE_COLUMNS = tuple(
    name for name in RunNodeRead.model_fields if name not in ("agents", "unpriced", "outcomes")
)
AGENT_RUN_COLUMNS = tuple(name for name in AgentRunRead.model_fields if name != "versions")


def roster_csv(read: RosterRead) -> str:
    """Return a row for each agent, with what its runs came to; lists are left out."""
    outcomes = tuple(OutcomeRead.model_fields)
    names = (*AGENT_COLUMNS, *outcomes, *_run_names())
    rows = [
        (
            *(getattr(one, name) for name in AGENT_COLUMNS),
            *(one.outcome and getattr(one.outcome, name) for name in outcomes),
            *_runs(one),
        )
        for one in read.agents
    ]
    return csv_table(names, rows)


def run_tree_csv(read: RunTreeRead) -> str:
    """Return a row for each run of a tree, from the root down; agents stand in one cell."""
    rows = [
        (
            *(getattr(one, name) for name in NODE_COLUMNS),
            " ".join(f"{of.agent}@{of.version}".removesuffix("@") for of in one.agents),
        )
        for one in read.runs
    ]
    return csv_table((*NODE_COLUMNS, "agents"), rows)


def agent_runs_csv(read: AgentRunsRead) -> str:
    """Return a row for each run of an agent; its versions stand in one cell."""
    rows = [
        (*(getattr(one, name) for name in AGENT_RUN_COLUMNS), " ".join(one.versions))
        for one in read.runs
    ]
    return csv_table((*AGENT_RUN_COLUMNS, "versions"), rows)


def _run_names() -> list[str]:
    rates = [f"{rate}_{end}" for rate in RATES for end in ("percent", "lower", "upper")]
    return [f"runs_{name}".replace("runs_runs", "runs") for name in (*RUN_COLUMNS, *rates)]


def _runs(one: AgentRead) -> list[object]:
    runs: RunsRead | None = one.runs
    if runs is None:
        return [None] * len(_run_names())
    rates = (getattr(runs, rate) for rate in RATES)
    return [
        *(getattr(runs, name) for name in RUN_COLUMNS),
        *(end for rate in rates for end in (rate.percent, rate.lower, rate.upper)),
    ]
