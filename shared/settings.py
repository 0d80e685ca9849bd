"""Settings that every process of the deployment shares; each service adds its own."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class SharedSettings(BaseSettings):
    """Read from `TALLYROLL_…` environment variables; a missing one stops the start."""

    model_config = SettingsConfigDict(env_prefix="TALLYROLL_", extra="ignore")

    kafka_bootstrap: str = Field(description="host:port of the Kafka brokers, comma separated")
    secret_key: SecretStr = Field(
        min_length=32,
        description="pepper of the API keys' HMAC and source of the key that seals Stripe keys",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="one JSON object a line, or lines for a terminal"
    )
    bind_host: str = Field(default="127.0.0.1", description="address that HTTP servers listen on")
    database_connections: int = Field(
        default=8, ge=1, le=100, description="connections of one process to Postgres, at most"
    )
