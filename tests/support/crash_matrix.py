"""`python -m tests.support.crash_matrix`: run the crash matrices and write their pages."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

VARIABLE = "CRASH_MATRIX"
TESTS = (
    "tests/integration/invoicing/test_crash_matrix.py",
    "tests/integration/invoicing/test_correction_matrix.py",
)
HEAD = """# Crash matrix

<!-- Made by `python -m tests.support.crash_matrix` from executed cells. -->

Invoicing is killed at a step of the way to Stripe: before the call leaves (its job row is committed), and after its answer or failure has arrived (nothing of it is committed). The simulator meets the same step with a fault, once. Then invoicing starts again and goes on. Every cell ended with **one customer, one invoice with our number, our lines and our total**, which a test checks in each; a cell tells the invoice's state at Stripe, killed before / killed after.

`try 2` is a draft made under a second idempotency key, since Stripe repeats a stored failure for a day, or since the key is older than 20 hours; the first try had made nothing. `2 e-mails`: whether the first left cannot be asked, and twice is the lesser harm. `stale_read` and `search_lag` hit the list that the gate looks for duplicates in, `key_pruned` comes with a pause of 25 hours.
"""  # noqa: E501 - a paragraph is one line

CORRECTIONS_HEAD = """# Crash matrix of corrections

<!-- Made by `python -m tests.support.crash_matrix` from executed cells. -->

An issued invoice is voided, given up or credited, and invoicing is killed at that call: before it leaves, and after its answer or failure has arrived. The simulator meets the call with a fault, once. Then invoicing starts again. Every cell ended with **the order done once**: one event of its kind at Stripe, one credit note over our amount with our number. A cell tells the invoice's state at Stripe, and what was credited, killed before / killed after.
"""  # noqa: E501 - a paragraph is one line


@dataclass(frozen=True)
class Cell:
    """What Stripe held in the end, and how many drafts and e-mails it ever made."""

    status: str
    attempt: int
    drafts: int
    mails: int

    def __str__(self) -> str:
        words = [self.status]
        if self.attempt > 1:
            words.append(f"try {self.attempt}")
        if self.drafts > 1:
            words.append(f"{self.drafts} drafts")
        if self.mails != 1:
            words.append(f"{self.mails} e-mails")
        return ", ".join(words)


def page(
    cells: Mapping[tuple[str, str, str], object],
    steps: Sequence[str],
    faults: Sequence[str],
    head: str = HEAD,
) -> str:
    """Return the page: a row for each fault, a column for each step."""
    lines = [head, "| | " + " | ".join(f"`{step}`" for step in steps) + " |"]
    lines.append("|" + "---|" * (len(steps) + 1))
    for fault in faults:
        ends = [f"{cells[step, fault, 'before']} / {cells[step, fault, 'after']}" for step in steps]
        lines.append(f"| `{fault}` | " + " | ".join(ends) + " |")
    return "\n".join([*lines, "", f"{len(cells)} cells.", ""])


def page_path(name: str = "crash-matrix") -> Path:
    return Path(__file__).parents[2] / "docs" / "reference" / f"{name}.md"


def check_page(made: str, name: str = "crash-matrix") -> None:
    """Print the table and compare it with the published one, or publish it."""
    print(made)  # noqa: T201 - the table is what the tests are for
    path = page_path(name)
    if wanted():
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")


def wanted() -> bool:
    """Tell whether the page is to be written rather than compared."""
    return VARIABLE in os.environ


def main() -> int:
    os.environ[VARIABLE] = "write"
    return int(pytest.main(["-q", "-s", *TESTS]))


if __name__ == "__main__":
    sys.exit(main())
