"""Room for updates in the pages of rollups.

Every flush updates nearly all rows of the hour: a page that holds each row twice lets Postgres
write the new version beside the old one, without touching any index.

Revision ID: 8f3a1c5be207
Revises: f2522ec11372
"""

from alembic import op

revision = "8f3a1c5be207"
down_revision = "f2522ec11372"
branch_labels = None
depends_on = None

_TABLES = ("rollup", "user_rollup", "run_rollup", "run_sum")


def upgrade() -> None:
    for table in _TABLES:
        op.execute(f"alter table metering.{table} set (fillfactor = 45)")


def downgrade() -> None:
    for table in _TABLES:
        op.execute(f"alter table metering.{table} set (fillfactor = 70)")
