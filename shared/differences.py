"""Differences between two things that must be the same: a stable code, ids, and both figures."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One difference. `ids` say of what, `figures` what each side has; both in a fixed order."""

    code: str
    ids: tuple[tuple[str, str], ...]
    figures: tuple[tuple[str, str], ...]

    def line(self) -> str:
        """Return "code id=… id=…: side figure, side figure", on one line whatever an id holds."""
        ids = " ".join(f"{name}={_plain(value)}" for name, value in self.ids)
        figures = ", ".join(f"{side} {_plain(figure)}" for side, figure in self.figures)
        return f"{self.code} {ids}: {figures}"


def difference(code: str, ids: Mapping[str, object], figures: Mapping[str, object]) -> Difference:
    """Return a difference; a figure of None is said to be nothing."""
    return Difference(
        code,
        tuple((name, str(value)) for name, value in ids.items()),
        tuple((side, "nothing" if f is None else str(f)) for side, f in figures.items()),
    )


def _plain(text: str) -> str:
    """Return text that stays on its line and cannot steer a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)
