"""Versions of one event: the highest revision counts, whatever the order of arrival."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metering.domain.versions import History, Version

VERSIONS = {
    "first": Version((0, 0, 0), 0, fingerprint=100),
    "grown": Version((0, 0, 1), 1, fingerprint=101),
    "replaced": Version((0, 0, 2), 2, fingerprint=102, is_correction=True),
    "voided": Version((0, 0, 3), 3, fingerprint=103, is_correction=True, is_void=True),
    "restored": Version((0, 0, 4), 4, fingerprint=104, is_correction=True),
}


def _arriving(names: tuple[str, ...]) -> History:
    history = History()
    for offset, name in enumerate(names):
        version = VERSIONS[name]
        position = (0, offset, 0)
        history.arrive(
            Version(
                position,
                version.revision,
                version.fingerprint,
                version.is_correction,
                version.is_void,
            )
        )
    return history


def _counts(history: History, names: tuple[str, ...]) -> dict[str, int]:
    """Return what the steps leave: how often each version is in the sums."""
    sums = dict.fromkeys(names, 0)
    for step in history.steps:
        sums[names[step.position[1]]] += step.sign
    return {name: count for name, count in sums.items() if count}


@pytest.mark.parametrize("names", [*itertools.permutations(["first", "replaced", "voided"])])
def test_a_void_on_top_leaves_nothing(names: tuple[str, ...]) -> None:
    """First event, replacement and void leave nothing, in any order."""
    assert {} == _counts(_arriving(names), names)


@given(st.permutations(sorted(VERSIONS)))
def test_the_highest_revision_counts_once(names: list[str]) -> None:
    """All versions in any order: exactly the highest is in the sums, once."""
    order = tuple(names)

    assert {"restored": 1} == _counts(_arriving(order), order)


def test_last_writer_wins_would_be_caught() -> None:
    """The broken variant: taking whatever comes last counts a stale version."""
    order = ("restored", "grown", "first")
    naive = {order[-1]: 1}

    assert naive != _counts(
        _arriving(("first", "restored", "grown")), ("first", "restored", "grown")
    )


def test_a_correction_ahead_of_its_target_waits() -> None:
    """Nothing is counted before the first event; then both apply, in the order of revisions."""
    history = _arriving(("voided", "replaced"))
    assert ([], ["waiting", "waiting"]) == (history.steps, list(history.verdicts.values()))

    history.arrive(Version((0, 9, 0), 0, fingerprint=100))

    assert ["applied", "applied", "counted"] == list(history.verdicts.values())
    assert 0 == sum(step.sign for step in history.steps)


@pytest.mark.parametrize(
    ("revision", "fingerprint", "verdict"),
    [(2, 102, "duplicate"), (2, 999, "conflict"), (1, 101, "stale"), (3, 103, "applied")],
)
def test_each_verdict(revision: int, fingerprint: int, verdict: str) -> None:
    """Equal revision: duplicate or conflict by content; lower: stale; higher: applied."""
    history = _arriving(("first", "replaced"))

    history.arrive(Version((0, 9, 0), revision, fingerprint))

    assert verdict == history.verdicts[0, 9, 0]


def test_a_duplicate_by_natural_key_cannot_be_corrected() -> None:
    """What another instrument has booked is corrected there, or the response would go negative."""
    history = History(is_duplicate=True)
    history.arrive(VERSIONS["first"])
    history.arrive(VERSIONS["voided"])

    assert ["duplicate", "corrects_duplicate"] == list(history.verdicts.values())
    assert [] == history.steps
