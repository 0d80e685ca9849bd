"""The scope in W3C baggage: there and back, in good company, and out of garbage."""

import re
from collections.abc import Mapping
from email.message import Message
from types import MappingProxyType
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroll import Meter
from tallyroll.context import baggage
from tallyroll.context.attribution import Attribution
from tallyroll.testing import CapturingTransport

NAME = st.from_regex(r"[A-Za-z0-9_.:/@+-]{1,30}", fullmatch=True)
TAG = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30)
ATTRIBUTION = st.fixed_dictionaries(
    {"run_id": NAME},
    optional={
        **dict.fromkeys(("tenant", "agent", "parent_run_id", "user", "team"), NAME),
        "purpose": st.sampled_from(baggage.PURPOSES),
        "tags": st.dictionaries(NAME, TAG, min_size=1, max_size=8),
    },
)
MEMBER = re.compile(
    r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+=[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*\Z", re.ASCII
)
"""A list member of the specification's grammar, without properties."""
FOREIGN = "traceFlags=a%20b;ttl=3;secure"


@given(
    attribution=ATTRIBUTION,
    foreign=st.lists(st.sampled_from([FOREIGN, "a=1", "b=c=d"]), max_size=9),
)
def test_there_and_back(attribution: Attribution, foreign: list[str]) -> None:
    """What the server takes arrives as it was, in the specification's characters; others stay."""
    headers = {"baggage": " , ".join(foreign)}
    assert baggage.put(headers, attribution)

    assert attribution == baggage.read(headers["baggage"])
    members = headers["baggage"].split(",")
    assert foreign == members[: len(foreign)]
    assert all(MEMBER.match(member) for member in members[len(foreign) :])


@pytest.mark.parametrize(
    "text", ["x,tallyroll.tenant=evil", "x;ttl=1", "x%2C", "x\r\ny: z", 'é "\\']
)
def test_a_value_stays_one_value(text: str) -> None:
    """Whatever a field or a tag holds cannot become another entry or another header."""
    headers: dict[str, str] = {}
    assert baggage.put(headers, Attribution(user=text, agent="a", tags={text: text}))

    members = headers["baggage"].split(",")
    assert 3 == len(members)
    assert all(MEMBER.match(member) for member in members)
    assert {"agent": "a"} == baggage.read(headers["baggage"])


@given(st.text())
def test_garbage_is_ignored(text: str) -> None:
    """Whatever stands in the header, reading it gives an attribution and no error."""
    for header in (text, f"tallyroll.tenant={text}", f"tallyroll.tag.{text}={text}"):
        assert set(baggage.read(header)) <= {*Attribution.__annotations__}


@pytest.mark.parametrize(
    "member",
    [
        "tallyroll.tenant",
        "tallyroll.tenant=",
        "tallyroll.tenant=%FF",
        "tallyroll.tenant=two%20words",
        f"tallyroll.tenant={'x' * 129}",
        "tallyroll.purpose=fun",
        "tallyroll.unknown=x",
        "tallyroll.parent_run=without-a-run",
        "tallyroll.tag.=x",
        "tallyroll.tag.a=%0A",
        f"tallyroll.tag.a={'x' * 501}",
        "Tallyroll.tenant=x",
        "tenant=x",
        "=",
        ";;=;",
    ],
)
def test_what_the_server_would_not_take_is_left_out(member: str) -> None:
    """One bad entry costs itself only, never the events of the whole request."""
    assert {"agent": "a"} == baggage.read(f"{member},tallyroll.agent = a ;ttl=3")


def test_at_most_as_many_tags_as_the_server_takes() -> None:
    """Twenty tags are read, the others left out."""
    header = ",".join(f"tallyroll.tag.t{number}=x" for number in range(30))
    assert baggage.TAGS_MAX == len(baggage.read(header)["tags"])


@pytest.mark.parametrize(
    "others",
    [
        [f"k{number}=v" for number in range(baggage.MEMBERS_MAX - 3)],
        ["k=" + "v" * (baggage.BYTES_MAX - 80)],
    ],
    ids=["members", "bytes"],
)
def test_limits_leave_out_tags_first(others: list[str]) -> None:
    """At the limits others stay whole and the fields go in; tags only while there is room."""
    headers = {"baggage": ",".join(others)}
    attribution = Attribution(tenant="acme", agent="a", tags={"a": "1", "b": "2", "c": "3" * 99})
    assert not baggage.put(headers, attribution)

    assert headers["baggage"].startswith(",".join(others))
    assert len(headers["baggage"]) <= baggage.BYTES_MAX
    assert headers["baggage"].count(",") < baggage.MEMBERS_MAX
    read = baggage.read(headers["baggage"])
    assert ("acme", "a") == (read["tenant"], read["agent"])
    assert {"a": "1"}.items() <= read["tags"].items() < attribution["tags"].items()


@pytest.mark.parametrize("others", ["k=" + "v" * (baggage.BYTES_MAX - 30), "k=" + "v" * 9_000])
def test_without_room_nothing_of_ours_goes(others: str) -> None:
    """A tenant without its run would be another attribution: all fields or none."""
    headers = {"baggage": others}
    attribution = Attribution(tenant="acme", agent="a", run_id="r-1")
    assert not baggage.put(headers, attribution)
    assert {"baggage": others} == headers

    older = {"baggage": f"{others},tallyroll.tenant=old"}
    assert not baggage.put(older, attribution)
    assert {"baggage": others} == older


def test_injecting_again_replaces() -> None:
    """A forwarded header tells of the scope that forwards it, not of two."""
    headers = {"Baggage": "a=1,tallyroll.tenant=old,tallyroll.tag.x=y", "other": "o"}
    assert baggage.put(headers, Attribution(agent="new"))
    assert {"Baggage": "a=1,tallyroll.agent=new", "other": "o"} == headers

    spread = {"baggage": "a=1", "BAGGAGE": "b=2"}
    assert baggage.put(spread, Attribution(agent="new"))
    assert {"baggage": "a=1,b=2,tallyroll.agent=new"} == spread


def _message() -> Message:
    message = Message()
    message["Baggage"] = "tallyroll.tenant=acme"
    message["Baggage"] = "tallyroll.run=r-1"
    return message


@pytest.mark.parametrize(
    "headers",
    [
        {"BAGGAGE": "tallyroll.tenant=acme,tallyroll.run=r-1"},
        {"baggage": ["tallyroll.tenant=acme", "tallyroll.run=r-1"]},
        [(b"baggage", b"tallyroll.tenant=acme"), (b"Baggage", b"tallyroll.run=r-1")],
        httpx.Headers([("baggage", "tallyroll.tenant=acme"), ("baggage", "tallyroll.run=r-1")]),
        _message(),
    ],
    ids=["dict", "lists", "asgi", "httpx", "message"],
)
def test_headers_of_many_kinds(capturing: Meter, headers: Any) -> None:
    """Mappings and pairs, text and bytes, one header or several."""
    with capturing.extract(headers):
        assert {"tenant": "acme", "run_id": "r-1"} == capturing.attribution()
    assert {} == capturing.attribution()


def test_a_run_goes_on_in_another_process(capturing: Meter) -> None:
    """The other side's agent is a child of the run that called, and its own scopes win."""
    with Meter(transport=CapturingTransport(), strict=True) as other:

        @other.agent("searcher")
        def search() -> Mapping[str, object]:
            return other.attribution()

        with capturing.context(tenant="acme", agent="planner", run="r-1", tags={"f": "häufig, ok"}):
            headers = capturing.inject(httpx.Headers({"baggage": FOREIGN}))
        with other.extract(headers), other.context(user="u"):
            child = dict(search())

    assert child.pop("run_id")
    assert {
        "tenant": "acme",
        "agent": "searcher",
        "parent_run_id": "r-1",
        "user": "u",
        "tags": {"f": "häufig, ok"},
    } == child
    assert headers["baggage"].startswith(FOREIGN)


def test_without_a_scope_headers_stay(capturing: Meter) -> None:
    """Nothing to say, nothing written."""
    assert {} == capturing.inject({})
    assert {"baggage": "x"} == capturing.inject({"baggage": "x"})


@pytest.mark.parametrize("headers", [None, 5, [1], [("baggage",)], {"baggage": 7}, {5: "x"}])
def test_it_never_raises(headers: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Headers that are none are logged and change nothing."""
    with Meter(transport=CapturingTransport()) as meter, meter.context(agent="a"):
        with meter.extract(headers) as inherited:
            assert {"agent": "a"} == inherited
        fixed = cast("Any", MappingProxyType({}))
        assert fixed is meter.inject(fixed)
        meter.inject(fixed)
    assert 1 == caplog.text.count("inject_failed")


def test_what_found_no_room_is_logged(capturing: Meter, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever misses an attribution on the other side finds out why."""
    with capturing.context(agent="a"):
        capturing.inject({"baggage": "k=" + "v" * baggage.BYTES_MAX})
    assert "baggage_full" in caplog.text
