"""Price books as YAML files: what is wrong is told with its line, all at once."""

from pathlib import Path
from textwrap import dedent

import httpx
import pytest
from typer.testing import CliRunner

from services.cli import app
from services.pricing import cli_pricebook
from services.pricing.book_files import read_book_file
from services.pricing.book_yaml import FaultyFileError

GOOD = """\
book: assistant
name: Assistant
effective_on: 2026-12-01
currency: USD
charges:
  - key: input
    name: Input tokens
    model: graduated
    per: "1000000"
    usage: {kinds: [input_uncached]}
    tiers:
      - {up_to: "10000000", unit_amount: "4.00"}
      - {up_to: null, unit_amount: "3.00"}
pools:
  - {key: promotion, name: Summer, included: "5", ends_on: 2026-08-31}
plans:
  - {key: team, name: Team, charges: [input]}
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, text: str, name: str = "book.yaml") -> Path:
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path


def faults(path: Path) -> list[tuple[int, str, str]]:
    """Return (line, code, place) of a file's faults."""
    with pytest.raises(FaultyFileError) as caught:
        read_book_file(path)
    return [(line, fault.code, fault.path) for line, fault in caught.value.faults]


def test_a_good_file_is_read(folder: Path) -> None:
    """The head says which book, the rest is the content as the API takes it."""
    file = read_book_file(write(folder, GOOD))

    assert ("assistant", "Assistant", "2026-12-01") == (
        file.book,
        file.name,
        str(file.effective_on),
    )
    assert "2026-08-31" == file.raw["pools"][0]["ends_on"]
    assert not {"book", "name", "effective_on"} & file.raw.keys()


def test_all_faults_are_told_with_their_lines(folder: Path) -> None:
    """Head, prices, tiers and plans are wrong at once, each in its line."""
    text = GOOD.replace("assistant", "Not A Slug").replace('"4.00"', "4.00")
    text = text.replace("up_to: null", 'up_to: "5"').replace("[input]}\n", "[input, none]}\n")
    text = text.replace("currency: USD", "currency: ZZZ")

    assert [
        (1, "invalid_text", "book"),
        (4, "unknown_currency", "currency"),
        (12, "not_a_decimal_string", "charges[0].tiers[0].unit_amount"),
        (13, "tiers_not_sorted", "charges[0].tiers[1].up_to"),
        (13, "missing_open_last_tier", "charges[0].tiers[1].up_to"),
        (17, "unknown_charge", "plans[0].charges[1]"),
    ] == faults(write(folder, text))


def test_what_is_missing_has_the_line_of_what_should_hold_it(folder: Path) -> None:
    """A charge without a price is told at the charge."""
    text = GOOD.replace("    per:", "    unknown: 1\n    per:").replace(
        "    name: Input tokens\n", ""
    )

    assert [(6, "missing_field"), (8, "unknown_field")] == [
        (line, code) for line, code, _ in faults(write(folder, text))
    ]


def test_a_key_that_stands_twice_is_a_fault(folder: Path) -> None:
    """YAML would silently take the last one: a merge that kept both prices is no price."""
    text = GOOD.replace('    per: "1000000"', '    per: "1000000"\n    per: "1000"')

    assert [(9, "duplicate_key", "charges[0].per")] == faults(write(folder, text))


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("", 1, "not_an_object"),
        ("- a\n", 1, "not_an_object"),
        ("a: [1\nb: 2\n", 2, "invalid_yaml"),
        ("book: !!python/object:os.system {}\n", 1, "invalid_yaml"),
        ("a: 1\n---\nb: 2\n", 2, "invalid_yaml"),
        ("a: 1\nbook: !!timestamp x\n", 2, "invalid_yaml"),
        ("a: &a [*a]\n", 1, "invalid_yaml"),
        ("a: &a [1]\nb: *c\n", 2, "invalid_yaml"),
        ("? [1, 2]\n: 3\n", 1, "invalid_yaml"),
        ("[" * 5_000, 1, "invalid_yaml"),
        ("book: \x00\n", 1, "invalid_yaml"),
    ],
)
def test_what_is_no_book_is_refused(folder: Path, text: str, line: int, code: str) -> None:
    """Whatever a file holds, it is refused with a line, and nothing in it is run."""
    assert (line, code) in {(at, found) for at, found, _ in faults(write(folder, text))}


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("!!float '4.00'", "not_a_decimal_string"),
        ("4", "not_a_decimal_string"),
        ("4e0", "not_a_decimal_string"),
        (".nan", "not_a_decimal_string"),
        ("1:30", "not_a_decimal_string"),
        ("4_000", "not_a_decimal_string"),
        ("=", "not_a_decimal_string"),
        ("2024-01-01", "not_a_decimal_string"),
        ("yes", "not_a_decimal_string"),
        ("'\uff14'", "not_a_decimal_string"),
        ("9" * 5_000, "invalid_yaml"),
        ("!!int 'x'", "invalid_yaml"),
        ("!!binary NC4w", "invalid_yaml"),
        ("!!set {a}", "invalid_yaml"),
        ("!!omap [a: 1]", "invalid_yaml"),
        ("!own '4.00'", "invalid_yaml"),
    ],
)
def test_what_yaml_makes_of_a_price_is_told_in_its_line(
    folder: Path, written: str, fault: str
) -> None:
    """No number is taken that JSON has no text for, and no type of YAML's own."""
    text = GOOD.replace('"4.00"', written)

    assert [(12, fault, "charges[0].tiers[0].unit_amount")] == faults(write(folder, text))


