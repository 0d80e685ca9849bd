"""Where events are kept when nobody says so, and who shares a folder with whom."""

import tempfile
from pathlib import Path

import pytest

from tallyroll import Meter, Spool
from tallyroll.spool.place import destination_folder

ENDPOINT = "https://usage.example.com"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TALLYROLL_SPOOL_DIR", "TALLYROLL_SPOOL_ACCOUNT", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def _folder(key: str = "tr_test_a", endpoint: str = ENDPOINT, account: str | None = None) -> str:
    return destination_folder(Spool(directory="x", account=account), endpoint, key).name


def test_the_state_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default below the home, or where the desktop standard says; a setting wins."""
    home = destination_folder(Spool(), ENDPOINT, "k")
    assert tmp_path / "home/.local/state/tallyroll/spool/v1" == home.parent
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert tmp_path / "state/tallyroll/spool/v1" == destination_folder(Spool(), "", "k").parent
    monkeypatch.setenv("TALLYROLL_SPOOL_DIR", str(tmp_path / "named"))
    assert tmp_path / "named/v1" == destination_folder(Spool(), "", "k").parent


def test_without_a_home_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a Lambda. One that others can read or write may be a trap: then memory is used."""
    (tmp_path / "home").write_text("")
    folder = destination_folder(Spool(), ENDPOINT, "k")
    temporary = folder.parents[1]
    assert (tmp_path, 0o700) == (temporary.parent, temporary.stat().st_mode & 0o777)

    temporary.chmod(0o777)
    with pytest.raises(OSError, match="somebody else"):
        destination_folder(Spool(), ENDPOINT, "k")
    monkeypatch.setenv("TALLYROLL_SPOOL", "on")
    with Meter("http://127.0.0.1:1", "tr_test_key", exit_timeout=0) as meter:
        meter.record(agent="a", model="m")
        assert (1, 0) == (meter.stats().recorded, meter.stats().spooled)
        meter.close(0)


def test_who_shares_a_folder() -> None:
    """Same endpoint and key, or same endpoint and account; never test with live."""
    assert _folder() == _folder(endpoint=ENDPOINT + "/")
    assert _folder() != _folder("tr_test_b")
    assert _folder() != _folder(endpoint="https://other.example.com")
    assert _folder(account="acme") == _folder("tr_test_b", account="acme")
    assert _folder(account="acme") != _folder("tr_live_b", account="acme")
    assert "tr_test_a" not in _folder()
