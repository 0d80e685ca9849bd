"""`@meter.agent(…)`: a run for each call, on every kind of function."""

import asyncio
import functools
import gc
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any
from uuid import UUID

import pytest

from tallyroll import Meter

Told = Callable[..., list[Any]]


def test_calls_make_a_run_tree(capturing: Meter, told: Told) -> None:
    """Each call is a new run, the child of the one that calls; tenant and purpose go down."""

    @capturing.agent("writer", tags={"step": "write"})
    def write() -> None:
        capturing.record(model="m")

    @capturing.agent("planner", purpose="explore")
    def plan(count: int) -> str:
        """Plan."""
        capturing.record(model="m")
        for _ in range(count):
            write()
        return "done"

    with capturing.context(tenant="t", run="r-0"):
        assert "done" == plan(count=2)

    planner, *writers = told("run_id", "parent_run_id", "agent", "tenant", "purpose", "tags")
    assert ("r-0", "planner", "t", "explore", None) == planner[1:]
    assert [(planner[0], "writer", "t", "explore", {"step": "write"})] * 2 == [
        run[1:] for run in writers
    ]
    assert 3 == len({planner[0], *(run[0] for run in writers)})
    assert 7 == UUID(planner[0]).version
    assert ("plan", "Plan.") == (plan.__name__, plan.__doc__)


def test_without_a_run_around_it_is_the_root(capturing: Meter) -> None:
    """A run at the top has no parent, and is over with the call."""

    @capturing.agent("planner")
    def plan() -> Any:
        return capturing.attribution()

    assert {"agent", "run_id"} == set(plan())
    assert {} == capturing.attribution()


async def test_coroutines_keep_their_own_run(capturing: Meter, told: Told) -> None:
    """Calls that run at the same time have a run each; the function stays a coroutine function."""

    @capturing.agent("writer")
    async def write() -> None:
        before = capturing.attribution()
        await asyncio.sleep(0)
        assert before == capturing.attribution()
        capturing.record(model="m")

    assert inspect.iscoroutinefunction(write)
    with capturing.context(run="r-0"):
        await asyncio.gather(*(write() for _ in range(100)))

    runs = told("run_id", "parent_run_id", "agent")
    assert {("r-0", "writer")} == {run[1:] for run in runs}
    assert 100 == len({run[0] for run in runs})


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_exceptions_pass_unchanged(capturing: Meter, error: BaseException) -> None:
    """What a function raises comes out as it is, and its run is over."""

    @capturing.agent("a")
    def fail() -> None:
        raise error

    @capturing.agent("a")
    async def fail_later() -> None:
        raise error

    @capturing.agent("a")
    def fail_in_steps() -> Iterator[int]:
        yield 1
        raise error

    @capturing.agent("a")
    async def fail_in_async_steps() -> AsyncIterator[int]:
        yield 1
        raise error

    async def first_error(call: Callable[[], Any]) -> BaseException | None:
        try:
            result = call()
            if inspect.isawaitable(result):
                await result
            elif inspect.isgenerator(result):
                list(result)
            else:
                [item async for item in result]
        except BaseException as raised:  # noqa: BLE001  all that comes out is looked at
            return raised
        return None

    for function in (fail, fail_later, fail_in_steps, fail_in_async_steps):
        assert error is await first_error(function)
        assert {} == capturing.attribution()


def test_a_generators_scope_is_its_own(capturing: Meter, told: Told) -> None:
    """Between two steps the caller has its own scope; in each step the generator has its own."""

    @capturing.agent("generator")
    def steps() -> Iterator[int]:
        with capturing.context(user="inner"):
            capturing.record(model="m")
            yield 1
            capturing.record(model="m")
            yield 2
        capturing.record(model="m")

    with capturing.context(tenant="t", run="r-0"):
        generator = steps()
    assert inspect.isgenerator(generator)
    with capturing.context(agent="first", run="r-1"):
        next(generator)
        capturing.record(model="m")
    with capturing.context(agent="second"):
        next(generator)
        capturing.record(model="m")
    assert [] == list(generator)
    assert {} == capturing.attribution()

    own = ("generator", "t", "r-0")
    assert [
        (*own, "inner"),
        ("first", None, None, None),
        (*own, "inner"),
        ("second", None, None, None),
        (*own, None),
    ] == told("agent", "tenant", "parent_run_id", "user")


def test_interleaved_generators(capturing: Meter) -> None:
    """Several at once, step by step, each see their own run."""

    @capturing.agent("generator")
    def steps() -> Iterator[Any]:
        while True:
            yield capturing.attribution()["run_id"]

    generators = [steps() for _ in range(10)]
    rounds = [[next(generator) for generator in generators] for _ in range(3)]
    assert rounds[0] == rounds[1] == rounds[2]
    assert 10 == len(set(rounds[0]))


