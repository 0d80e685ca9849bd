"""The exit code of `tallyrollctl reconcile` says how the month came out."""

from datetime import date
from typing import Any

import pytest
from typer.testing import CliRunner

from services import cli, cli_reconcile
from services.cli_reconcile_month import Reconciliation, Sides
from shared.accounts.repository import Account
from shared.differences import difference
from shared.errors import not_found

COMMAND = ["reconcile", "--vendor", "demo", "--month", "2026-01"]


def _done(found: int, unread: list[str]) -> Reconciliation:
    nowhere: Any = None
    done = Reconciliation(
        Sides(nowhere, nowhere, nowhere, nowhere, nowhere),
        Account("demo", "test"),
        date(2026, 1, 1),
        date(2026, 2, 1),
        tell=lambda _one: None,
    )
    done.found, done.unread = found, unread
    return done


@pytest.mark.parametrize(
    ("found", "unread", "code", "last"),
    [
        (0, [], 0, "reconciled: 2026-01 … 0 differences"),
        (3, [], 1, "reconciled: 2026-01 … 3 differences"),
        (0, ["Stripe"], 2, "reconciled: 2026-01, unread Stripe … 0 differences"),
        (3, ["Stripe"], 2, "reconciled: 2026-01, unread Stripe … 3 differences"),
    ],
)
def test_the_exit_code_tells_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, found: int, unread: list[str], code: int, last: str
) -> None:
    """0: the same everywhere; 1: differences; 2: something was not read, so nobody knows."""

    async def reconciled(*_arguments: Any) -> Reconciliation:
        return _done(found, unread)

    monkeypatch.setattr(cli_reconcile, "_reconcile", reconciled)
    result = CliRunner().invoke(cli.app, COMMAND)

    assert (code, last) == (result.exit_code, result.stdout.splitlines()[-1])


def test_an_interruption_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted, it ends with 130 and without a last line."""

    async def interrupted(*_arguments: Any) -> Reconciliation:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_reconcile, "_reconcile", interrupted)
    result = CliRunner().invoke(cli.app, COMMAND)

    assert 130 == result.exit_code
    assert "reconciled" not in result.stdout


@pytest.mark.parametrize("month", ["2026-13", "2026", "x"])
def test_what_is_no_month_is_refused(month: str) -> None:
    """A mistyped month never ends as a month without differences."""
    result = CliRunner().invoke(cli.app, [*COMMAND[:-1], month])

    assert (2, "invalid_month") == (result.exit_code, result.stderr.partition(":")[0])


def test_an_unknown_vendor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a mistyped vendor, who has no differences either."""

    async def unknown(*_arguments: Any) -> Reconciliation:
        raise not_found("vendor", "demo")

    monkeypatch.setattr(cli_reconcile, "_reconcile", unknown)
    result = CliRunner().invoke(cli.app, COMMAND)

    assert (2, "unknown_vendor") == (result.exit_code, result.stderr.partition(":")[0])


def test_a_difference_stays_on_its_line() -> None:
    """Whatever an id holds, a difference is one line, and cannot steer a terminal."""
    found = difference("code", {"tenant_id": "a\nb\x1b[2J"}, {"ours": 1, "theirs": None})

    assert "code tenant_id=a�b�[2J: ours 1, theirs nothing" == found.line()
