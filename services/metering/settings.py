"""Settings of metering's processes; read from `TALLYROLL_…` environment variables."""

from pydantic import Field, SecretStr

from shared.settings import SharedSettings


class MeteringSettings(SharedSettings):
    """What the api, the worker and the publisher need."""

    metering_database_url: SecretStr = Field(description="Postgres, as the role of metering")
    metering_port: int = Field(default=8001, description="port of the HTTP API")
    seal_grace_minutes: int = Field(
        default=720, ge=0, description="how long after its end a day stays open for late events"
    )
    publish_seconds: float = Field(
        default=1.0, gt=0, description="shortest time between two publications of one tenant"
    )
    events_per_flush: int = Field(
        default=50_000, ge=1, description="events that the worker counts in one transaction, about"
    )
    flush_milliseconds: int = Field(
        default=200, ge=1, description="longest time that the worker gathers before it counts"
    )
    worker_stalled_seconds: float = Field(
        default=60.0, gt=0, description="without progress on a non-empty log for so long: exit"
    )
