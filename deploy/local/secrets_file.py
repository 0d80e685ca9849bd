"""What a local deployment must remember between starts: keys, passwords; a file of mode 0600."""

import json
import os
import secrets
from pathlib import Path

_NAMES = ("secret_key", "database_password", "webhook_secret", "stripe_api_key")


def load_secrets(path: Path) -> dict[str, str]:
    """Return the secrets under `path`, made on the first call; later calls return the same."""
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    made = {name: secrets.token_hex(32) for name in _NAMES}
    made["webhook_secret"] = f"whsec_{made['webhook_secret']}"
    made["stripe_api_key"] = f"sk_test_{made['stripe_api_key']}"
    store_secrets(path, made)
    return made


def store_secrets(path: Path, content: dict[str, str]) -> None:
    """Write the secrets in one step, readable by their owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    partial.replace(path)
