"""Settings of metering's processes; read from `TALLYROLL_…` environment variables."""

from typing import Literal

from pydantic import Field, SecretStr

from shared.settings import SharedSettings


class MeteringSettings(SharedSettings):
    """What the api, the worker, the publisher and the archiver need."""

    metering_database_url: SecretStr = Field(description="Postgres, as the role of metering")
    metering_port: int = Field(default=8001, description="port of the HTTP API")
    metering_api_processes: int = Field(
        default=1, ge=1, le=64, description="processes that share the API's port"
    )
    metering_consumer_group: str = Field(
        default="metering", min_length=1, description="Kafka consumer group of the publisher"
    )
    seal_grace_minutes: int = Field(
        default=720, ge=0, description="how long after its end a day stays open for late events"
    )
    publish_seconds: float = Field(
        default=1.0, gt=0, description="shortest time between two publications of one tenant"
    )
    publish_runs_seconds: float = Field(
        default=5.0, gt=0, description="shortest time between two publications of one run"
    )
    events_per_flush: int = Field(
        default=50_000, ge=1, description="events that the worker counts in one transaction, about"
    )
    flush_milliseconds: int = Field(
        default=200, ge=1, description="longest time that the worker gathers before it counts"
    )
    archive_url: str = Field(
        default="var/archive",
        min_length=1,
        description="where the archive lies: a local folder, or a URI such as s3://bucket/folder",
    )
    archive_seconds: float = Field(
        default=30.0, gt=0, description="how long an event waits at most before it is archived"
    )
    recount: Literal["on", "off"] = Field(
        default="off",
        description="publish a seal only after its day was counted again from the archive",
    )
    worker_stalled_seconds: float = Field(
        default=60.0, gt=0, description="without progress on a non-empty log for so long: exit"
    )
    worker_lease_seconds: float = Field(
        default=6.0, ge=1, description="unheard of for so long, a worker loses its partitions"
    )
    worker_transaction_seconds: float = Field(
        default=45.0, gt=0, description="longest transaction of a worker; Postgres ends it then"
    )
    rejected_ratio_max: float = Field(
        default=0.5, gt=0, le=1, description="share of broken events above which the worker stops"
    )
    rejected_run_max: int = Field(
        default=1_000, ge=1, description="broken events in a row above which the worker stops"
    )
    ingest_waiting_bytes_max: int = Field(
        default=64 * 1024 * 1024,
        ge=1,
        description="JSON bytes of events that may wait for the broker; above: 503 `overloaded`",
    )
    ingest_requests_max: int = Field(
        default=512, ge=1, description="requests that one api works on; above: 503 `overloaded`"
    )
    ingest_body_seconds_max: float = Field(
        default=30.0, gt=0, description="a body that takes longer to arrive is 408 `body_timeout`"
    )
