"""`python -m tests.support.crash_matrix`: run the crash matrix and write its page."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

VARIABLE = "CRASH_MATRIX"
TEST = "tests/integration/invoicing/test_crash_matrix.py"
HEAD = """# Crash matrix

<!-- Made by `python -m tests.support.crash_matrix` from executed cells. -->

Invoicing is killed at a step of the way to Stripe: before the call leaves (its job row is committed), and after its answer or failure has arrived (nothing of it is committed). The simulator meets the same step with a fault, once. Then invoicing starts again and goes on. Every cell ended with **one customer, one invoice with our number, our lines and our total**, which a test checks in each; a cell tells the invoice's state at Stripe, killed before / killed after.

`try 2` is a draft made under a second idempotency key, since Stripe repeats a stored failure for a day, or since the key is older than 20 hours; the first try had made nothing. `2 e-mails`: whether the first left cannot be asked, and twice is the lesser harm. `stale_read` and `search_lag` hit the list that the gate looks for duplicates in, `key_pruned` comes with a pause of 25 hours.
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
    cells: Mapping[tuple[str, str, str], Cell], steps: Sequence[str], faults: Sequence[str]
) -> str:
    """Return the page: a row for each fault, a column for each step."""
    lines = [HEAD, "| | " + " | ".join(f"`{step}`" for step in steps) + " |"]
    lines.append("|" + "---|" * (len(steps) + 1))
    for fault in faults:
        ends = [f"{cells[step, fault, 'before']} / {cells[step, fault, 'after']}" for step in steps]
        lines.append(f"| `{fault}` | " + " | ".join(ends) + " |")
    return "\n".join([*lines, "", f"{len(cells)} cells.", ""])


def page_path() -> Path:
    return Path(__file__).parents[2] / "docs" / "reference" / "crash-matrix.md"


def wanted() -> bool:
    """Tell whether the page is to be written rather than compared."""
    return VARIABLE in os.environ


def main() -> int:
    os.environ[VARIABLE] = "write"
    return int(pytest.main(["-q", "-s", TEST]))


if __name__ == "__main__":
    sys.exit(main())
