"""What events take from the scope around them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from contextvars import Context, copy_context
from time import perf_counter
from typing import Any, cast

import pytest

from tallyroll import InvalidEventError, Meter
from tallyroll.context.scope import DEPTH_MAX
from tallyroll.testing import CapturingTransport

Told = Callable[..., list[Any]]
TASKS = 1_000


def test_an_event_takes_what_it_leaves_out(capturing: Meter, transport: CapturingTransport) -> None:
    """Every field of a scope is inherited, and none after its end."""
    with capturing.context(
        tenant="acme",
        agent="coder",
        run="r-1",
        parent_run="r-0",
        user="dev-1",
        team="core",
        purpose="explore",
        tags={"feature": "search"},
    ) as inherited:
        capturing.record(model="m")
    capturing.record(agent="other", model="m")

    expected = {
        "tenant": "acme",
        "agent": "coder",
        "run_id": "r-1",
        "parent_run_id": "r-0",
        "user": "dev-1",
        "team": "core",
        "purpose": "explore",
        "tags": {"feature": "search"},
    }
    assert expected == inherited
    assert capturing.flush(10)
    within, after = transport.events
    assert expected == {name: within[name] for name in expected}
    assert {"event_id", "occurred_at", "agent", "model"} == set(after)


def test_explicit_wins_then_inner_then_outer(capturing: Meter, told: Told) -> None:
    """The event itself, the inner scope, the outer one; None leaves out, "" takes back."""
    with capturing.context(tenant="t", agent="outer", user="u", tags={"a": "1", "b": "1"}):
        with capturing.context(agent="inner", user=None, tags={"b": "2"}):
            capturing.record(model="m", tags={"c": "3"})
            capturing.record(model="m", agent="own", user="v", tags={"a": "4"})
            capturing.record(model="m", agent=None)
        with capturing.context(user=""):
            capturing.record(model="m")

    assert [
        ("t", "inner", "u", {"a": "1", "b": "2", "c": "3"}),
        ("t", "own", "v", {"a": "4", "b": "2"}),
        ("t", "inner", "u", {"a": "1", "b": "2"}),
        ("t", "outer", "", {"a": "1", "b": "1"}),
    ] == told("tenant", "agent", "user", "tags")


def test_runs_make_a_tree(capturing: Meter, told: Told) -> None:
    """A run inside another is its child; one that is open already keeps its parent."""
    with capturing.context(agent="a", run="r-1"):
        capturing.record(model="m")
        with capturing.context(run="r-2"):
            capturing.record(model="m")
            with capturing.context(run="r-3", parent_run="elsewhere"):
                capturing.record(model="m")
            with capturing.context(run="r-1"):
                capturing.record(model="m")
            with capturing.context(run="r-2"):
                capturing.record(model="m")
            with capturing.context(run=""):
                capturing.record(model="m")

    assert [
        ("r-1", None),
        ("r-2", "r-1"),
        ("r-3", "elsewhere"),
        ("r-1", None),
        ("r-2", "r-1"),
        ("", None),
    ] == told("run_id", "parent_run_id")


def test_an_event_of_another_run_has_not_the_scopes_parent(capturing: Meter, told: Told) -> None:
    """Who names a run names its parent too: that of the scope is another run's."""
    with capturing.context(agent="a", run="r-2", parent_run="r-1"):
        capturing.record(model="m", run_id="r-2")
        capturing.record(model="m", run_id="r-9")
        capturing.record(model="m", run_id="r-9", parent_run_id="r-8")

    assert [("r-2", "r-1"), ("r-9", None), ("r-9", "r-8")] == told("run_id", "parent_run_id")


def test_later_changes_of_the_callers_tags_change_nothing(capturing: Meter, told: Told) -> None:
    """A scope is what it was when it was made."""
    tags = {"a": "1"}
    scope = capturing.context(agent="a", tags=tags)
    tags["a"] = "2"
    with scope as inherited:
        cast("dict[str, object]", inherited)["agent"] = "changed"
        capturing.record(model="m")

    assert [("a", {"a": "1"})] == told("agent", "tags")


def test_wrong_values_are_told_by_the_event(capturing: Meter) -> None:
    """A scope never raises; the events in it are refused with the field."""
    wrong: dict[str, Any] = {"tenant": 5, "tags": ["x"]}
    with capturing.context(agent="a", **wrong), pytest.raises(InvalidEventError) as caught:
        capturing.record(model="m")

    assert [("invalid_text", "tenant"), ("invalid_mapping", "tags")] == [
        (fault.code, fault.field) for fault in caught.value.faults
    ]


