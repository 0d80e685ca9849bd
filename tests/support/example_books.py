"""The price books of examples/price-books, with their figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from services.pricing.book_files import BookFile, read_book_file
from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.readings import Readings, UsageOfSeat
from services.pricing.domain.seats import SeatChange, Seats
from services.pricing.domain.split.parts import Part
from services.pricing.domain.split.seat_holders import with_seat_holders
from services.pricing.domain.statement import RatedStatement
from services.pricing.domain.subscription.holder_log import Assignment
from services.pricing.domain.usage import Usage
from services.pricing.schemas.evaluation import EvaluatedUsage
from services.pricing.schemas.price_book import PriceBookContent
from shared.currencies import CURRENCIES
from shared.money import exact

FOLDER = Path(__file__).parents[2] / "examples" / "price-books"
BOOKS = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@dataclass(frozen=True)
class Figures:
    """One case of a book: what goes in, and what must come out."""

    book: str
    case: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.book}: {self.case['case']}"

    @property
    def period(self) -> Period:
        start, end = self.case["start"], self.case["end"]
        return Period(start, end, (end - start).days)

    def rate(self, content: PriceBookContent | None = None) -> RatedStatement:
        """Rate the case by the function that bills; by its own book unless told otherwise."""
        content = content or book_file(self.book).content
        plan = content.plan(self.case["plan"])
        assert plan is not None, f"no plan {self.case['plan']}"
        terms = RatingTerms("", plan, CURRENCIES[content.currency], self.seats(), self.period)
        return rate_period(terms, self.usage(), self.readings(plan))

    def readings(self, plan: Plan) -> Readings:
        """Return who used what: of seats by their class, or of users and those who hold seats."""
        if "seat_holders" not in self.case:
            return Readings(usage_of_seats=tuple(self.seat_usage()))
        holders = self.case["seat_holders"].items()
        log = [Assignment(user, seat_class, self.period.start) for user, seat_class in holders]
        rows = [EvaluatedUsage.model_validate(row) for row in self.case["usage"]]
        used = [row.of_user(self.period.start) for row in rows]
        (read,) = with_seat_holders([Part(self.period, plan, "", "", self.seats())], log, used)
        return read.readings

    def seats(self) -> Seats:
        changes = (
            SeatChange(one["day"], one["delta"]) for one in self.case.get("seat_changes", ())
        )
        return Seats(self.case.get("seats", {}), tuple(changes))

    def usage(self) -> list[Usage]:
        rows = (EvaluatedUsage.model_validate(row) for row in self.case["usage"])
        return [row.to_domain(self.period.start) for row in rows]

    def seat_usage(self) -> Iterator[UsageOfSeat]:
        fixed = {"agent": "", "purpose": "production", "usage_day": self.period.start}
        for row in self.case.get("seat_usage", ()):
            yield UsageOfSeat(**{**fixed, **row, "quantity": exact(row["quantity"])})


def book_file(book: str) -> BookFile:
    return read_book_file(FOLDER / f"{book}.yaml")


def figures() -> list[Figures]:
    """Return every case of every book."""
    found = []
    for book in BOOKS:
        cases = yaml.safe_load((FOLDER / "figures" / f"{book}.yaml").read_text(encoding="utf-8"))
        found += [Figures(book, case) for case in cases]
    return found


def amounts(values: dict[str, str]) -> dict[str, Fraction]:
    return {name: exact(text) for name, text in values.items()}
