"""The settings of PostgreSQL and Kafka that matter: one place for every way to run the stack.

docker-compose.yml repeats them in its own form; a unit test holds it equal to this module. Where a
server listens and where its data lies is not here: that differs by design.
"""

DATABASE_NAME = "tallyroll"
DATABASE_SUPERUSER = "tallyroll"

POSTGRES_VERSION_MAJOR = 18
KAFKA_VERSION = "4.3.1"

POSTGRES_INITDB_ARGUMENTS = (
    "--encoding=UTF8",
    # The builtin provider sorts by code point on every machine: no result depends on its locales.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth=scram-sha-256",
    "--data-checksums",
)

POSTGRES_SETTINGS = {
    # A commit that was answered is on disk: what counts money is never relaxed, locally neither.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "512MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

RECORD_BATCH_BYTES_MAX = 17 * 1024 * 1024
"""A batch of 16 MiB and what the protocol puts around it."""

KAFKA_HEAP_OPTIONS = "-Xmx512m"

KAFKA_SETTINGS = {
    # A misspelt topic is an error, not a new topic.
    "auto.create.topics.enable": "false",
    # A consumer starts at once instead of waiting for others that might join its group.
    "group.initial.rebalance.delay.ms": "0",
    "message.max.bytes": str(RECORD_BATCH_BYTES_MAX),
    "replica.fetch.max.bytes": str(RECORD_BATCH_BYTES_MAX),
    # One node: the internal topics cannot have more than one replica.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "min.insync.replicas": "1",
    # The default of 128 MiB is a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}


def postgres_arguments() -> list[str]:
    """Return the settings as arguments of the `postgres` program."""
    return [word for name, value in POSTGRES_SETTINGS.items() for word in ("-c", f"{name}={value}")]


def kafka_environment() -> dict[str, str]:
    """Return the settings as the environment that the official Kafka image reads."""
    return {
        "KAFKA_" + name.upper().replace(".", "_"): value for name, value in KAFKA_SETTINGS.items()
    }
