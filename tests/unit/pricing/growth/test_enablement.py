"""What training changed: who is compared, the difference by hand, and what its interval covers."""

from collections.abc import Mapping
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from statistics import mean

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.growth.differences import (
    Daily,
    Effect,
    effect_of,
    placebo_of,
)
from services.pricing.domain.growth.enablement import (
    Person,
    Sample,
    Training,
    sample_of,
)
from services.pricing.domain.growth.interval import jackknife, quantile

DAY = date(2023, 11, 15)
DAYS = 2
THROUGH = date(2024, 1, 1)
LONG_AGO = date(2023, 1, 1)
COVERED_MIN = 0.93


def someone(number: int, tenant: str = "acme") -> Person:
    return Person(tenant, f"user-{number}")


def training_of(trained: Mapping[Person, date], people: int, **values: date) -> Training:
    """Return a training of some of so many people, all of them active since long ago."""
    everybody = [someone(number) for number in range(people)]
    first = dict.fromkeys([*everybody, *trained], LONG_AGO)
    return Training(trained, trained, first, values.get("through", THROUGH))


def daily_of(figures: Mapping[Person, tuple[int, int]], day: date = DAY) -> Daily:
    """Return figures of so much a day, on the two days before a day and the two after it."""
    befores = [day - timedelta(days=n) for n in (1, 2)]
    afters = [day + timedelta(days=n) for n in (1, 2)]
    return {
        person: dict.fromkeys(befores, Fraction(before)) | dict.fromkeys(afters, Fraction(after))
        for person, (before, after) in figures.items()
    }


def by_user(person: Person) -> Person:
    return person


def measured(training: Training, daily: Daily, days: int = DAYS) -> Effect:
    effect = effect_of(sample_of(training, days), daily, days, by_user)
    assert effect is not None
    return effect


def test_a_difference_in_differences_by_hand() -> None:
    """Trained: 10 → 20 and 10 → 24, so +12; others: 5 → 6 and 5 → 8, so +2. Training made 10.

    Leaving one out gives 12, 8, 9 and 11: squared distances 4 + 4 + 1 + 1, times 3 / 4, is 7.5.
    Two on a side leave one degree of freedom: 12.706 x 2.738613 to either side. Of the 22 a day of
    the trained 12 would have come without it.
    """
    trained = {someone(0): DAY, someone(1): DAY}
    daily = daily_of(
        {someone(0): (10, 20), someone(1): (10, 24), someone(2): (5, 6), someone(3): (5, 8)}
    )

    effect = measured(training_of(trained, 4), daily)

    assert 10 == effect.estimate
    assert effect.interval is not None
    half = Fraction("12.706") * Fraction("2.738612787526")
    assert abs(effect.interval.upper - 10 - half) < Fraction(1, 10**9)
    assert 10 - effect.interval.lower == effect.interval.upper - 10
    assert [10, 22, 5, 7] == [
        *(effect.trained.before, effect.trained.after),
        *(effect.others.before, effect.others.after),
    ]
    assert Fraction(1000, 12) == effect.relative


def test_before_and_after_alone_would_take_everybodys_growth_for_training() -> None:
    """All double, trained or not: the trained come to 10 a day more, and training made nothing."""
    trained = {someone(0): DAY, someone(1): DAY}
    daily = daily_of({someone(number): (10, 20) for number in range(5)})

    effect = measured(training_of(trained, 5), daily)

    assert 0 == effect.estimate
    assert 10 == effect.trained.after - effect.trained.before


def test_days_of_training_are_added_up_by_their_trained() -> None:
    """Two who were trained first gain 3 each, four later ones 9 each: 7 on average.

    Who is trained later stands for the untrained until then.
    """
    later = DAY + timedelta(days=20)
    trained = {someone(n): DAY if n < 2 else later for n in range(6)}
    first = daily_of({someone(n): (10, 13 if n < 2 else 10) for n in range(8)})
    second = daily_of({someone(n): (10, 19 if 2 <= n < 6 else 10) for n in range(8)}, later)
    daily = {person: {**first[person], **second[person]} for person in first}

    sample = sample_of(training_of(trained, 8), DAYS)
    effect = measured(training_of(trained, 8), daily)

    assert [(2, 6), (4, 2)] == [(len(own), len(o)) for _, own, o in sample.comparisons]
    assert (6, 6) == (sample.trained, sample.others)
    assert 7 == effect.estimate


