"""Plots of growth: the figures of the answer, each where it belongs, and all of them drawable."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.pricing.contribution_plots import contribution_plot
from services.pricing.domain.growth.contribution import Part, contributions
from services.pricing.domain.growth.windows import Window
from services.pricing.growth_files import enablement_csv
from services.pricing.growth_plots import enablement_plot, growth_plot
from services.pricing.handlers.growth.contribution import (
    ContributionAnswer,
    ContributionQuestion,
)
from services.pricing.handlers.growth.windows import Span
from services.pricing.plotting import Spec, png_of, short, signed
from services.pricing.schemas.growth.contribution import ContributionsRead, contributions_read
from services.pricing.schemas.growth.enablement import EffectRead, EnablementRead, MeasuredRead
from services.pricing.schemas.growth.growth import Amount, GrowthRead

OCTOBER = Window(date(2023, 10, 1), date(2023, 11, 1))
NOVEMBER = Window(date(2023, 11, 1), date(2023, 12, 1))
DECEMBER = Window(date(2023, 12, 1), date(2024, 1, 1))
PNG = b"\x89PNG\r\n\x1a\n"


def _effect(estimate: str, lower: str | None, upper: str | None) -> EffectRead:
    sides = dict.fromkeys(("trained_before", "trained_after", "others_before", "others_after"), "1")
    values: dict[str, Any] = {"estimate": estimate, "lower": lower, "upper": upper, **sides}
    return EffectRead(**values, relative_percent=None)


TRAINED = EnablementRead(
    program="training",
    days=28,
    cluster="user",
    through=date(2023, 12, 1),
    trained=20,
    others=31,
    days_of_training=3,
    too_new=0,
    too_few=0,
    not_over=0,
    measured=[
        MeasuredRead(
            figure="tokens",
            effect=_effect("687.5", "120.2", "1300"),
            placebo=_effect("30", None, None),
        ),
        MeasuredRead(figure="active_days", effect=None, placebo=None),
    ],
)
UNTOLD = TRAINED.model_copy(update={"measured": TRAINED.measured[1:]})
GROWN = GrowthRead(
    first=NOVEMBER.first,
    end=NOVEMBER.end,
    base_first=OCTOBER.first,
    base_end=OCTOBER.end,
    of="tokens",
    unit="user",
    currency=None,
    sealed_through=None,
    open_periods=0,
    before="100",
    after="130",
    change="30",
    growth_percent="30",
    effects=[
        Amount(name="breadth", amount="40"),
        Amount(name="group_mix", amount="0"),
        Amount(name="depth", amount="-10"),
    ],
    depth=None,
    cohorts=None,
    units={},
)


def _contributed(*steps: Mapping[str, tuple[int, int]]) -> ContributionsRead:
    """Return what parts made of the growth of each step: name → before, after."""
    windows = [OCTOBER, NOVEMBER, DECEMBER]
    pairs = [
        (windows[n], windows[n + 1], contributions([_part(*one) for one in parts.items()]))
        for n, parts in enumerate(steps)
    ]
    question = ContributionQuestion(Span(NOVEMBER.first, NOVEMBER.end))
    unpriced: dict[Window, dict[str, Fraction]] = {window: {} for window in windows}
    return contributions_read(ContributionAnswer(question, pairs, "USD", None, 0, unpriced))


def _part(name: str, sides: tuple[int, int]) -> Part:
    before, after = sides
    return Part(name, Fraction(before), Fraction(after))


ONCE = _contributed({"acme": (150, 300), "globex": (50, 40)})
TWICE = _contributed(
    {f"tenant {n}": (10, 10 + n) for n in range(9)},
    {f"tenant {n}": (10 + n, 12 + n) for n in range(9)},
)
FROM_NOTHING = _contributed({"acme": (0, 30), "globex": (0, 10)})


def test_a_waterfall_leads_from_one_total_to_the_other() -> None:
    """Each bar begins where the one before ends; effects of 0 have none; the title says what."""
    plot = growth_plot(GROWN)

    assert [
        (0, 100, "100"),
        (100, 140, "+40"),
        (140, 130, "\N{MINUS SIGN}10"),
        (0, 130, "130"),
    ] == [(row["from"], row["to"], row["label"]) for row in plot["data"]["values"]]
    assert "Tokens grew by 30 %, the largest part by breadth" == plot["title"]["text"]


def test_growth_without_a_part_stands_beside_its_points() -> None:
    """200 grew to 340, by 70 %: 75 points are acme's, and without it it would have fallen by 5."""
    plot = contribution_plot(ONCE)

    assert [("acme", 75, -5), ("globex", -5, 75)] == [
        (row["name"], row["points"], row["without"]) for row in plot["data"]["values"]
    ]
    assert "Revenue grew by 70 %; without acme by \N{MINUS SIGN}5 %" == plot["title"]["text"]
    assert [70] == [row["at"] for row in _data(plot["hconcat"][1]["layer"][0])]


