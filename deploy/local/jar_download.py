"""Fetches jars, with jgo's resolver and its built-in default repository.

Run as a program, so that a Ctrl-C ends it at once, whatever the network does:
`python -m deploy.local.jar_download fetch` completes the cache, `lock` writes a new lock file.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jgo.maven import MavenContext

from deploy.local.configuration import KAFKA_VERSION
from deploy.local.errors import StackError
from deploy.local.jar_lock import (
    LOCK_PATH,
    LockedJar,
    jar_folder,
    missing_jars,
    read_lock,
    sha256_of,
)

ROOTS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")

DOWNLOADS_AT_ONCE = 8
ATTEMPTS_MAX = 4
RETRY_SECONDS = 1.0
ANSWER_SECONDS_MAX = 30

HEADER = """\
# The jars of the embedded broker: what is loaded, and with which bytes. Verified before each start.
# Written by `python -m deploy.local lock-jars`.
"""

Download = Callable[[LockedJar, Path], Path]


def download(jar: LockedJar, folder: Path) -> Path:
    """Fetch one jar into a folder of its own; return its path."""
    context = MavenContext(repo_cache=folder, timeout=ANSWER_SECONDS_MAX)
    path: Path = context.create_dependency(jar.coordinates).artifact.resolve()
    return path


def fetch_jar(
    jar: LockedJar,
    folder: Path,
    *,
    source: Download = download,
    retry_seconds: float = RETRY_SECONDS,
) -> None:
    """Put one locked jar into `folder`: whole and with the locked hash, or not at all.

    A failed download is tried again up to ATTEMPTS_MAX times (`jar_download_failed`); wrong bytes
    are not (`jar_hash_differs`).
    """
    for attempt in range(1, ATTEMPTS_MAX + 1):
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            try:
                path = source(jar, Path(scratch))
            except (OSError, RuntimeError) as error:
                if attempt == ATTEMPTS_MAX:
                    message = f"{jar.coordinates} after {attempt} attempts: {error}"
                    raise StackError("jar_download_failed", message) from error
                time.sleep(retry_seconds * attempt)
                continue
            if sha256_of(path) != jar.sha256:
                message = f"{jar.name} was downloaded, but its bytes are not the locked ones."
                raise StackError("jar_hash_differs", message)
            path.replace(folder / jar.name)
            return


def fetch_missing(jars: list[LockedJar], folder: Path, *, source: Download = download) -> int:
    """Fetch what `folder` lacks, several at a time; return how many that were."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = missing_jars(jars, folder)
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for _ in pool.map(lambda jar: fetch_jar(jar, folder, source=source), missing):
            pass
    return len(missing)


def resolve_lock() -> list[LockedJar]:
    """Resolve the pinned roots and all that they need at run time, and hash every jar."""
    folder = jar_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".lock-") as scratch:
        context = MavenContext(repo_cache=Path(scratch), timeout=ANSWER_SECONDS_MAX)
        inputs, transitive = context.resolver.resolve(
            [context.create_dependency(root) for root in ROOTS]
        )
        artifacts = [dependency.artifact for dependency in (*inputs, *transitive)]
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            paths: list[Path] = list(pool.map(lambda artifact: artifact.resolve(), artifacts))
        jars = [
            LockedJar(f"{a.groupId}:{a.artifactId}:{a.version}", path.name, sha256_of(path))
            for a, path in zip(artifacts, paths, strict=True)
        ]
        for path in paths:
            path.replace(folder / path.name)
    return sorted(jars, key=lambda jar: jar.coordinates)


def write_lock(jars: list[LockedJar], path: Path = LOCK_PATH) -> None:
    """Write the lock file."""
    path.write_text(HEADER + "".join(f"{jar.line()}\n" for jar in jars))


def main() -> None:
    """Do what the one argument says."""
    try:
        if sys.argv[1:] == ["lock"]:
            jars = resolve_lock()
            write_lock(jars)
            print(f"{len(jars)} jars locked in {LOCK_PATH}")
        else:
            print(f"{fetch_missing(read_lock(), jar_folder())} jars fetched into {jar_folder()}")
    except StackError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
