"""A Stripe whose caller dies at a step: what a crash before or after a call leaves behind."""

from dataclasses import dataclass
from typing import Any


class Killed(BaseException):
    """The process is gone: nothing of ours catches it."""


@dataclass
class KillingStripe:
    """Dies once at a step, before the call leaves or after it is answered."""

    inner: Any
    step: str
    moment: str
    armed: bool = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def post(self, step: str, target: str, params: Any, *, key: str) -> str:
        dying = self.armed and step == self.step
        if dying and self.moment == "before":
            self.armed = False
            raise Killed
        answer: str = await self.inner.post(step, target, params, key=key)
        if dying:
            self.armed = False
            raise Killed
        return answer