def test_growth_from_nothing_is_told_in_amounts() -> None:
    """There is no percentage of nothing; the parts still sum to the change."""
    plot = contribution_plot(FROM_NOTHING)

    assert [(30, 10), (10, 30)] == [(r["points"], r["without"]) for r in plot["data"]["values"]]
    assert "Revenue grew by 40 USD: there was nothing to grow from" == plot["title"]["text"]


def test_percentages_are_written_in_full() -> None:
    """From 1 to 88 is 8,700 %: no label has thousands of percent by a letter."""
    plot = contribution_plot(_contributed({"acme": (1, 88)}))

    assert "Revenue grew by 8,700 %; without acme by 0 %" == plot["title"]["text"]
    assert ["+8,700"] == [row["label"] for row in plot["data"]["values"]]


def test_stacks_sum_to_the_growth_with_a_line_without_the_largest() -> None:
    """Seven parts have colours, the rest are one; the dashed line leaves out who moved most.

    36 on 90 is 40 %, 8 of the 36 are those of tenant 8.
    """
    plot = contribution_plot(TWICE)

    stacked = [row["points"] for row in plot["data"]["values"] if row["days"] == "2023-11-01"]
    growth, without = (_data(layer) for layer in plot["layer"][1:])
    assert pytest.approx(40) == sum(stacked) == growth[0]["points"]
    assert pytest.approx((36 - 8) / 90 * 100) == without[0]["points"]
    assert 8 == len(plot["layer"][0]["encoding"]["color"]["scale"]["domain"])


def test_only_what_has_an_interval_is_drawn() -> None:
    """An estimate alone would look like certainty; each figure has a scale of its own."""
    plot = enablement_plot(TRAINED)

    assert [("tokens", "after training", 120.2, 687.5, 1300.0)] == [
        tuple(row[name] for name in ("figure", "test", "lower", "estimate", "upper"))
        for row in plot["data"]["values"]
    ]
    assert {"x": "independent"} == plot["resolve"]["scale"]
    assert "Training: +688 tokens a user and day" == plot["title"]["text"]


@pytest.mark.parametrize(
    ("effect", "title"),
    [
        (_effect("5", "-1", "11"), "Training changed nothing that can be told from chance"),
        (_effect("5", None, None), "What training changed is not known yet"),
    ],
)
def test_a_title_claims_no_more_than_the_interval(effect: EffectRead, title: str) -> None:
    """An interval that holds 0 is no effect; without one nothing is known."""
    measured = [MeasuredRead(figure="tokens", effect=effect, placebo=None)]

    plot = enablement_plot(TRAINED.model_copy(update={"measured": measured}))

    assert title == plot["title"]["text"]


def test_a_file_has_what_a_plot_leaves_out() -> None:
    """A row for each estimate; what is not known is empty."""
    rows = enablement_csv(TRAINED).splitlines()

    assert ["tokens,effect,687.5,120.2,1300,,1,1,1,1", "tokens,placebo,30,,,,1,1,1,1"] == rows[1:]


@pytest.mark.parametrize(
    "plot",
    [
        growth_plot(GROWN),
        contribution_plot(ONCE),
        contribution_plot(TWICE),
        contribution_plot(FROM_NOTHING),
        enablement_plot(TRAINED),
        enablement_plot(UNTOLD),
    ],
    ids=["growth", "once", "twice", "from nothing", "training", "untold"],
)
def test_every_plot_can_be_drawn(plot: Spec) -> None:
    """Also where there is nothing to show but the title."""
    assert png_of(plot).startswith(PNG)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (0.0312, "0.0312"),
        (0.0004, "0.0004"),
        (9.999, "10"),
        (-6.4, "\N{MINUS SIGN}6.4"),
        (999, "999"),
        (1_234, "1.23k"),
        (20_000_000, "20M"),
        (-3.21e9, "\N{MINUS SIGN}3.21B"),
    ],
)
def test_labels_are_short(number: float, shown: str) -> None:
    """Three digits and a letter; a change has its sign."""
    assert shown == short(number)
    assert (f"+{shown}" if number > 0 else shown) == signed(number)


def _data(layer: Spec) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = layer["data"]["values"]
    return values
