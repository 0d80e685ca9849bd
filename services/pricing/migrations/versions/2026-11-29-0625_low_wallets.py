"""A balance of a wallet under which the vendor is told."""

import sqlalchemy as sa
from alembic import op

revision = "d40b1c7e92aa"
down_revision = "a41c7e90d256"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "balance under which it is told; null: never"
    op.add_column("wallet", sa.Column("low_balance", sa.Text(), comment=comment), schema="pricing")
