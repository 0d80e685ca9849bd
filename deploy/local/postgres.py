"""The embedded PostgreSQL."""

import secrets
import shutil
import signal
from pathlib import Path

import asyncpg

from deploy.local.children import Program
from deploy.local.configuration import (
    DATABASE_NAME,
    DATABASE_SUPERUSER,
    POSTGRES_INITDB_ARGUMENTS,
    postgres_arguments,
)
from deploy.local.ports import LOOPBACK
from deploy.local.postgres_home import PostgresHome, postgres_home
from deploy.local.supervisor import Process, Supervisor

POSTGRES = "postgres"
INITDB_SECONDS_MAX = 120.0
READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
CONNECT_SECONDS_MAX = 2.0

# Nothing of our environment, which may hold keys, goes to the server.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


async def initialise_postgres(supervisor: Supervisor) -> PostgresHome:
    """Make sure that there is a data directory; return where."""
    home = postgres_home(supervisor.root)
    if home.data.is_dir():
        return home
    # Renamed when whole: an initdb that was killed leaves nothing that looks like data.
    unfinished = home.folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    home.give(unfinished)
    password_file = home.folder / "initdb.password"
    password_file.touch(mode=0o600)
    password_file.write_text(_password(supervisor.root))
    home.give(password_file)
    arguments = [
        *("-D", str(unfinished), f"--username={DATABASE_SUPERUSER}"),
        f"--pwfile={password_file}",
        *POSTGRES_INITDB_ARGUMENTS,
    ]
    try:
        await supervisor.run(
            _program(home, "initdb", arguments), "initdb", seconds_max=INITDB_SECONDS_MAX
        )
    finally:
        password_file.unlink()
    unfinished.rename(home.data)
    return home


async def start_postgres(supervisor: Supervisor, home: PostgresHome, port: int) -> str:
    """Start the server on a port of loopback; return the superuser's URL of the database."""
    authority = f"{DATABASE_SUPERUSER}:{_password(supervisor.root)}@{LOOPBACK}:{port}"
    placement = {"listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": ""}
    program = _program(
        home,
        "postgres",
        ["-D", str(home.data), *postgres_arguments()]
        + [word for name, value in placement.items() for word in ("-c", f"{name}={value}")],
    )
    await supervisor.start(
        Process(
            name=POSTGRES,
            argv=program.argv,
            env=program.env,
            cwd=program.cwd,
            account=program.account,
            death_signal=program.death_signal,
            ready=lambda: _accepts(f"postgresql://{authority}/postgres"),
            ready_seconds_max=READY_SECONDS_MAX,
            # "Fast": ends sessions, writes a checkpoint. SIGTERM would wait for every client.
            stop_signal=signal.SIGINT,
            stop_seconds_max=STOP_SECONDS_MAX,
        )
    )
    await _create_database(f"postgresql://{authority}/postgres")
    return f"postgresql://{authority}/{DATABASE_NAME}"


def _program(home: PostgresHome, name: str, arguments: list[str]) -> Program:
    return Program(
        argv=[home.program(name), *arguments],
        env=_ENVIRONMENT,
        cwd=Path("/"),
        account=home.account,
        death_signal=signal.SIGINT,
    )


def _password(root: Path) -> str:
    path = root / "postgres.password"
    if not path.is_file():
        scratch = path.with_suffix(".new")
        scratch.touch(mode=0o600)
        scratch.write_text(secrets.token_urlsafe(24))
        scratch.rename(path)
    return path.read_text()


async def _accepts(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS_MAX, ssl=False)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError):
        return False
    await connection.close()
    return True


async def _create_database(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS_MAX, ssl=False)
    try:
        found = await connection.fetchval(
            "select true from pg_database where datname = $1", DATABASE_NAME
        )
        if not found:
            await connection.execute(f'create database "{DATABASE_NAME}"')
    finally:
        await connection.close()