def test_who_cannot_be_compared_is_told() -> None:
    """Too new, not over yet, too few; each is counted, and none of them changes the estimate."""
    soon = THROUGH - timedelta(days=2)
    trained = {someone(0): DAY, someone(1): DAY, someone(2): DAY, someone(3): soon}
    training = training_of(trained, 6)
    known = {**training.first_active, someone(2): DAY}
    training = Training(trained, trained, known, THROUGH)

    sample = sample_of(training, DAYS)

    assert (2, 1, 1, 0) == (sample.trained, sample.too_new, sample.not_over, sample.too_few)
    assert [someone(3), someone(4), someone(5)] == sample.comparisons[0][2]
    alone = sample_of(training_of({someone(0): DAY}, 6), DAYS)
    assert (0, 1) == (alone.trained, alone.too_few)
    assert effect_of(alone, {}, DAYS, by_user) is None


def test_who_has_just_come_is_not_compared() -> None:
    """Two start the day before their training and use 10 a day ever since, as everybody does.

    Half of their days before are from when they were not there: told as growth, it would be 5 a
    day that training never made, and the placebo, without them, would not see it.
    """
    newcomers = {someone(0): DAY, someone(1): DAY}
    trained = {**newcomers, someone(2): DAY, someone(3): DAY}
    daily = dict(daily_of({someone(number): (10, 10) for number in range(8)}))
    yesterday = DAY - timedelta(days=1)
    for person in newcomers:
        daily[person] = {day: f for day, f in daily[person].items() if day >= yesterday}
    base = training_of(trained, 8)
    first = {**base.first_active, **dict.fromkeys(newcomers, yesterday)}
    firsts = [first, {**first, someone(0): DAY - timedelta(days=DAYS)}]

    samples = [sample_of(Training(trained, trained, own, THROUGH), DAYS) for own in firsts]

    assert [(2, 2), (3, 1)] == [(sample.trained, sample.too_new) for sample in samples]
    effect = effect_of(samples[0], daily, DAYS, by_user)
    assert effect is not None
    assert 0 == effect.estimate
    naive = Training(trained, trained, dict.fromkeys(first, LONG_AGO), THROUGH)
    assert Fraction(5, 2) == measured(naive, daily).estimate


def test_one_on_either_side_is_too_few() -> None:
    """Two trained against one: nothing is known of how the others spread."""
    sample = sample_of(training_of({someone(0): DAY, someone(1): DAY}, 3), DAYS)

    assert (0, 2) == (sample.trained, sample.too_few)


def test_a_placebo_needs_who_was_there_for_twice_the_days() -> None:
    """Who came three days before was there for the two days before, and not for the placebo's."""
    trained = {someone(n): DAY for n in range(3)}
    base = training_of(trained, 6)
    first = {**base.first_active, someone(0): DAY - timedelta(days=3)}
    training = Training(trained, trained, first, THROUGH)

    samples = [sample_of(training, DAYS, shifted=shifted) for shifted in (0, DAYS)]

    assert [(3, 0), (2, 1)] == [(sample.trained, sample.too_new) for sample in samples]


def test_days_that_are_just_over_are_compared() -> None:
    """The two days after the 15th are over when the 17th is; a day less, and they are not."""
    trained = {someone(0): DAY, someone(1): DAY}
    over = DAY + timedelta(days=DAYS + 1)
    counts = [
        sample_of(training_of(trained, 4, through=through), DAYS).trained
        for through in (over, over - timedelta(days=1))
    ]

    assert [2, 0] == counts


