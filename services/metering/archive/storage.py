"""Where the files of the archive lie: a local folder, or whatever `pyarrow.fs` can open."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pyarrow.dataset as ds


@dataclass(frozen=True)
class ArchiveStorage:
    """Files below one root. `folder` is set for a local folder only."""

    filesystem: pafs.FileSystem
    root: str
    folder: Path | None = None

    @classmethod
    def open(cls, url: str) -> "ArchiveStorage":
        """Open a local path, or a URI as `s3://bucket/folder` or `gs://…`; raises ValueError."""
        if "://" in url and not url.startswith("file://"):
            filesystem, root = pafs.FileSystem.from_uri(url)
            return cls(filesystem, root.rstrip("/"))
        folder = Path(url.removeprefix("file://")).absolute()
        return cls(pafs.LocalFileSystem(), str(folder), folder)

    def write(self, path: str, content: bytes) -> None:
        """Write a whole file, durably: a reader sees all of it or nothing."""
        if self.folder is not None:
            _write_durably(self.folder / path, content)
            return
        # An object store shows an object once it is closed, and has no folders to create.
        with self.filesystem.open_output_stream(f"{self.root}/{path}") as stream:
            stream.write(content)

    def read(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a file's rows; raises FileNotFoundError."""
        with self.filesystem.open_input_file(f"{self.root}/{path}") as file:
            return pq.ParquetFile(file).read(columns=None if columns is None else list(columns))

    def dataset(self, paths: Sequence[str], schema: pa.Schema) -> "ds.Dataset":
        """Return files as one table that is read in pieces, columns and rows as needed."""
        # The worker opens an archive too, and has no use for what this loads.
        import pyarrow.dataset as ds  # noqa: PLC0415

        names = [f"{self.root}/{path}" for path in paths]
        return ds.dataset(names, schema=schema, format="parquet", filesystem=self.filesystem)


def _write_durably(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