def test_a_plain_tag_of_text_is_text(folder: Path) -> None:
    """It says what the value is without a tag."""
    file = read_book_file(write(folder, GOOD.replace('"4.00"', "!!str 4.00")))

    assert "4.00" == file.raw["charges"][0]["tiers"][0]["unit_amount"]


@pytest.mark.parametrize(
    "day", ["2026-99-99", "2026-12-01 00:00:00", "1796083200", "20261201", "no"]
)
def test_a_day_is_told_in_its_line(folder: Path, day: str) -> None:
    """What YAML would take for an instant, or cannot take for a day, is none."""
    text = GOOD.replace("2026-12-01", day)

    assert [(3, "not_a_day", "effective_on")] == faults(write(folder, text))


def test_a_text_that_yaml_takes_for_something_else_is_explained(folder: Path) -> None:
    """The country NO is false to YAML, and a price without quotes a number."""
    text = GOOD.replace("currency: USD", "currency: NO").replace('"4.00"', "4.00")
    with pytest.raises(FaultyFileError) as caught:
        read_book_file(write(folder, text))

    told = [fault.message.rpartition(". ")[2] for _, fault in caught.value.faults]
    assert [
        "YAML takes NO for true or false: put it in quotes.",
        "YAML takes 4.00 for a number: put it in quotes.",
    ] == told


def test_a_file_that_unfolds_is_refused(folder: Path) -> None:
    """Aliases of aliases are counted wherever they stand."""
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    found = faults(write(folder, "\n".join(["a0: &a0 [1]", *rows])))

    assert [(1, "file_too_large", "")] == found


def test_validate_prints_each_fault_and_fails(folder: Path) -> None:
    """Every file is looked at; the exit code is 1 if one of them is faulty."""
    good = write(folder, GOOD, "good.yaml")
    bad = write(folder, GOOD.replace('"3.00"', '"-3"'), "bad.yaml")

    both = CliRunner().invoke(app, ["pricebook", "validate", str(bad), str(good)])
    one = CliRunner().invoke(app, ["pricebook", "validate", str(good)])

    expected = "charges[0].tiers[1].unit_amount: A price is 0 or more. (negative_price)"
    assert (1, 0) == (both.exit_code, one.exit_code)
    assert f"bad.yaml:13: {expected}" in both.output.replace("\n", "")
    assert "good.yaml: assistant is valid: 1 charges, 1 plans" in both.output


def test_a_file_that_is_not_there_is_told(folder: Path) -> None:
    """A wrong path is a sentence, not a traceback."""
    result = CliRunner().invoke(app, ["pricebook", "validate", str(folder / "none.yaml")])

    assert (1, True) == (result.exit_code, "No such file" in result.output)


def test_a_server_that_is_away_is_told(folder: Path) -> None:
    """Without an answer the command says who did not answer."""
    path = write(folder, GOOD)
    away = ["--url", "http://127.0.0.1:1", "--api-key", "k"]

    result = CliRunner().invoke(app, ["pricebook", "apply", str(path), *away])

    assert (1, True) == (result.exit_code, "127.0.0.1:1 does not answer" in result.output)


def test_apply_tells_what_keeps_a_draft_from_being_published(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draft is written all the same; faults of the file have their line."""
    unknown = {
        "code": "unknown_meter",
        "path": "charges[0].usage.kinds[0]",
        "message": "None such.",
    }
    own = {"code": "unknown_charge", "path": "subscriptions.a.overrides[0].key", "message": "Gone."}

    def answer(request: httpx.Request) -> httpx.Response:
        place = request.url.path.removeprefix("/v1/price-books/assistant")
        if place == "/versions/1/faults":
            assert "2026-12-01" == request.url.params["effective_on"]
            return httpx.Response(200, json={"faults": [unknown, own]})
        draft = {"version": 1, "state": "draft", "effective_on": None}
        known = {"name": "Assistant", "versions": []}
        return httpx.Response(200, json=draft if place else known)

    def connect(url: str, _key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=url, transport=httpx.MockTransport(answer))

    monkeypatch.setattr(cli_pricebook, "connect", connect)
    path = write(folder, GOOD)
    result = CliRunner().invoke(app, ["pricebook", "apply", str(path)])

    output = result.output.replace("\n", "")
    assert 0 == result.exit_code
    assert "assistant version 1: created (draft)" in output
    assert "book.yaml: not to be published yet" in output
    assert "book.yaml:10: charges[0].usage.kinds[0]: None such. (unknown_meter)" in output
    assert "subscriptions.a.overrides[0].key: Gone. (unknown_charge)" in output
