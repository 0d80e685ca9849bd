"""Plots of growth: the figures of the answer, each where it belongs."""

from datetime import date
from typing import Any

from services.pricing.growth_files import enablement_csv
from services.pricing.growth_plots import enablement_plot
from services.pricing.schemas.growth.enablement import EffectRead, EnablementRead, MeasuredRead


def _effect(estimate: str, lower: str | None, upper: str | None) -> EffectRead:
    sides = dict.fromkeys(("trained_before", "trained_after", "others_before", "others_after"), "1")
    values: dict[str, Any] = {"estimate": estimate, "lower": lower, "upper": upper, **sides}
    return EffectRead(**values, relative_percent=None)


READ = EnablementRead(
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


def test_only_what_has_an_interval_is_drawn() -> None:
    """An estimate alone would look like certainty; each figure has a scale of its own."""
    plot = enablement_plot(READ)

    assert [("tokens", "after training", 120.2, 687.5, 1300.0)] == [
        tuple(row[name] for name in ("figure", "test", "lower", "estimate", "upper"))
        for row in plot["data"]["values"]
    ]
    assert {"x": "independent"} == plot["resolve"]["scale"]
    assert "What training changed: 20 trained against 31 others" == plot["title"]


def test_a_file_has_what_a_plot_leaves_out() -> None:
    """A row for each estimate; what is not known is empty."""
    rows = enablement_csv(READ).splitlines()

    assert ["tokens,effect,687.5,120.2,1300,,1,1,1,1", "tokens,placebo,30,,,,1,1,1,1"] == rows[1:]
