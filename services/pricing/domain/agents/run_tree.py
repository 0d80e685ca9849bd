"""The tree that a run belongs to, with costs rolled up to its root; each run counts once.

Parents may come after children, or never; a run may be named its own ancestor. What is told stays
a tree whatever events say, and nothing here recurses: a tree may be deep.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

ZERO = Fraction(0)


@dataclass(frozen=True)
class OutcomeTold:
    name: str
    source: str
    outcomes: int
    value: Fraction


@dataclass(frozen=True)
class RunFacts:
    """A run by itself. `parent` empty: of no run. `cost`: of what has a price, in US dollars."""

    run_id: str
    parent: str
    agents: Sequence[tuple[str, str]]
    status: str
    first_at: datetime
    last_at: datetime
    calls: int
    tokens: Fraction = ZERO
    cost: Fraction = ZERO
    unpriced: Mapping[str, Fraction] = field(default_factory=dict)
    outcomes: Sequence[OutcomeTold] = ()


@dataclass
class RunNode:
    """A run in its tree; `run` None: others name it, and no event of its own was ever seen.

    `tree_cost` is that of the run and of all below it, `complete` whether all of that is known.
    """

    run_id: str
    depth: int
    run: RunFacts | None
    unlinked: bool
    tree_cost: Fraction
    runs: int
    complete: bool


@dataclass(frozen=True)
class RunTree:
    """Runs from the root down, each before those below it. `circular`: parents went in a circle.

    The circle is cut above the first of its ids, which is the root.
    """

    nodes: Sequence[RunNode]
    circular: bool

    @property
    def root(self) -> RunNode:
        return self.nodes[0]


def tree_of(runs: Mapping[str, RunFacts], asked: str) -> RunTree:
    """Return the tree that holds the run `asked`, of the runs around it."""
    root, circular = _root_of(runs, asked)
    children: dict[str, list[RunFacts]] = defaultdict(list)
    for run in runs.values():
        if run.parent and run.run_id != root:
            children[run.parent].append(run)
    nodes: list[RunNode] = []
    waiting = [(root, 0)]
    while waiting:
        run_id, depth = waiting.pop()
        nodes.append(_node(runs, run_id, depth))
        below = sorted(children[run_id], key=lambda run: (run.first_at, run.run_id), reverse=True)
        waiting += [(run.run_id, depth + 1) for run in below]
    _roll_up(nodes)
    return RunTree(nodes, circular)


def _root_of(runs: Mapping[str, RunFacts], asked: str) -> tuple[str, bool]:
    """Climb to the first run without a parent, or to one that was met before."""
    path = [asked]
    met = {asked}
    while (run := runs.get(path[-1])) is not None and run.parent:
        if run.parent in met:
            circle = path[path.index(run.parent) :]
            return min(circle), True
        path.append(run.parent)
        met.add(run.parent)
    return path[-1], False


def _node(runs: Mapping[str, RunFacts], run_id: str, depth: int) -> RunNode:
    run = runs.get(run_id)
    unlinked = run is not None and bool(run.parent) and run.parent not in runs
    cost = run.cost if run is not None else ZERO
    complete = run is None or not run.unpriced
    return RunNode(run_id, depth, run, unlinked, cost, int(run is not None), complete)


def _roll_up(nodes: Sequence[RunNode]) -> None:
    """Add to each node what is below it: the last come first, so a node is whole when it adds."""
    above: list[RunNode] = []
    chains = []
    for node in nodes:
        del above[node.depth :]
        chains.append(above[-1] if above else None)
        above.append(node)
    for node, parent in reversed(list(zip(nodes, chains, strict=True))):
        if parent is not None:
            parent.tree_cost += node.tree_cost
            parent.runs += node.runs
            parent.complete = parent.complete and node.complete