def test_two_meters_do_not_mix(capturing: Meter, told: Told) -> None:
    """A scope is one meter's, and so is its end."""
    transport = CapturingTransport()
    with Meter(transport=transport, strict=True) as other:
        ours, theirs = capturing.context(agent="ours"), other.context(agent="theirs", tenant="t")
        ours.__enter__()
        theirs.__enter__()
        capturing.record(model="m")
        other.record(model="m")
        ours.__exit__(None, None, None)
        other.record(model="m")
        theirs.__exit__(None, None, None)
        assert {} == other.attribution() == capturing.attribution()

    assert [("ours", None)] == told("agent", "tenant")
    assert [("theirs", "t")] * 2 == [(e["agent"], e["tenant"]) for e in transport.events]


def test_an_exception_passes_and_ends_the_scope(capturing: Meter) -> None:
    """The scope ends with its block, however that ends, and swallows nothing."""
    error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt) as caught, capturing.context(agent="a"):
        raise error

    assert error is caught.value
    assert {} == capturing.attribution()


def test_one_scope_many_times(capturing: Meter) -> None:
    """The same scope can be entered inside itself and again."""
    scope = capturing.context(agent="a")
    with scope:
        with scope:
            assert {"agent": "a"} == capturing.attribution()
        assert {"agent": "a"} == capturing.attribution()
    assert {} == capturing.attribution()
    with scope:
        assert {"agent": "a"} == capturing.attribution()


def test_scopes_that_end_crosswise_leave_nothing_behind(capturing: Meter) -> None:
    """A plain generator that yields inside a scope outlives the one it began in: nothing stays."""

    def plain() -> Iterator[None]:
        with capturing.context(agent="generator"):
            yield

    with capturing.context(agent="outer"):
        steps = plain()
        next(steps)
    assert {} == capturing.attribution()
    assert [] == list(steps)
    assert {} == capturing.attribution()


async def test_tasks_keep_their_own(capturing: Meter, told: Told) -> None:
    """A thousand tasks enter one scope at once, each inside its own; none sees another's."""
    shared = capturing.context(agent="a")

    async def work(number: int) -> None:
        async with capturing.context(run=f"r-{number}", user=f"u-{number}"), shared:
            await asyncio.sleep(0)
            capturing.record(model="m")
            await asyncio.sleep(0)
        assert {"tenant": "t"} == capturing.attribution()

    async with capturing.context(tenant="t"):
        await asyncio.gather(*(work(number) for number in range(TASKS)))

    expected = {("t", "a", f"r-{number}", f"u-{number}") for number in range(TASKS)}
    assert expected == set(told("tenant", "agent", "run_id", "user"))


async def test_a_task_keeps_the_scope_it_was_started_in(capturing: Meter, told: Told) -> None:
    """It outlives the block that started it, and scopes in it come back to that."""
    going = asyncio.Event()

    async def work() -> None:
        await going.wait()
        with capturing.context(agent="inner"):
            capturing.record(model="m")
        capturing.record(model="m")

    with capturing.context(tenant="t", agent="outer"):
        task = asyncio.create_task(work())
    going.set()
    await task

    assert [("t", "inner"), ("t", "outer")] == told("tenant", "agent")


def test_tasks_that_start_the_next_one_take_no_memory(capturing: Meter) -> None:
    """Scopes that nobody can leave any more are let go; each still gives way to the one around."""

    def begin(number: int) -> Context:
        around = capturing.attribution()
        with capturing.context(agent=f"a-{number}"):
            here = copy_context()
        assert around == capturing.attribution()
        return here

    here = copy_context()
    for number in range(3 * DEPTH_MAX):
        here = here.run(begin, number)
    scope, length = here.run(capturing._scopes.current), 0
    while scope is not None:
        scope, length = scope.outer, length + 1
    assert length <= DEPTH_MAX


def test_the_deepest_nesting_comes_back(capturing: Meter) -> None:
    """As deep as Python goes, each scope that ends gives way to the one around it."""
    around: list[object] = []
    with ExitStack() as stack:
        for number in range(DEPTH_MAX):
            stack.callback(lambda: around.append(capturing.attribution().get("agent")))
            stack.enter_context(capturing.context(agent=f"a-{number}"))

    assert [None, *(f"a-{number}" for number in range(DEPTH_MAX - 1))] == around[::-1]


def test_a_scope_costs_little(capturing: Meter) -> None:
    """Entering and leaving one takes far less than a hundred microseconds."""

    def once() -> float:
        begun = perf_counter()
        for _ in range(1_000):
            with capturing.context(tenant="t", agent="a", run="r", user="u"):
                pass
        return (perf_counter() - begun) / 1_000

    assert min(once() for _ in range(5)) < 100e-6