def test_who_was_trained_in_something_else_is_no_comparison() -> None:
    """Nobody who was trained in anything before the days are over stands for the untrained."""
    trained = {someone(0): DAY, someone(1): DAY}
    base = training_of(trained, 6)
    elsewhere = {**trained, someone(2): DAY, someone(3): DAY + timedelta(days=3)}
    training = Training(trained, elsewhere, base.first_active, THROUGH)

    ((_, _, others),) = sample_of(training, DAYS).comparisons

    assert [someone(3), someone(4), someone(5)] == others


def test_a_placebo_shows_that_the_trained_grew_before() -> None:
    """Who was on the way up before it is no proof of training: the placebo says so."""
    trained = {someone(n): DAY for n in range(6)}
    days = [DAY + timedelta(days=n) for n in range(-4, 3)]
    steps = (10, 9, 11, 10, 9, 11, 0, 1, -1, 0, 1, -1)
    daily = {
        someone(n): {day: Fraction(100 + step * (day - DAY).days) for day in days}
        for n, step in enumerate(steps)
    }
    training = training_of(trained, len(steps))

    placebo = placebo_of(sample_of(training, DAYS, shifted=DAYS), daily, DAYS, by_user)

    assert placebo is not None
    assert 20 == placebo.estimate
    assert placebo.interval is not None
    assert not placebo.interval.holds_zero


def test_nothing_is_said_of_a_spread_that_was_not_seen() -> None:
    """All of a side alike: an interval of no width would be certainty out of four people."""
    trained = {someone(0): DAY, someone(1): DAY}
    daily = daily_of({someone(n): (10, 20 if n < 2 else 10) for n in range(4)})

    effect = measured(training_of(trained, 4), daily)

    assert (10, None) == (int(effect.estimate), effect.interval)


def test_people_of_a_tenant_may_be_one_cluster() -> None:
    """Whole tenants are left out: two on each side, as many as there are tenants."""
    people = [Person(tenant, str(n)) for tenant in "abcd" for n in range(3)]
    trained = {person: DAY for person in people if person.tenant in "ab"}
    gains = {"a": 20, "b": 24, "c": 6, "d": 8}
    before = {"a": 10, "b": 10, "c": 5, "d": 5}
    daily = daily_of({p: (before[p.tenant], gains[p.tenant]) for p in people})
    training = Training(trained, trained, dict.fromkeys(people, LONG_AGO), THROUGH)

    by_tenant = effect_of(sample_of(training, DAYS), daily, DAYS, lambda person: person.tenant)
    by_person = effect_of(sample_of(training, DAYS), daily, DAYS, by_user)

    assert by_tenant is not None
    assert by_person is not None
    assert 10 == by_tenant.estimate == by_person.estimate
    wide, narrow = by_tenant.interval, by_person.interval
    assert wide is not None
    assert narrow is not None
    assert wide.upper - wide.lower > 10 * (narrow.upper - narrow.lower)


@given(st.lists(st.integers(0, 10**6), min_size=6, max_size=6), st.integers(0, 10**6))
def test_what_all_have_in_common_changes_nothing(gains: list[int], common: int) -> None:
    """A shift of everybody's figures after the day leaves estimate and interval as they were."""
    trained = {someone(n): DAY for n in range(3)}
    plain = daily_of({someone(n): (0, gain) for n, gain in enumerate(gains)})
    moved = daily_of({someone(n): (0, gain + common) for n, gain in enumerate(gains)})
    one, other = (measured(training_of(trained, 6), daily) for daily in (plain, moved))

    assert (one.estimate, one.interval) == (other.estimate, other.interval)


def test_without_a_tenant_that_all_comparisons_need_there_is_no_interval() -> None:
    """X is all that was trained on one day, and all that was not on the other: none is left."""
    later = DAY + timedelta(days=20)
    x, y, z = ([Person(tenant, str(n)) for n in range(4)] for tenant in "xyz")
    comparisons = [(DAY, x[:2], y[:2]), (later, z[:2], x[2:])]
    sample = Sample(comparisons, too_new=0, too_few=0, not_over=0)
    gains = {person: (10, 10 + n * n) for n, person in enumerate([*x[:2], *y[:2]])}
    others = {person: (10, 10 + 2 * n * n) for n, person in enumerate([*z[:2], *x[2:]])}
    daily = {**daily_of(gains), **daily_of(others, later)}

    by_tenant = effect_of(sample, daily, DAYS, lambda person: person.tenant)
    by_person = effect_of(sample, daily, DAYS, by_user)

    assert by_tenant is not None
    assert by_person is not None
    assert by_tenant.interval is None
    assert by_person.interval is not None


