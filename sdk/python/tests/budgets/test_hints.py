"""Which hint holds for a call, and for how long."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from tallyroll import Hint
from tallyroll.budgets import Confirmed, Fetched
from tallyroll.budgets.hints import STALE_SECONDS, Hints

from .conftest import NOW, hint_of


def _knowing(*hints: Hint, asked: float | None = None, **changes: Any) -> Hints:
    known = Hints()
    asked = time.monotonic() if asked is None else asked
    known.replace(Fetched(hints=hints, **({"at": NOW} | changes)), asked=asked)
    return known


@pytest.mark.parametrize(
    ("scope", "about", "applies"),
    [
        ({}, {}, True),
        ({"tenant": "acme"}, {"tenant": "acme", "agent": "coder"}, True),
        ({"tenant": "acme"}, {"tenant": "globex"}, False),
        ({"tenant": "acme"}, {}, False),
        ({"tenant": "acme", "agent": "coder"}, {"tenant": "acme", "agent": "coder"}, True),
        ({"tenant": "acme", "agent": "coder"}, {"tenant": "acme"}, False),
        ({"team": "t", "user": "u"}, {"team": "t", "user": "u", "run_id": "r"}, True),
        ({"run": "r-1"}, {"run_id": "r-1"}, True),
        ({"run": "r-1"}, {"run_id": "r-2"}, False),
    ],
)
def test_a_hint_applies_where_all_of_its_scope_matches(
    scope: dict[str, str], about: dict[str, str], applies: bool
) -> None:
    """Each name in the scope has the call's value; the call may have more."""
    found = _knowing(hint_of(scope=scope)).find(about)

    assert applies == (found.hint is not None)


@pytest.mark.parametrize(
    ("ledger", "purpose", "applies"),
    [
        (None, "explore", True),
        (None, None, True),
        ("explore", "explore", True),
        ("explore", "production", False),
        ("explore", None, False),
        ("run", "explore", False),
        ("run", "production", True),
        ("run", "eval", True),
        ("run", None, True),
    ],
)
def test_ledgers_do_not_mix(ledger: str | None, purpose: str | None, applies: bool) -> None:
    """A used-up exploration budget stops no production, nor the other way round."""
    found = _knowing(hint_of(ledger=ledger)).find({"purpose": purpose})

    assert applies == (found.hint is not None)


@pytest.mark.parametrize("turned", [False, True])
def test_the_worst_of_all_levels_holds(turned: bool) -> None:
    """An open budget of an agent does not open that of its tenant; a stop is worse than over."""
    hints = [
        hint_of("open", id="a", scope={"agent": "coder"}),
        hint_of("near", id="b", scope={"tenant": "acme"}),
        hint_of("over", id="c", scope={"tenant": "acme"}, ledger="explore"),
        hint_of("over", id="d", scope={"tenant": "acme", "agent": "coder"}),
        hint_of("over", id="e", scope={"run": "r"}, stop=True),
    ]
    known = _knowing(*(reversed(hints) if turned else hints))

    def worst(**about: str) -> str | None:
        hint = known.find(about).hint
        return None if hint is None else hint.id

    assert "a" == worst(agent="coder")
    assert "b" == worst(tenant="acme")
    assert "c" == worst(tenant="acme", purpose="explore")
    assert "d" == worst(tenant="acme", agent="coder")
    assert "e" == worst(tenant="acme", agent="coder", run_id="r")


def test_calls_without_a_tenant_are_the_keys_tenants() -> None:
    """A key that is bound to a tenant does not have to name it, and another name wins."""
    known = _knowing(hint_of(scope={"tenant": "acme"}), tenant="acme")

    assert known.find({"agent": "coder"}).hint is not None
    assert known.find({"tenant": "globex"}).hint is None


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, STALE_SECONDS),
        ({"as_of": NOW - timedelta(seconds=45)}, 15),
        ({"as_of": NOW + timedelta(seconds=30)}, STALE_SECONDS),
        ({"expires_at": NOW + timedelta(seconds=20)}, 20),
    ],
)
def test_a_hint_holds_for_so_long(changes: dict[str, Any], seconds: float) -> None:
    """For 60 s after `as_of` and until it expires, by the server's clock; then it allows."""
    hint = hint_of(**changes)
    now = time.monotonic()

    assert (hint, False) == _knowing(hint, asked=now - seconds + 5).find({})
    assert (None, True) == _knowing(hint, asked=now - seconds - 5).find({})


@pytest.mark.parametrize(
    "changes",
    [{"expires_at": NOW - timedelta(seconds=1)}, {"as_of": NOW - timedelta(seconds=61)}],
)
def test_a_hint_that_comes_too_late_never_holds(changes: dict[str, Any]) -> None:
    """What was too old, or expired, when the server said it."""
    assert (None, True) == _knowing(hint_of(**changes)).find({})


def test_a_confirmation_makes_hints_younger() -> None:
    """What still holds is as good as new, but does not live beyond its expiry."""
    now = time.monotonic()
    lasting, ending = (
        hint_of(),
        hint_of(scope={"agent": "a"}, expires_at=NOW + timedelta(seconds=70)),
    )
    known = _knowing(lasting, ending, asked=now - 100)
    assert (None, True) == known.find({"agent": "a"})
    later = NOW + timedelta(seconds=100)

    assert known.confirm(Confirmed(as_of=later, at=later), asked=now)
    found = known.find({"agent": "a"}).hint
    assert found is not None
    assert ({}, later) == (found.scope, found.as_of)


def test_nothing_cannot_be_confirmed() -> None:
    """A source that confirms what was never said is told apart from one that knows no hint."""
    assert not Hints().confirm(Confirmed(as_of=NOW, at=NOW), asked=time.monotonic())


def test_a_reader_sees_one_version_or_the_other() -> None:
    """While hints are replaced, every look-up finds all of the old ones or all of the new ones."""
    known = Hints()
    versions = [
        Fetched(
            hints=[
                hint_of(id=f"v{v}", scope={"agent": f"a{i}", "team": f"v{v}"}) for i in range(50)
            ],
            at=NOW,
        )
        for v in range(2)
    ]
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for version in versions:
                known.replace(version, asked=time.monotonic())

    known.replace(versions[0], asked=time.monotonic())
    writer = threading.Thread(target=write)
    writer.start()
    index = [known._index for _ in range(20_000)]
    stop.set()
    writer.join()

    teams = [{values[1] for _, by in i.shapes for values in by} for i in index]
    assert all(len(found) == 1 for found in teams)
    assert all(len(by) == 50 for i in index for _, by in i.shapes)
