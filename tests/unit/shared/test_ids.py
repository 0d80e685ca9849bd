"""Identities: canonical ids, injective keys, stable partitions."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import canonical_event_id, first_part, length_prefixed, new_id, partition_of

parts = st.lists(st.text(max_size=8), min_size=1, max_size=4)


def test_a_uuid_has_one_spelling() -> None:
    """A UUID is canonical in lower case."""
    assert "0191a2b4-aaaa-7000-8000-00000000000f" == canonical_event_id(
        "0191A2B4-AAAA-7000-8000-00000000000F"
    )


def test_other_ids_keep_their_case() -> None:
    """An id that is no UUID is taken as it is."""
    assert "Order-1" == canonical_event_id("Order-1")


def test_new_ids_are_time_ordered() -> None:
    """Minted ids are UUIDv7."""
    assert 7 == UUID(new_id()).version


@given(parts, parts)
def test_different_parts_never_make_one_key(left: list[str], right: list[str]) -> None:
    """Length prefixes make the joined key injective."""
    assert (left == right) == (length_prefixed(*left) == length_prefixed(*right))


def test_a_plain_separator_would_confuse_keys() -> None:
    """Joining with a hyphen makes one key of two identities; ours does not."""
    left, right = ("a-b", "c"), ("a", "b-c")

    assert "-".join(left) == "-".join(right)
    assert length_prefixed(*left) != length_prefixed(*right)


@given(st.lists(st.text(), min_size=1))
def test_the_first_part_comes_back(parts: list[str]) -> None:
    """What was joined tells its first string, whatever is in it."""
    assert parts[0] == first_part(length_prefixed(*parts))


def test_bytes_that_were_not_joined_have_no_first_part() -> None:
    """Foreign bytes are no error."""
    assert [None] * 5 == [
        first_part(b) for b in (b"", b"abc", b"x:abc", b"1:\xff", b"9" * 99 + b":")
    ]


def test_the_partition_of_an_event_is_frozen() -> None:
    """Changing the hash would send a re-sent event to another partition: these must stay."""
    ids = [f"event-{number}" for number in range(8)]

    assert [partition_of(4, "vendor", "tenant", event_id) for event_id in ids] == FROZEN


FROZEN = [3, 1, 3, 1, 2, 0, 2, 0]
