"""DuckDB connections that read files of the archive, and nothing else."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from services.metering.archive.layout import FILE_SCHEMA
from services.metering.archive.storage import ArchiveStorage


@contextmanager
def open_duckdb(*, threads: int, memory: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database in memory; beyond `memory` it writes to a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="tallyroll-duckdb-") as scratch:
        connection = duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": memory,
                "temp_directory": scratch,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        try:
            yield connection
        finally:
            connection.close()


def rows_of(
    connection: duckdb.DuckDBPyConnection,
    storage: ArchiveStorage,
    paths: Sequence[str],
    *,
    name: str,
) -> str:
    """Return a table expression of the files' rows; `name` is one that is not yet taken."""
    if paths and storage.folder is not None:
        files = [str(storage.folder / path).replace("'", "''") for path in paths]
        quoted = ", ".join(f"'{file}'" for file in files)
        return f"read_parquet([{quoted}], hive_partitioning = false)"
    rows = storage.dataset(paths, FILE_SCHEMA) if paths else FILE_SCHEMA.empty_table()
    connection.register(name, rows)
    return name
