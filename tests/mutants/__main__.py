"""`make mutants PATHS="charges tiers.py …"`: what the tests of pricing's domain do not notice.

Each path (a file or folder of `services/pricing/domain`) is a run of its own with the tests that
belong to it. What is interrupted goes on where it stopped, since results are kept under
`var/mutants`; code that changed is tried again, and so is what survived before.
"""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.mutants.modules import MODULES, Module, find_module

ROOT = Path(__file__).parents[2]
WORK = ROOT / "var" / "mutants"
COPIED = ("shared", "examples", "deploy")
MUTMUT = (sys.executable, "-c", "from mutmut.__main__ import cli; cli()")
SHOW_ALL = """
import sys
from mutmut.__main__ import cli
for name in sys.argv[1:]:
    cli(["show", name], standalone_mode=False)
"""
"""One process for all: to start it takes longer than to show a mutant."""

NOTICED = {"killed", "timeout", "caught by type check", "segfault"}
TEXT = re.compile(r'"[^"]*"')

EXIT_USAGE = 2


def settings_of(module: Module) -> str:
    """Return the settings of a run, as a section of pyproject.toml."""
    lists = {
        "source_paths": ["services"],
        "only_mutate": module.sources,
        "also_copy": COPIED,
        "pytest_add_cli_args_test_selection": [f"tests/unit/pricing/{t}" for t in module.tests],
        "pytest_add_cli_args": ["-p", "tests.mutants.profile", "-p", "no:cacheprovider"],
    }
    lines = [f"{name} = {list(values)!r}" for name, values in lists.items()]
    # Forked from a process that ran no test: what tests remember would hide a mutant from the next.
    flags = ['process_isolation = "forkserver"', "use_git_change_detection = false"]
    return "\n".join(["", "[tool.mutmut]", *lines, *flags, ""])


def prepare(module: Module) -> Path:
    """Return the folder of a module's run, with the code beside its own settings."""
    folder = WORK / module.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("services", "tests", *COPIED):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name, target_is_directory=True)
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8") + settings_of(module)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def mutmut(folder: Path, *arguments: str) -> str:
    """Run one command of mutmut and return what it printed; its progress goes to the terminal."""
    printed = None if arguments[0] == "run" else subprocess.PIPE
    ran = subprocess.run([*MUTMUT, *arguments], cwd=folder, check=True, text=True, stdout=printed)
    return ran.stdout or ""


def results_of(folder: Path) -> dict[str, str]:
    """Return mutant → what became of it."""
    lines = mutmut(folder, "results", "--all", "true").splitlines()
    rows = (line.strip().rpartition(": ") for line in lines)
    return {name: status for name, _, status in rows if name}


def changes_of(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return mutant → its change as a diff, below a line that names it."""
    command = (sys.executable, "-c", SHOW_ALL, *names)
    ran = subprocess.run(command, cwd=folder, check=True, text=True, stdout=subprocess.PIPE)
    shown = re.split(r"^(?=# services\.)", ran.stdout, flags=re.MULTILINE)[1:]
    return dict(zip(names, shown, strict=True))


def survivors(results: dict[str, str]) -> list[str]:
    return sorted(name for name, status in results.items() if status not in NOTICED)


def try_module(module: Module) -> dict[str, str]:
    """Try every mutant of a module that was not tried yet, and those that survived before."""
    folder = prepare(module)
    before = survivors(results_of(folder)) if (folder / "mutants").exists() else []
    mutmut(folder, "run")
    results = results_of(folder)
    if again := [name for name in before if results.get(name) not in {None, *NOTICED}]:
        mutmut(folder, "run", *again)
        results = results_of(folder)
    return results


def report(module: Module, results: dict[str, str]) -> Iterator[str]:
    """Return a line for each file, and the change that nobody noticed for each survivor.

    Changes of nothing but words are counted apart: a sentence explains an amount, and a test of
    each letter of it would prove nothing.
    """
    changes = changes_of(WORK / module.name, survivors(results))
    worded = {name for name, change in changes.items() if is_of_words(change)}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name in results:
        place = name.rpartition(".")[0].removeprefix("services.pricing.domain.")
        kind = "words" if name in worded else "survived" if name in changes else "noticed"
        counts[place][kind] += 1
    for place, found in sorted(counts.items()):
        parts = ", ".join(f"{found[kind]} {kind}" for kind in ("noticed", "words", "survived"))
        yield f"{place}: {found.total()} mutants, {parts}"
    yield from (change for name, change in changes.items() if name not in worded)


def is_of_words(change: str) -> bool:
    """Tell whether a change as a diff leaves everything but a sentence as it is."""
    removed, added = (
        "".join(line[1:] for line in change.splitlines() if line[:1] == sign != line[1:2])
        for sign in "-+"
    )
    return TEXT.sub(_blank, removed) == TEXT.sub(_blank, added)


def _blank(text: re.Match[str]) -> str:
    """Leave a text with a space out: words for people, no name that means something."""
    return '""' if " " in text[0] else text[0]


def main(paths: Sequence[str]) -> int:
    """Try the modules of all paths; the exit code is 0, since what survives is looked at."""
    try:
        chosen: Iterable[Module] = [find_module(path) for path in paths] or MODULES
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    for module in chosen:
        results = try_module(module)
        sys.stdout.write("".join(f"{line}\n" for line in report(module, results)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
