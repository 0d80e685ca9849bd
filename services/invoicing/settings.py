"""Settings of invoicing."""

from pydantic import AliasChoices, Field, SecretStr

from shared.settings import SharedSettings


class InvoicingSettings(SharedSettings):
    """Read from `TALLYROLL_…`; the deployment's own Stripe account by Stripe's usual names."""

    invoicing_database_url: SecretStr = Field(
        description="postgresql:// URL of the role that owns the schema `invoicing`"
    )
    invoicing_port: int = Field(default=8003, ge=0, le=65535, description="TCP port of the API")
    invoicing_consumer_group: str = Field(
        default="invoicing", description="Kafka consumer group of `statement.rated`"
    )
    invoicing_sync_interval_milliseconds: int = Field(
        default=500, ge=10, le=60_000, description="pause between looks for invoices to send"
    )
    invoicing_invoices_in_flight: int = Field(
        default=100, ge=1, le=500, description="invoices on their way through Stripe at once"
    )
    stripe_requests_per_second: float | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="to one Stripe account from one process; by default 100 in live and 25 in test"
        " mode; 0: no limit",
    )
    stripe_requests_per_second_endpoint: float = Field(
        default=25, ge=0, le=10_000, description="the same to one endpoint; 0: no limit"
    )
    webhook_allow_loopback: bool = Field(
        default=False,
        description="webhooks of test mode may go to this machine, over http too; never in"
        " production",
    )
    webhook_attempts_max: int = Field(
        default=13, ge=1, le=50, description="attempts before a webhook is dead; 13: 2.8 days"
    )
    webhook_timeout_seconds: float = Field(
        default=10.0, gt=0, le=60, description="an endpoint's answer that takes longer is a failure"
    )
    stripe_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("STRIPE_API_KEY", "stripe_api_key"),
        description="sk_test_… of the deployment: for vendors without an account, test mode only",
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("STRIPE_WEBHOOK_SECRET", "stripe_webhook_secret"),
        description="whsec_… that goes with STRIPE_API_KEY",
    )
    stripe_api_base: str | None = Field(
        default=None, description="address of another Stripe, the simulator; never for live keys"
    )
    invoicing_link_keys: SecretStr | None = Field(
        default=None,
        description="keys of signed links, id:secret,id:secret: the first signs, all verify; "
        "derived from the secret key by default",
    )
    invoicing_public_url: str | None = Field(
        default=None,
        description="address under which customers reach this API, for signed links; "
        "that of the request by default",
    )