def test_a_generator_is_driven_as_before(capturing: Meter) -> None:
    """`send`, `throw`, `close` and the returned value are the generator's own."""
    seen: list[object] = []

    @capturing.agent("generator")
    def steps(first: str) -> Generator[str, str, str]:
        try:
            seen.append((yield first))
            try:
                yield "two"
            except ValueError as error:
                seen.append(str(error))
            yield "three"
        finally:
            seen.append(capturing.attribution().get("agent"))
        return "unreached"

    @capturing.agent("generator")
    def short() -> Generator[int, None, str]:
        yield 1
        return "returned"

    generator = steps("one")
    assert ["one", "two", "three"] == [
        next(generator),
        generator.send("sent"),
        generator.throw(ValueError("thrown")),
    ]
    generator.close()
    assert ["sent", "thrown", "generator"] == seen
    assert {} == capturing.attribution()

    def delegating() -> Generator[int, None, None]:
        seen.append((yield from short()))

    assert [1] == list(delegating())
    assert "returned" == seen[-1]


def test_a_forgotten_generator_leaves_nothing(capturing: Meter) -> None:
    """One that is collected inside another scope ends in its own and touches no other."""
    seen: list[object] = []

    @capturing.agent("generator")
    def steps() -> Iterator[int]:
        try:
            yield 1
        finally:
            seen.append(capturing.attribution().get("agent"))

    with capturing.context(agent="around"):
        generator = steps()
        next(generator)
        del generator
        gc.collect()
        assert {"agent": "around"} == capturing.attribution()
    assert ["generator"] == seen


async def test_an_async_generators_scope_is_its_own(capturing: Meter, told: Told) -> None:
    """Also when other tasks go on with it, and while it waits in the middle of a step."""

    @capturing.agent("generator")
    async def steps() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            with capturing.context(user=f"u-{number}"):
                capturing.record(model="m")
                yield number

    with capturing.context(tenant="t", run="r-0"):
        generator = steps()

    async def ask(agent: str) -> None:
        with capturing.context(agent=agent):
            await anext(generator)
            capturing.record(model="m")

    await asyncio.create_task(ask("first"))
    await asyncio.create_task(ask("second"))
    assert [2] == [number async for number in generator]
    assert {} == capturing.attribution()

    own = ("generator", "t", "r-0")
    assert [
        (*own, "u-0"),
        ("first", None, None, None),
        (*own, "u-1"),
        ("second", None, None, None),
        (*own, "u-2"),
    ] == told("agent", "tenant", "parent_run_id", "user")


async def test_an_async_generator_closed_early(capturing: Meter) -> None:
    """Its cleanup runs at once and in its own scope, also when it awaits; the caller's stays."""
    seen: list[object] = []

    @capturing.agent("generator")
    async def steps() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            seen.append(capturing.attribution().get("agent"))

    with capturing.context(agent="around"):
        generator: Any = steps()
        assert 1 == await anext(generator)
        await generator.aclose()
        assert ["generator"] == seen
        assert {"agent": "around"} == capturing.attribution()
        unstarted: Any = steps()
        await unstarted.aclose()
    assert ["generator"] == seen


async def test_an_async_generator_is_driven_as_before(capturing: Meter) -> None:
    """`asend` and `athrow` reach the generator; a cancelled step is cancelled in it."""
    seen: list[object] = []

    @capturing.agent("generator")
    async def steps() -> Any:
        try:
            seen.append((yield "one"))
            yield "two"
        except ValueError as error:
            seen.append(str(error))
        try:
            yield "three"
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append(capturing.attribution().get("agent"))
            raise

    generator = steps()
    assert ["one", "two", "three"] == [
        await anext(generator),
        await generator.asend("sent"),
        await generator.athrow(ValueError("thrown")),
    ]
    task = asyncio.create_task(generator.asend(None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["sent", "thrown", "generator"] == seen
    assert {} == capturing.attribution()


async def test_methods_and_partials(capturing: Meter) -> None:
    """It works on methods, and on partials of coroutine functions."""

    class Team:
        @capturing.agent("member")
        def work(self) -> Any:
            return self, capturing.attribution()["agent"]

    async def later(value: int) -> Any:
        return value, capturing.attribution()["agent"]

    team = Team()
    assert (team, "member") == team.work()
    assert (7, "partial") == await capturing.agent("partial")(functools.partial(later, 7))()
