"""The tree of a run: costs rolled up to the root, each run once, whatever parents say."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.agents.run_tree import RunFacts, RunTree, tree_of

AT = datetime(2023, 12, 5, tzinfo=UTC)


def facts(run_id: str, parent: str = "", cost: int = 1, *, minute: int = 0) -> RunFacts:
    at = AT + timedelta(minutes=minute)
    return RunFacts(run_id, parent, [("a", "1")], "completed", at, at, 1, cost=Fraction(cost))


def grown(*runs: RunFacts, asked: str) -> RunTree:
    return tree_of({run.run_id: run for run in runs}, asked)


def shape(tree: RunTree) -> list[tuple[str, int, int]]:
    return [(node.run_id, node.depth, int(node.tree_cost)) for node in tree.nodes]


FAMILY = (
    facts("root", cost=1),
    facts("b", "root", cost=2, minute=2),
    facts("a", "root", cost=4, minute=1),
    facts("a1", "a", cost=8),
    facts("a2", "a", cost=16, minute=1),
    facts("other", "elsewhere", cost=32),
)


@pytest.mark.parametrize("asked", ["root", "a", "a2", "b"])
def test_a_tree_by_hand(asked: str) -> None:
    """From the root down, children in the order of their beginning, whichever run is asked for."""
    tree = grown(*FAMILY, asked=asked)

    assert [("root", 0, 31), ("a", 1, 28), ("a1", 2, 8), ("a2", 2, 16), ("b", 1, 2)] == shape(tree)
    assert [5, 3, 1, 1, 1] == [node.runs for node in tree.nodes]
    assert not tree.circular


def test_a_parent_that_was_never_seen_holds_its_orphans() -> None:
    """It has no cost of its own and no facts; those that name it are unlinked."""
    tree = grown(facts("x", "gone", 2), facts("y", "gone", 3), facts("z", "y", 5), asked="z")

    assert [("gone", 0, 10), ("x", 1, 2), ("y", 1, 8), ("z", 2, 5)] == shape(tree)
    assert [False, True, True, False] == [node.unlinked for node in tree.nodes]
    assert (None, 3) == (tree.root.run, tree.root.runs)


@pytest.mark.parametrize("asked", ["a", "b", "c", "d"])
def test_a_circle_is_cut_once(asked: str) -> None:
    """Above the first of its ids, whichever run is asked for: all cost is in it, once."""
    circle = (facts("a", "c", 1), facts("b", "a", 2), facts("c", "b", 4), facts("d", "b", 8))

    tree = grown(*circle, asked=asked)

    assert tree.circular
    assert [("a", 0, 15), ("b", 1, 14), ("c", 2, 4), ("d", 2, 8)] == shape(tree)


def test_a_run_that_is_its_own_parent_is_a_root() -> None:
    """The smallest circle there is."""
    tree = grown(facts("a", "a", 1), facts("b", "a", 2), asked="b")

    assert [("a", 0, 3), ("b", 1, 2)] == shape(tree)


def test_a_deep_tree_is_no_trouble() -> None:
    """Five thousand runs below one another: nothing recurses."""
    runs = [facts("0"), *(facts(str(n), str(n - 1)) for n in range(1, 5_000))]

    tree = grown(*runs, asked="4999")

    assert (5_000, 4_999) == (int(tree.root.tree_cost), tree.nodes[-1].depth)


def test_what_has_no_price_is_said_up_to_the_root() -> None:
    """The sum is then that of the rest, and not complete; beside it, it is."""
    unknown = RunFacts("b", "a", [], "completed", AT, AT, 1, unpriced={"pages": Fraction(1)})

    tree = grown(facts("a"), unknown, facts("c", "a"), asked="a")

    assert {"a": False, "b": False, "c": True} == {n.run_id: n.complete for n in tree.nodes}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 100)), min_size=1, max_size=30))
@settings(max_examples=150, deadline=None)
def test_a_root_costs_what_its_runs_cost(links: list[tuple[int, int]]) -> None:
    """Whoever names whom as parent: each run of a tree once, and all of them in the root."""
    runs = {str(n): facts(str(n), str(parent), cost) for n, (parent, cost) in enumerate(links)}
    for asked in runs:
        tree = tree_of(runs, asked)
        named = [node.run_id for node in tree.nodes]
        assert asked in named
        assert len(named) == len(set(named))
        assert sum(runs[name].cost for name in named if name in runs) == tree.root.tree_cost
        assert tree.root.runs == sum(name in runs for name in named)