def test_of_less_than_nothing_an_effect_is_no_percentage() -> None:
    """Others fall from 10 to 1, the trained stay at 1: without it they would have come to -8."""
    trained = {someone(0): DAY, someone(1): DAY}
    daily = daily_of({someone(n): (1 if n < 2 else 10, 1) for n in range(4)})

    effect = measured(training_of(trained, 4), daily)

    assert 9 == effect.estimate
    assert effect.relative is None


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=5), st.integers(0, 10**6))
def test_where_both_sides_change_alike_training_made_nothing(gains: list[int], base: int) -> None:
    """Each of the trained has a twin among the others: the estimate is 0, and is within."""
    count = len(gains)
    figures = {someone(n): (base, base + gains[n % count]) for n in range(2 * count)}

    effect = measured(
        training_of({someone(n): DAY for n in range(count)}, 2 * count), daily_of(figures)
    )

    assert 0 == effect.estimate
    assert effect.interval is None or effect.interval.holds_zero
    assert (effect.interval is None) == (len(set(gains)) == 1)


@given(st.lists(st.integers(0, 10**6), min_size=6, max_size=6), st.permutations(range(6)))
def test_the_order_of_people_changes_nothing(gains: list[int], order: list[int]) -> None:
    """Whoever is read first: estimate, interval and means are the same."""
    trained = {someone(n): DAY for n in range(3)}
    daily = daily_of({someone(n): (7, gain) for n, gain in enumerate(gains)})
    turned = {someone(n): daily[someone(n)] for n in order}
    training = training_of(trained, 6)
    first = {someone(n): LONG_AGO for n in order}

    assert measured(training, daily) == measured(
        Training(dict(reversed(trained.items())), trained, first, THROUGH), turned
    )


def _covered(random: Random, interval_of: str) -> bool:
    """Draw people whose change has mean 7 for the trained, 2 for the others; is 5 covered?"""
    changes = {
        someone(n): round(random.gauss(7 if n < 8 else 2, 30 if n < 8 else 10) * 1000)
        for n in range(20)
    }
    if interval_of == "effect":
        daily = daily_of({person: (10**6, 10**6 + change) for person, change in changes.items()})
        found = measured(training_of({someone(n): DAY for n in range(8)}, 20), daily).interval
        assert found is not None
        return found.lower <= 5000 <= found.upper
    pooled = list(changes.values())
    middle = mean(pooled[:8]) - mean(pooled[8:])
    half = 1.96 * (sum((c - mean(pooled)) ** 2 for c in pooled) / 20) ** 0.5 * (1 / 20) ** 0.5
    return bool(middle - half <= 5000 <= middle + half)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Over 400 samples of unequal spread, 95 of 100 in the long run; a naive one does not."""
    shares = {}
    for name in ("effect", "pooled"):
        random = Random(7)  # noqa: S311 - the same samples each time
        shares[name] = mean(_covered(random, name) for _ in range(400))

    assert COVERED_MIN <= shares["effect"]
    assert shares["pooled"] < COVERED_MIN


def test_quantiles_are_those_of_fewer_degrees_between_two() -> None:
    """Wider, never narrower; and a root is rounded up."""
    assert [Fraction("12.706"), Fraction("2.042"), Fraction("2.021"), Fraction("1.980")] == [
        quantile(freedom) for freedom in (1, 39, 59, 10**6)
    ]
    found = jackknife(Fraction(0), [Fraction(1), Fraction(-1)], freedom=1)
    assert found.upper == Fraction("12.706")
    root = jackknife(Fraction(0), [Fraction(2), Fraction(0)], freedom=1).upper / quantile(1)
    assert (root - Fraction(1, 10**12)) ** 2 < 2 <= root**2
