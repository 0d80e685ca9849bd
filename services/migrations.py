"""The alembic histories of the deployment, in the order in which they are applied."""

from pathlib import Path

_SERVICES = Path(__file__).parent

HISTORIES: dict[str, Path] = {
    "accounts": _SERVICES.parent / "shared" / "accounts" / "migrations",
    **{
        name: _SERVICES / name / "migrations"
        for name in ("metering", "pricing", "invoicing")
        if (_SERVICES / name / "migrations").is_dir()
    },
}
