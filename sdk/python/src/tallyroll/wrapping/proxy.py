"""A stand-in for one object of a provider's SDK: everything passes through it, and is as it was."""

from typing import Any

_OWN = "_tallyroll_"


class Proxy:
    """Passes everything on to its target; `isinstance` and `repr` see the target.

    A subclass keeps what is its own under names that begin with `_tallyroll_`.
    """

    def __init__(self, target: Any) -> None:
        object.__setattr__(self, "_tallyroll_target", target)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._tallyroll_target)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(_OWN):  # before `__init__`, as in a copy: no target to ask yet
            raise AttributeError(name)
        return getattr(self._tallyroll_target, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith(_OWN):
            object.__setattr__(self, name, value)
        else:
            setattr(self._tallyroll_target, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._tallyroll_target, name)

    def __dir__(self) -> list[str]:
        return dir(self._tallyroll_target)

    def __repr__(self) -> str:
        return repr(self._tallyroll_target)
