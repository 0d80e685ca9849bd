"""Answers of pricing that come as JSON, as a CSV file or as a plot, and the days they are about."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Header, Response
from pydantic import BaseModel, ConfigDict, Field

from services.pricing.handlers.growth.windows import Against, Span
from services.pricing.plotting import Spec
from services.pricing.schemas.fields import Day

CSV_TYPE = "text/csv"
PLOT_TYPE = "application/vnd.vegalite.v5+json"

Form = Literal["json", "csv", "vega-lite"]
Accept = Annotated[str, Header(include_in_schema=False)]
Named = Annotated[Form | None, Field(default=None, description="goes before the header `Accept`")]
Currency = Annotated[
    str | None,
    Field(
        default=None,
        pattern=r"^[A-Z]{3}$",
        description="of revenue; needed where statements have several",
    ),
]


class SpanParameters(BaseModel):
    """Days `[from, to)`, and those that they are compared with."""

    model_config = ConfigDict(extra="forbid")

    first: Day = Field(alias="from", description="inclusive")
    end: Day = Field(alias="to", description="exclusive")
    against: Against = Field(
        default="before",
        description="before: as long a span just before (months before whole months)",
    )
    base_first: Day | None = Field(default=None, alias="base_from", description="instead")
    base_end: Day | None = Field(default=None, alias="base_to")
    format: Named
    currency: Currency

    @property
    def span(self) -> Span:
        """The days as a question has them."""
        return Span(self.first, self.end, self.against, self.base_first, self.base_end)


@dataclass(frozen=True)
class Forms:
    """How a kind of answer is written as a file and, where it can be, as a plot."""

    name: str
    csv: Callable[[Any], str]
    plot: Callable[[Any], Spec] | None = None

    def answer(self, read: BaseModel, named: Form | None, accept: str) -> Response:
        """Return an answer in the named form, else the first accepted one, else as JSON."""
        form = named or _accepted(accept)
        if form == "csv":
            disposition = f'attachment; filename="{self.name}.csv"'
            headers = {"Content-Disposition": disposition}
            media = f"{CSV_TYPE}; charset=utf-8"
            return Response(self.csv(read), media_type=media, headers=headers)
        if form == "vega-lite" and self.plot is not None:
            return Response(json.dumps(self.plot(read)), media_type=PLOT_TYPE)
        return Response(read.model_dump_json(by_alias=True), media_type="application/json")


def _accepted(accept: str) -> Form:
    forms: dict[str, Form] = {
        CSV_TYPE: "csv",
        PLOT_TYPE: "vega-lite",
        "application/json": "json",
    }
    wanted = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return next((forms[media] for media in wanted if media in forms), "json")


def answers(model: type[BaseModel], *, plot: bool = True) -> dict[int | str, dict[str, Any]]:
    """Return how the reference tells the forms of an answer."""
    content: dict[str, Any] = {CSV_TYPE: {}} | ({PLOT_TYPE: {}} if plot else {})
    return {200: {"model": model, "content": content}}
