"""The lock file of jars: which files make up the broker, each with its SHA-256.

One line per jar: its coordinates `group:artifact:version`, its file name, `sha256:` and 64 hex
digits. Comments start with `#`.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError

LOCK_PATH = Path(__file__).with_name("jars.lock")

_COORDINATES = re.compile(r"[A-Za-z0-9_.-]+(?::[A-Za-z0-9_.-]+){2,3}\Z")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.jar\Z")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})\Z")


@dataclass(frozen=True)
class LockedJar:
    """A jar that may be loaded: only with exactly these bytes. `sha256` is lower-case hex."""

    coordinates: str
    name: str
    sha256: str

    def line(self) -> str:
        """Return its line of the lock file."""
        return f"{self.coordinates} {self.name} sha256:{self.sha256}"


def read_lock(path: Path = LOCK_PATH) -> list[LockedJar]:
    """Read the lock; refuse it as a whole, naming every bad line (`jar_lock_malformed`)."""
    jars: list[LockedJar] = []
    faults: list[str] = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if jar := _parse(words):
            jars.append(jar)
        else:
            faults.append(f"line {number}: not `coordinates name.jar sha256:<64 hex digits>`")
    names = [jar.name for jar in jars]
    faults += [
        f"{name} is there twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if not jars and not faults:
        faults.append("there is no jar in it")
    if faults:
        raise StackError("jar_lock_malformed", f"{path}: " + "; ".join(faults))
    return jars


def _parse(words: list[str]) -> LockedJar | None:
    if len(words) != 3:  # noqa: PLR2004 - the three columns
        return None
    coordinates, name, digest = words
    if not (_COORDINATES.match(coordinates) and _NAME.match(name) and _DIGEST.match(digest)):
        return None
    return LockedJar(coordinates, name, digest.removeprefix("sha256:"))


def cache_folder() -> Path:
    """Return where downloads are kept for all checkouts of this user.

    `TALLYROLL_CACHE_DIR`, or `tallyroll` under `XDG_CACHE_HOME`, or under `~/.cache`.
    """
    if own := os.environ.get("TALLYROLL_CACHE_DIR"):
        return Path(own).resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).resolve() if base else Path.home() / ".cache") / "tallyroll"


def jar_folder() -> Path:
    """Return the folder of the cache that holds the jars."""
    return cache_folder() / "jars"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def missing_jars(jars: list[LockedJar], folder: Path) -> list[LockedJar]:
    """Return the jars of which there is no file yet."""
    return [jar for jar in jars if not (folder / jar.name).is_file()]


def verify_jars(jars: list[LockedJar], folder: Path) -> list[Path]:
    """Return the paths of the jars, in the order of the lock, all of them as locked.

    Raises StackError `jar_missing` or `jar_hash_differs`, naming every such file.
    """
    if missing := missing_jars(jars, folder):
        names = ", ".join(jar.name for jar in missing)
        raise StackError("jar_missing", f"Not in {folder}: {names}.")
    paths = [folder / jar.name for jar in jars]
    differing = [
        path.name for jar, path in zip(jars, paths, strict=True) if sha256_of(path) != jar.sha256
    ]
    if differing:
        raise StackError(
            "jar_hash_differs",
            f"Not the locked bytes in {folder}: {', '.join(differing)}. They are not loaded. "
            "Remove these files to have them fetched again.",
        )
    return paths
