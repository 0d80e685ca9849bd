"""Which subscriptions of a migration move when."""

from services.pricing.handlers.plan_migration import cohort_of

NAMES = [f"subscription-{number}" for number in range(1000)]


def test_the_id_alone_decides() -> None:
    """Who is in the first tenth is in the first fifth; what is left of 100 percent stays."""
    tenth = {name for name in NAMES if cohort_of(name, [10]) == 0}
    fifth = {name for name in NAMES if cohort_of(name, [20, 70]) == 0}

    assert tenth < fifth
    assert any(cohort_of(name, [20, 70]) is None for name in NAMES)
    assert all(cohort_of(name, [20, 80]) is not None for name in NAMES)


def test_cohorts_are_about_as_large_as_said() -> None:
    """A tenth of a thousand is a hundred, give or take chance."""
    assert 70 < sum(cohort_of(name, [10]) == 0 for name in NAMES) < 130
