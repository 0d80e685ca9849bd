"""The days that a line is for, where they are not the invoice's: fees in advance."""

import sqlalchemy as sa
from alembic import op

revision = "b40c7e15a9d2"
down_revision = "3d32757cf831"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("period_start", sa.Date(), nullable=True, comment="null: as the invoice's"),
        sa.Column(
            "period_end", sa.Date(), nullable=True, comment="exclusive; null: as the invoice's"
        ),
    ):
        op.add_column("invoice_line", column, schema="invoicing")
