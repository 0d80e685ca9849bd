"""The embedded stack's commands."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from deploy.local.children import Child, Program, spawn
from deploy.local.errors import StackError, first_refusal
from deploy.local.stack import (
    DATABASE_VARIABLE,
    DEFAULT_ROOT,
    KAFKA_VARIABLE,
    Report,
    discard_stack,
    open_stack,
)
from deploy.local.staying_up import stay_up

CANCELLED_EXIT_CODE = 130
FAILED_EXIT_CODE = 1
COMMAND_END_SECONDS_MAX = 15.0

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
console = Console(stderr=True)


@app.callback()
def configure_output() -> None:
    """Log what is unusual, a restart for example, and leave standard output to the command."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


@app.command("exec", context_settings={"ignore_unknown_options": True})
def execute(
    command: Annotated[list[str], typer.Argument(help="The command, after `--`.")],
    root: Annotated[Path, typer.Option(help="The folder that keeps the data.")] = DEFAULT_ROOT,
    *,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove the folder first.")] = False,
) -> None:
    """Start the stack, run a command on it, stop everything, return the command's exit code."""

    def main(report: Report) -> Coroutine[None, None, int]:
        if fresh:
            discard_stack(root)
        return _execute(command, root, report)

    raise typer.Exit(run(main))


@app.command()
def up(
    root: Annotated[Path, typer.Option(help="The folder that keeps the data.")] = Path("var/up"),
) -> None:
    """Start the stack and the services, print their addresses, and run until Ctrl-C."""
    raise typer.Exit(run(lambda report: stay_up(root, console, report)))


@app.command("lock-jars")
def lock_jars() -> None:
    """Resolve the broker's jars anew and write the lock file."""
    repository = Path(__file__).resolve().parents[2]
    argv = [sys.executable, "-m", "deploy.local.jar_download", "lock"]
    raise typer.Exit(subprocess.run(argv, cwd=repository, check=False).returncode)


def run(main: Callable[[Report], Coroutine[None, None, int]]) -> int:
    """Run a command to its exit code.

    The first Ctrl-C, SIGTERM or SIGHUP cancels it, and it stops what it has started; `main` gets
    the function that shows what is being waited for.
    """
    with status() as report:
        try:
            return asyncio.run(_until_signal(main(report)))
        except StackError as error:
            return _refused(error)
        except ExceptionGroup as group:
            refusal = first_refusal(group)
            if refusal is None:
                raise
            return _refused(refusal)
        except (asyncio.CancelledError, KeyboardInterrupt):
            return CANCELLED_EXIT_CODE


def _refused(error: StackError) -> int:
    console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
    return FAILED_EXIT_CODE


@contextlib.contextmanager
def status() -> Iterator[Report]:
    """Show what is being waited for, on a terminal in a line that an empty text removes."""
    if not console.is_terminal:
        yield lambda _step: None
        return
    line = console.status("")

    def report(step: str) -> None:
        line.update(step)
        if step:
            line.start()
        else:
            line.stop()

    try:
        yield report
    finally:
        line.stop()


async def _until_signal(main: Coroutine[None, None, int]) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main)
    received: list[signal.Signals] = []

    def cancel(number: signal.Signals) -> None:
        # Only the first: a second one would cancel the clean-up.
        if not received:
            task.cancel(number.name)
        received.append(number)

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in handled:
        loop.add_signal_handler(number, cancel, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


async def _execute(command: list[str], root: Path, report: Report) -> int:
    async with open_stack(root, report=report) as stack:
        report("")
        env = os.environ | {
            DATABASE_VARIABLE: stack.postgres_url,
            KAFKA_VARIABLE: stack.kafka_bootstrap,
        }
        # On a terminal it stays in our group: it may read from there, and gets Ctrl-C itself.
        program = Program(argv=command, env=env, own_group=not sys.stdin.isatty())
        child = await spawn(program, stack.supervisor.guardian)
        return await _wait_for(child, own_group=program.own_group)


async def _wait_for(child: Child, *, own_group: bool) -> int:
    try:
        code = await child.wait()
    except asyncio.CancelledError as cancelled:
        interrupted = signal.SIGINT.name in cancelled.args
        told = interrupted and not own_group
        number = signal.SIGINT if interrupted else signal.SIGTERM
        await child.end(None if told else number, COMMAND_END_SECONDS_MAX)
        raise
    # As a shell would say it.
    return code if code >= 0 else 128 - code
