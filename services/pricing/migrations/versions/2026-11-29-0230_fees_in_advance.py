"""Fees in advance: opening statements, and what was charged of the open period."""

import sqlalchemy as sa
from alembic import op

revision = "e7a25c0d9f13"
down_revision = "c3d1f0a7b482"
branch_labels = None
depends_on = None

KEY = ["vendor_id", "mode", "subscription_id", "sequence"]


def upgrade() -> None:
    for column in (
        sa.Column(
            "opens_on",
            sa.Date(),
            nullable=True,
            comment="first day charged, until its opening statement is made",
        ),
        sa.Column(
            "charged_by",
            sa.Text(),
            nullable=True,
            comment="statement that charged the open period's fees in advance",
        ),
    ):
        op.add_column("subscription", column, schema="pricing")
    # Whoever is still free, or not begun, is opened when that ends.
    op.execute(
        "update pricing.subscription set opens_on = starts_on + trial_days "
        "where starts_on + trial_days >= next_start"
    )
    op.create_index(
        "ix_subscription_to_open",
        "subscription",
        ["vendor_id", "mode", "topic_partition", "opens_on"],
        schema="pricing",
        postgresql_where=sa.text("opens_on is not null"),
    )
    op.create_index(
        "ix_price_version_in_advance",
        "price_version",
        ["vendor_id", "mode", "book"],
        schema="pricing",
        postgresql_where=sa.text("""content @> '{"charges": [{"timing": "in_advance"}]}'"""),
    )
    op.add_column(
        "statement",
        sa.Column("kind", sa.Text(), server_default="period", nullable=False),
        schema="pricing",
    )
    op.drop_constraint(
        op.f("uq_statement_vendor_id_mode_subscription_id_sequence"), "statement", schema="pricing"
    )
    op.create_unique_constraint(
        op.f("uq_statement_vendor_id_mode_subscription_id_sequence_kind"),
        "statement",
        [*KEY, "kind"],
        schema="pricing",
    )
    op.create_check_constraint(
        op.f("ck_statement_kind"), "statement", "kind in ('period', 'opening')", schema="pricing"
    )
