"""Bodies of the accounts API: one request has one spelling."""

from shared.accounts.keys import Scope
from shared.accounts.schemas import ApiKeyWrite


def test_scopes_are_written_in_one_order() -> None:
    """A body is hashed to tell a repeated request, and sets have another order in every process."""
    written = ApiKeyWrite(name="all", scopes=set(Scope)).model_dump(mode="json")

    assert sorted(Scope) == written["scopes"]
