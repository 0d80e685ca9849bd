"""Settings of the pricing service."""

from pydantic import Field, SecretStr

from shared.settings import SharedSettings


class PricingSettings(SharedSettings):
    """Read from `TALLYROLL_…` environment variables."""

    pricing_database_url: SecretStr = Field(
        description="Postgres as the role that owns the schemas pricing and accounts"
    )
    pricing_port: int = Field(default=8002, ge=1, le=65535, description="port of the HTTP API")
    pricing_consumer_group: str = Field(
        default="pricing", min_length=1, description="Kafka consumer group of this service"
    )
    pricing_accept_unverified_days: bool = Field(
        default=True, description="rate sealed days whose recount was off (not those that differ)"
    )

    pricing_envelope_interval_seconds: float = Field(
        default=5.0, gt=0, description="between two looks at what was spent of envelopes"
    )
    pricing_progressive_interval_seconds: float = Field(
        default=10.0,
        gt=0,
        description="pause between two looks at the spend of subscriptions with thresholds",
    )

    pricing_runs_kept_days: int = Field(
        default=90, ge=1, le=3_660, description="runs without an event for so long are deleted"
    )

    @property
    def accepted_recounts(self) -> frozenset[str]:
        """Which recounts of a sealed day allow to rate it."""
        unverified = {"off"} if self.pricing_accept_unverified_days else set()
        return frozenset({"agreed"} | unverified)
