"""The house style as a test: what a reviewer should never have to say twice."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
SERVICE_README_LINES_MAX = 80
POSITIONAL_PARAMETERS_MAX = 5
FORBIDDEN_NAMES = re.compile(r"(^|_)(utils?|helpers?|manager|misc)(_|\.|$)")
MONEY_PATHS = (
    *("services/pricing/schemas/", "services/pricing/vectors/", "services/pricing/handlers/"),
    *("shared/money.py", "shared/currencies.py"),
)
"""Where money is decided, beside every domain/: from the price book to the statement."""

MAKES_FLOATS = {"float", "math.sqrt", "math.fsum", "math.pow", "math.log", "statistics.fmean"}
COMMITTERS = {"shared/database.py", "shared/migrations.py"}

Fault = tuple[str, str]


def tracked_files(suffix: str) -> list[Path]:
    """Return the files that git would commit."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    names = listed.stdout.splitlines()
    return [ROOT / name for name in names if name.endswith(suffix) and (ROOT / name).exists()]


def _long_functions(name: str, source: str) -> Iterator[Fault]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX and "/migrations/" not in name:
                yield name, f"{node.name} has {lines} lines"


def _long_files(name: str, source: str) -> Iterator[Fault]:
    if source.count("\n") > FILE_LINES_MAX:
        yield name, f"{source.count(chr(10))} lines"


def _vague_names(name: str, _source: str) -> Iterator[Fault]:
    if FORBIDDEN_NAMES.search(Path(name).stem):
        yield name, "a name that says nothing"


def _floats_in_domain(name: str, source: str) -> Iterator[Fault]:
    if not name.startswith(MONEY_PATHS) and "/domain/" not in name:
        return
    for node in ast.walk(ast.parse(source)):
        floating = isinstance(node, ast.Constant) and isinstance(node.value, float)
        calling = isinstance(node, ast.Call) and ast.unparse(node.func) in MAKES_FLOATS
        typed = isinstance(node, ast.AnnAssign | ast.arg) and "float" in ast.unparse(
            node.annotation or ast.Constant("")
        )
        if isinstance(node, ast.expr | ast.AnnAssign | ast.arg) and (floating or calling or typed):
            yield name, f"line {node.lineno}: a float where money is decided"


def _commits(name: str, source: str) -> Iterator[Fault]:
    inside = name.startswith(("services/", "shared/")) and name not in COMMITTERS
    if inside and re.search(r"\.commit\(\)", source):
        yield name, "only shared/database.py commits"


def _clocks(name: str, source: str) -> Iterator[Fault]:
    inside = name.startswith(("services/", "shared/")) and name != "shared/clock.py"
    if inside and re.search(r"datetime\.(now|utcnow|today)\(|date\.today\(", source):
        yield name, "time is injected, not read from the machine"


def _skips(name: str, source: str) -> Iterator[Fault]:
    testing = "tests/" in name and not name.endswith("test_tidy.py")
    if testing and re.search(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)\b", source):
        yield name, "no test is skipped"


def _leftovers(name: str, source: str) -> Iterator[Fault]:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")
    yield from ((name, mark) for mark in marks if mark in source)


RULES: list[Callable[[str, str], Iterator[Fault]]] = [
    _long_functions,
    _long_files,
    _vague_names,
    _floats_in_domain,
    _commits,
    _clocks,
    _skips,
    _leftovers,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__.strip("_"))
def test_every_file_keeps_the_rule(rule: Callable[[str, str], Iterator[Fault]]) -> None:
    """No file breaks the rule that the function above states."""
    found = [
        fault
        for path in tracked_files(".py")
        for fault in rule(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]

    assert [] == found


BROKEN: dict[str, tuple[str, str]] = {
    "_long_functions": ("a.py", "def f():\n" + "    pass\n" * FUNCTION_LINES_MAX),
    "_long_files": ("a.py", "\n" * (FILE_LINES_MAX + 1)),
    "_vague_names": ("shared/utils.py", ""),
    "_floats_in_domain": ("services/pricing/domain/a.py", "rate = 0.5\n"),
    "_commits": ("services/pricing/handlers.py", "connection.commit()\n"),
    "_clocks": ("services/pricing/handlers.py", "datetime.now(UTC)\n"),
    "_skips": ("tests/a.py", "pytest.mark." + "skip\n"),
    "_leftovers": ("a.py", "# TO" + "DO\n"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__.strip("_"))
def test_every_rule_finds_a_file_that_breaks_it(
    rule: Callable[[str, str], Iterator[Fault]],
) -> None:
    """A rule that cannot fail proves nothing: each finds its broken example."""
    name, source = BROKEN[rule.__name__]

    assert [] != list(rule(name, source))


def test_every_test_states_its_rule() -> None:
    """Each test function has a docstring that says what it proves."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in tracked_files(".py")
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]

    assert [] == silent


def test_functions_take_few_positional_parameters() -> None:
    """More than five positional parameters cannot be read at the call."""
    crowded = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in tracked_files(".py")
        if "tests" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len([a for a in node.args.args if a.arg not in ("self", "cls")])
        > POSITIONAL_PARAMETERS_MAX
        and not re.search("command|router", " ".join(map(ast.unparse, node.decorator_list)))
    ]

    assert [] == crowded


def test_every_service_says_what_it_owns() -> None:
    """A service's README has the four headings and stays under 80 lines."""
    wrong = []
    for readme in sorted((ROOT / "services").glob("*/README.md")):
        text = readme.read_text(encoding="utf-8")
        headings = ["Owns", "Does not own", "Events", "Invariants"]
        missing = [h for h in headings if not re.search(rf"^##+ {h}", text, re.MULTILINE)]
        if missing or text.count("\n") >= SERVICE_README_LINES_MAX:
            wrong.append((readme.parent.name, missing))

    assert [] == wrong


def test_nothing_names_a_download_host() -> None:
    """The lock file pins versions and hashes; where they come from is the reader's choice."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)
