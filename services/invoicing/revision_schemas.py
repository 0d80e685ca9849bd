"""HTTP models of replacing an issued invoice."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.invoicing.manual_schemas import LINES_MAX, ManualLineWrite


class RevisionWrite(BaseModel):
    """What the new invoice consists of: by default what the old one does, as valid now."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{}, {"lines": [{"description": "Onboarding workshop", "amount": "1500"}]}]
        },
    )

    lines: list[ManualLineWrite] | None = Field(
        default=None,
        min_length=1,
        max_length=LINES_MAX,
        description="of a one-off invoice; null: its own",
    )


class RevisionRead(BaseModel):
    """An order to replace an issued invoice: the old one is void before the new one exists."""

    invoice_id: str = Field(description="that is replaced")
    state: Literal["pending", "done", "refused"]
    reason: str | None = Field(description="why it was refused; a stable code")
    revised_by: str | None = Field(description="the new invoice; null until the old one is void")
    created_at: datetime
