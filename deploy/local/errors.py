"""What the embedded stack says when it cannot do its work."""

from pathlib import Path

LOG_TAIL_LINES = 25


class StackError(Exception):
    """A refusal or failure with a stable snake_case code; `message` is for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def first_refusal(failures: BaseExceptionGroup) -> StackError | None:
    """Return the first StackError of what failed together: one reason is enough for a person."""
    for failure in failures.exceptions:
        if isinstance(failure, StackError):
            return failure
        if isinstance(failure, BaseExceptionGroup) and (inner := first_refusal(failure)):
            return inner
    return None


def fresh_log(path: Path) -> Path:
    """Put the log of an earlier start aside as `NAME.previous.log`; return the path."""
    if path.exists():
        path.replace(path.with_suffix(f".previous{path.suffix}"))
    return path


def log_tail(path: Path) -> str:
    """Return the last lines of a log, indented under its path, to be put behind a message."""
    try:
        lines = path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    except OSError:
        lines = []
    return "\n".join([f"The end of {path}:", *(f"  {line}" for line in lines or ["(empty)"])])
