"""`make mutants`: what it may be asked for, and which changes are of nothing but words."""

from pathlib import Path

import pytest

from tests.mutants.__main__ import is_of_words
from tests.mutants.modules import DOMAIN, MODULES, find_module

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests" / "unit" / "pricing"


@pytest.mark.parametrize("name", [module.name for module in MODULES])
def test_a_module_and_its_tests_are_there(name: str) -> None:
    """What was renamed would otherwise be tried with nothing."""
    module = find_module(f"{DOMAIN}/{name}")

    assert all(list(ROOT.glob(pattern)) for pattern in module.sources)
    assert [] == [test for test in module.tests if not (TESTS / test).exists()]


def test_another_path_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(ValueError, match=r"'taxes' is none of charges, tiers\.py"):
        find_module("taxes")


@pytest.mark.parametrize(
    ("removed", "added", "expected"),
    [
        ('Fault("code", "A bound is above 0.")', 'Fault("code", "XXA bound is above 0.XX")', True),
        ('Fault("code", "A bound is above 0.")', 'Fault("XXcodeXX", "A bound is above 0.")', False),
        ('raise ValueError("above 0")', "raise ValueError(None)", False),
        ("a + b", "a - b", False),
    ],
)
def test_words_are_told_from_what_decides(removed: str, added: str, expected: bool) -> None:
    """A sentence may change; a code, a number or a missing sentence is more."""
    change = f"# services.a: survived\n--- a.py\n+++ a.py\n@@ -1 +1 @@\n-{removed}\n+{added}\n"

    assert expected is is_of_words(change)
