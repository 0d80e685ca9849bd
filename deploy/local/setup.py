"""Set up a fresh checkout with nothing but Python >= 3.11, pip and the package index.

Standard library only, as it runs before anything is installed. It finds uv or gets it with pip into
`.tools/`, makes `.venv`, installs exactly what `requirements.lock` pins (versions and hashes), and
links our two own packages into it. Run again it does nothing unless an input has changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv"
TOOLS = ROOT / ".tools"
STAMP = ENVIRONMENT / ".tallyroll-setup"
INPUTS = ("requirements.lock", "pyproject.toml", "sdk/python/pyproject.toml")
UV_VERSION = "0.13.9"
OLDEST_PYTHON = (3, 11)


def fingerprint() -> str:
    """Return what the environment was made from."""
    content = b"".join((ROOT / name).read_bytes() for name in INPUTS)
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def run(*command: str | Path) -> None:
    """Run a step; its failure ends the set-up with its own message."""
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, env=environment())


def environment() -> dict[str, str]:
    """Return the variables of a step: no other virtual environment may leak in."""
    hidden = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX"}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def find_uv() -> Path:
    """Return a uv: the one on the PATH, or our own copy under `.tools/`."""
    if found := shutil.which("uv"):
        return Path(found)
    own = TOOLS / "bin" / "uv"
    if not own.exists():
        run(
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-warn-script-location", "--root-user-action=ignore", "--upgrade"),
            *("--target", TOOLS, f"uv=={UV_VERSION}"),
        )
    return own


def main() -> None:
    if sys.version_info < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        raise SystemExit(f"Tallyroll needs Python {needed} or newer, this is {sys.version}")
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    uv = find_uv()
    python = ENVIRONMENT / "bin" / "python"
    print("Setting up .venv (once) …", flush=True)
    run(uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, ENVIRONMENT)
    install = (uv, "pip", "install", "--quiet", "--python", python)
    run(*install, "--require-hashes", "-r", "requirements.lock")
    run(*install, "--no-deps", "--no-build-isolation", "-e", ".", "-e", "sdk/python")
    STAMP.write_text(wanted)


if __name__ == "__main__":
    main()
