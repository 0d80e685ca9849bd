"""Only the locked bytes are ever loaded."""

import hashlib
import re
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.jar_download import ATTEMPTS_MAX, ROOTS, fetch_jar, fetch_missing
from deploy.local.jar_lock import LOCK_PATH, LockedJar, read_lock, verify_jars

CONTENT = b"the bytes of a jar"
JAR = LockedJar("org.example:thing:1.0", "thing-1.0.jar", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / JAR.name).write_bytes(CONTENT)
    return tmp_path


def honest(jar: LockedJar, scratch: Path) -> Path:
    """Download what is locked."""
    path = scratch / jar.name
    path.write_bytes(CONTENT)
    return path


def test_the_committed_lock_names_the_pinned_roots() -> None:
    """The lock holds the pinned broker and logger, each jar of it with a hash."""
    coordinates = {jar.coordinates for jar in read_lock()}

    assert set() == set(ROOTS) - coordinates
    assert len(coordinates) > len(ROOTS)


def test_the_committed_lock_names_no_host() -> None:
    """The lock says what is loaded, not where from."""
    assert None is re.search(r"://|\.com/|\.org/", LOCK_PATH.read_text())


def test_locked_bytes_are_accepted(folder: Path) -> None:
    """A jar with the locked hash may be loaded."""
    assert [folder / JAR.name] == verify_jars([JAR], folder)


def test_a_tampered_jar_is_refused(folder: Path) -> None:
    """One changed byte in a cached jar stops the start."""
    (folder / JAR.name).write_bytes(CONTENT[:-1] + b"R")

    with pytest.raises(StackError, match=JAR.name) as refused:
        verify_jars([JAR], folder)

    assert "jar_hash_differs" == refused.value.code


def test_a_check_of_presence_alone_would_miss_the_tampering(folder: Path) -> None:
    """A naive verification that looks only for the file accepts the tampered jar; ours must not."""
    (folder / JAR.name).write_bytes(b"something else")

    def naive(jars: list[LockedJar], where: Path) -> list[Path]:
        return [where / jar.name for jar in jars if (where / jar.name).is_file()]

    assert [folder / JAR.name] == naive([JAR], folder)
    with pytest.raises(StackError):
        verify_jars([JAR], folder)


def test_a_missing_jar_is_refused(tmp_path: Path) -> None:
    """A jar that is not there stops the start."""
    with pytest.raises(StackError) as refused:
        verify_jars([JAR], tmp_path)

    assert "jar_missing" == refused.value.code


@pytest.mark.parametrize(
    "line",
    [
        "org.example:thing:1.0 thing-1.0.jar",
        "org.example:thing:1.0 thing-1.0.jar sha256:",
        f"org.example:thing:1.0 thing-1.0.jar sha1:{'0' * 40}",
        f"org.example:thing:1.0 ../thing-1.0.jar sha256:{'0' * 64}",
        f"org.example thing-1.0.jar sha256:{'0' * 64}",
        f"{JAR.line()}\n{JAR.line()}",
        "# nothing",
    ],
)
def test_a_malformed_lock_is_refused(tmp_path: Path, line: str) -> None:
    """A line without a whole hash, with a path in its name, or twice makes the lock unusable."""
    lock = tmp_path / "jars.lock"
    lock.write_text(line + "\n")

    with pytest.raises(StackError) as refused:
        read_lock(lock)

    assert "jar_lock_malformed" == refused.value.code


def test_every_fault_of_a_lock_is_named(tmp_path: Path) -> None:
    """All bad lines are reported at once."""
    lock = tmp_path / "jars.lock"
    lock.write_text(f"bad\n{JAR.line()}\nworse\n")

    with pytest.raises(StackError, match=r"line 1: .*; line 3: "):
        read_lock(lock)


def test_wrong_downloaded_bytes_do_not_reach_the_cache(tmp_path: Path) -> None:
    """A download with another hash is refused at once and leaves nothing."""

    def evil(jar: LockedJar, scratch: Path) -> Path:
        path = scratch / jar.name
        path.write_bytes(b"evil")
        return path

    with pytest.raises(StackError) as refused:
        fetch_jar(JAR, tmp_path, source=evil)

    assert "jar_hash_differs" == refused.value.code
    assert [] == list(tmp_path.iterdir())


def test_a_failed_download_is_tried_again(tmp_path: Path) -> None:
    """A download may fail all but the last time."""
    attempts: list[str] = []

    def flaky(jar: LockedJar, scratch: Path) -> Path:
        attempts.append(jar.name)
        if len(attempts) < ATTEMPTS_MAX:
            raise ConnectionResetError
        return honest(jar, scratch)

    fetch_jar(JAR, tmp_path, source=flaky, retry_seconds=0)

    assert ATTEMPTS_MAX == len(attempts)
    assert [tmp_path / JAR.name] == list(tmp_path.iterdir())


def test_a_download_is_given_up(tmp_path: Path) -> None:
    """The number of attempts is bounded."""

    def away(jar: LockedJar, scratch: Path) -> Path:
        raise ConnectionRefusedError

    with pytest.raises(StackError) as refused:
        fetch_jar(JAR, tmp_path, source=away, retry_seconds=0)

    assert "jar_download_failed" == refused.value.code


def test_only_missing_jars_are_fetched(folder: Path) -> None:
    """What is in the cache is not downloaded again."""
    other = LockedJar("org.example:other:1.0", "other-1.0.jar", JAR.sha256)

    assert 1 == fetch_missing([JAR, other], folder, source=honest)
    assert 0 == fetch_missing([JAR, other], folder, source=honest)
