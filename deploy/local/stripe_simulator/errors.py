"""Refusals in the shape of Stripe's API."""

from typing import Any


class StripeError(Exception):
    """An answer that is no success.

    `stored` says whether the answer is kept under the idempotency key: refusals made before
    execution are not (the corrected request may use the key again), those of the state are.
    `details` are further fields of the error object, such as `decline_code`.
    """

    def __init__(  # the parts of Stripe's error object, all by name
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int = 400,
        kind: str = "invalid_request_error",
        stored: bool = False,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.status = status
        self.kind = kind
        self.stored = stored
        self.details = details

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": self.kind}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param is not None:
            error["param"] = self.param
        error |= self.details
        return {"error": error}


def missing_object(
    noun: str, identifier: str, *, param: str = "id", status: int = 404
) -> StripeError:
    return StripeError(
        f"No such {noun}: '{identifier}'", code="resource_missing", param=param, status=status
    )


def not_simulated(what: str, *, param: str | None = None) -> StripeError:
    """Refuse what Stripe would take but the simulator does not cover: loud beats nearly right."""
    return StripeError(
        f"The Stripe simulator does not cover {what}.", code="simulator_not_covered", param=param
    )


def state_conflict(message: str, *, code: str = "invoice_not_editable") -> StripeError:
    return StripeError(message, code=code, stored=True)
