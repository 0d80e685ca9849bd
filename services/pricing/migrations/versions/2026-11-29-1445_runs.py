"""Runs: their parts, what these used, and what came of them."""

import sqlalchemy as sa
from alembic import op

revision = "a93d5e0c71f4"
down_revision = "5c0d9b7e2f14"
branch_labels = None
depends_on = None

TENANT = ("vendor_id", "mode", "tenant_id")


def texts(names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names.split()]


def moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def number(name: str) -> sa.Column:
    return sa.Column(name, sa.Numeric(), nullable=False)


def table(name: str, key: tuple[str, ...], *columns: sa.Column) -> None:
    highest = "of the message: the highest wins"
    op.create_table(
        name,
        *texts(" ".join(TENANT)),
        *(sa.Column(one, sa.LargeBinary(), nullable=False) for one in key),
        *columns,
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment=highest),
        sa.PrimaryKeyConstraint(*TENANT, *key, name=op.f(f"pk_{name}")),
        schema="pricing",
    )


def index(name: str, *columns: str) -> None:
    op.create_index(f"ix_run_part_{name}", "run_part", list(columns), schema="pricing")


def upgrade() -> None:
    table(
        "run_part",
        ("part_key",),
        *texts("run_id parent_run_id agent agent_version status"),
        *(moment("first_at"), moment("last_at")),
    )
    index("agent", *TENANT, "agent", "last_at")
    index("run", *TENANT, "run_id")
    index("parent", *TENANT, "parent_run_id")
    index("last_at", "last_at")
    table(
        "run_usage",
        ("part_key", "row_key"),
        *texts("provider model kind context_band service_tier"),
        sa.Column("batch", sa.Boolean(), nullable=False),
        *texts("speed region purpose"),
        sa.Column("is_retry", sa.Boolean(), nullable=False),
        sa.Column("usage_day", sa.Date(), nullable=False),
        number("quantity"),
    )
    op.create_index(
        "ix_run_usage_retry",
        "run_usage",
        ["vendor_id", "mode", "usage_day"],
        schema="pricing",
        postgresql_where=sa.text("is_retry"),
    )
    table("run_outcome", ("part_key", "row_key"), *texts("name source"), number("value"))


def downgrade() -> None:
    for name in ("run_outcome", "run_usage", "run_part"):
        op.drop_table(name, schema="pricing")
