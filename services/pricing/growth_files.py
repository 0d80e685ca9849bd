"""Answers about growth as CSV files: the figures of the JSON answer, a header line, UTF-8."""

from services.pricing.csv_tables import Row, csv_table
from services.pricing.schemas.growth.contribution import ContributionsRead, PartRead
from services.pricing.schemas.growth.enablement import EffectRead, EnablementRead
from services.pricing.schemas.growth.growth import GrowthRead

DAYS = ("from", "to", "base_from", "base_to")


def growth_csv(read: GrowthRead) -> str:
    """Return a growth by rows: the whole, each split, each part; amounts of one split add up."""
    rows: list[Row] = [("total", "total", "", read.before, read.after, read.change)]
    rows += [("effect", one.name, "", "", "", one.amount) for one in read.effects]
    rows += [("depth", one.name, "", "", "", one.amount) for one in read.depth or ()]
    if read.cohorts is not None:
        rows += [
            ("cohort", one.cohort, one.units, one.before, one.after, one.change)
            for one in read.cohorts.cohorts
        ]
        rows.append(("cohort", "outside", "", "", "", read.cohorts.outside))
        rows += [("kept", one.name, "", "", "", one.amount) for one in read.cohorts.kept]
    return csv_table(("split", "name", "units", "before", "after", "change"), rows)


def contribution_csv(read: ContributionsRead) -> str:
    """Return a row for each part of each comparison; empty where there is no percentage."""
    names = tuple(PartRead.model_fields)
    rows = [
        (
            *(one.first, one.end, one.base_first, one.base_end),
            *(getattr(part, name) for name in names),
        )
        for one in read.comparisons
        for part in one.parts
    ]
    return csv_table((*DAYS, *names), rows)


def enablement_csv(read: EnablementRead) -> str:
    """Return a row for each figure, and for its placebo."""
    names = tuple(EffectRead.model_fields)
    rows = [
        (one.figure, test, *(getattr(effect, name) for name in names))
        for one in read.measured
        for test, effect in (("effect", one.effect), ("placebo", one.placebo))
        if effect is not None
    ]
    return csv_table(("figure", "test", *names), rows)
