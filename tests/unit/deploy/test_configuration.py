"""docker-compose.yml says what deploy/local/configuration.py says."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local import configuration
from deploy.local.deployment import PROCESSES

COMPOSE = Path(__file__).parents[3] / "docker-compose.yml"
PLACEMENT = {
    "KAFKA_HEAP_OPTS",
    "KAFKA_PROCESS_ROLES",
    "KAFKA_NODE_ID",
    "KAFKA_CONTROLLER_QUORUM_VOTERS",
    "KAFKA_CONTROLLER_LISTENER_NAMES",
    "KAFKA_INTER_BROKER_LISTENER_NAME",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
    "KAFKA_LISTENERS",
    "KAFKA_ADVERTISED_LISTENERS",
    "KAFKA_LOG_DIRS",
}
"""Where the broker listens and keeps its data: different in containers by design."""


@pytest.fixture(name="compose")
def _compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


def check_servers(compose: dict[str, Any]) -> None:
    """Assert that the two servers of a compose document are configured as the module says."""
    postgres, kafka = compose["services"]["postgres"], compose["services"]["kafka"]
    environment = kafka["environment"]

    assert ["postgres", *configuration.postgres_arguments()] == postgres["command"]
    assert list(configuration.POSTGRES_INITDB_ARGUMENTS) == (
        postgres["environment"]["POSTGRES_INITDB_ARGS"].split()
    )
    assert configuration.DATABASE_NAME == postgres["environment"]["POSTGRES_DB"]
    assert configuration.DATABASE_SUPERUSER == postgres["environment"]["POSTGRES_USER"]
    assert f"postgres:{configuration.POSTGRES_VERSION_MAJOR}" == postgres["image"]
    assert f"apache/kafka:{configuration.KAFKA_VERSION}" == kafka["image"]
    assert configuration.KAFKA_HEAP_OPTIONS == environment["KAFKA_HEAP_OPTS"]
    assert configuration.kafka_environment() == {
        name: value for name, value in environment.items() if name not in PLACEMENT
    }


def test_containers_have_the_settings_of_the_embedded_servers(compose: dict[str, Any]) -> None:
    """The containers' servers have exactly the settings of the embedded ones."""
    check_servers(compose)


@pytest.mark.parametrize("broken", ["postgres_relaxed", "kafka_extra", "kafka_changed"])
def test_a_difference_of_settings_is_noticed(compose: dict[str, Any], broken: str) -> None:
    """A relaxed, an additional or a changed setting in docker-compose.yml fails the comparison."""
    services = copy.deepcopy(compose)["services"]
    if broken == "postgres_relaxed":
        command = services["postgres"]["command"]
        command[command.index("synchronous_commit=on")] = "synchronous_commit=off"
    elif broken == "kafka_extra":
        services["kafka"]["environment"]["KAFKA_LOG_RETENTION_HOURS"] = "1"
    else:
        services["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] = "true"

    with pytest.raises(AssertionError):
        check_servers({"services": services})


def test_ports_are_bound_to_loopback(compose: dict[str, Any]) -> None:
    """No container publishes a port to other machines."""
    published = [p for s in compose["services"].values() for p in s.get("ports", [])]

    assert [] == [port for port in published if not port.startswith("127.0.0.1:")]


def test_services_wait_for_the_migration(compose: dict[str, Any]) -> None:
    """Every service starts only after the migration has succeeded."""
    services = {
        name: service
        for name, service in compose["services"].items()
        if name not in {"postgres", "kafka", "migrate"}
    }

    assert set(PROCESSES) == set(services)
    assert {name: arguments for name, (_, arguments) in PROCESSES.items()} == {
        name: service["command"][2:] for name, service in services.items()
    }
    assert {"service_completed_successfully"} == {
        service["depends_on"]["migrate"]["condition"] for service in services.values()
    }


def test_a_day_is_rated_only_after_its_recount(compose: dict[str, Any]) -> None:
    """Seals wait for the recount, pricing takes no other, and the archive is kept and shared."""
    services = compose["services"]
    metering = [s for name, s in services.items() if name.startswith("metering")]
    pricing = services["pricing"]["environment"]

    assert {"on"} == {s["environment"]["TALLYROLL_RECOUNT"] for s in metering}
    assert "false" == pricing["TALLYROLL_PRICING_ACCEPT_UNVERIFIED_DAYS"]
    folder = services["metering-archiver"]["environment"]["TALLYROLL_ARCHIVE_URL"]
    assert [f"archive:{folder}"] == services["metering-archiver"]["volumes"]
    assert {f"archive:{folder}"} == {v for s in metering for v in s.get("volumes", [])}


def test_secrets_have_no_default(compose: dict[str, Any]) -> None:
    """A key, password or service's database URL comes from the environment or is an error."""
    secrets = {
        value
        for service in compose["services"].values()
        for name, value in service.get("environment", {}).items()
        if name.endswith(("_KEY", "_PASSWORD", "_DATABASE_URL"))
    }

    assert [] == [value for value in secrets if ":?" not in value]
    assert len(secrets) == 7
