"""create accounts"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "a20a0279f7b7"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vendor",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("live_from", sa.Date(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("vendor_id", name=op.f("pk_vendor")),
        schema="accounts",
    )
    op.create_table(
        "tenant",
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("legal_name", sa.Text(), nullable=False),
        sa.Column("billing_email", sa.Text(), nullable=True),
        sa.Column(
            "address",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("purchase_order", sa.Text(), nullable=True),
        sa.Column("billing", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("billing in ('on', 'hold', 'internal')", name=op.f("ck_tenant_billing")),
        sa.CheckConstraint("mode in ('test', 'live')", name=op.f("ck_tenant_mode")),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["accounts.vendor.vendor_id"], name=op.f("fk_tenant_vendor_id")
        ),
        sa.PrimaryKeyConstraint("vendor_id", "mode", "tenant_id", name=op.f("pk_tenant")),
        schema="accounts",
    )
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode in ('test', 'live')", name=op.f("ck_api_key_mode")),
        sa.ForeignKeyConstraint(
            ["vendor_id", "mode", "tenant_id"],
            ["accounts.tenant.vendor_id", "accounts.tenant.mode", "accounts.tenant.tenant_id"],
            name=op.f("fk_api_key_vendor_id_mode_tenant_id"),
        ),
        sa.ForeignKeyConstraint(
            ["vendor_id"], ["accounts.vendor.vendor_id"], name=op.f("fk_api_key_vendor_id")
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_key")),
        schema="accounts",
    )
    op.create_index(
        "uq_api_key_vendor_id_mode_name",
        "api_key",
        ["vendor_id", "mode", "name"],
        unique=True,
        schema="accounts",
        postgresql_where=sa.text("revoked_at is null"),
    )
