"""`tallyrollctl envelope`: what a terminal shows, what is sent, what a refusal looks like."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from services.cli import app
from services.pricing import cli_envelope
from services.pricing.envelope_words import BAR, bar
from services.pricing.schemas.envelope import EnvelopeState
from services.pricing.schemas.envelope_bias import BiasRead

RUN = {
    "ledger": "run",
    "limit": "800",
    "used": "2600/3",
    "metered": "800",
    "left": "-200/3",
    "ceiling": "1000",
    "share": "13/12",
    "step": "slow",
    "overdrawn_before": "0",
    "burn_short": None,
    "burn_long": "1.256",
    "forecast": {"p10": "900", "p50": "950.5", "p90": "1001", "exhausted_on": "2023-12-20"},
}
EXPLORE = RUN | {"ledger": "explore", "limit": "200", "used": "50", "share": "1/4"}
EXPLORE |= {"step": "open", "burn_short": "0.5", "forecast": None}
STATE = EnvelopeState.model_validate(
    {
        "name": "platform",
        "period_start": "2023-12-01",
        "period_end": "2024-01-01",
        "as_of": "2023-12-02T00:00:00Z",
        "stale": True,
        "ledgers": [RUN, EXPLORE],
        "unpriced": {"lab/[x]/mystery": "3000000"},
    }
).model_dump(mode="json")
BIAS = BiasRead.model_validate(
    {
        "envelope": "platform",
        "capped_on": "2023-11-27",
        "window_start": "2023-10-02",
        "window_end": "2023-12-03",
        "explored": {"before": "0.5", "after": "0.1", "change": "-0.4"},
        "deferred": {"before": None, "after": None, "change": None},
        "gone": "0.5",
        "gone_users": ["bob"],
        "caution": "These are signs, not causes.",
    }
).model_dump(mode="json")
WHY = ["--reason", "launch", "--until", "2024-01-01"]


class _Api:
    def __init__(self, answer: Any, status: int = 200) -> None:
        self.answer, self.status = answer, status
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(self.status, json=self.answer)


def _run(monkeypatch: pytest.MonkeyPatch, api: _Api, *arguments: str) -> Result:
    def connect(_url: str, _key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://pricing")

    monkeypatch.setattr(cli_envelope, "connect", connect)
    return CliRunner().invoke(app, ["envelope", *arguments], env={"COLUMNS": "120"})


def test_both_ledgers_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Used and limit, step, two paces, the forecast with its range and day, what has no price."""
    api = _Api(STATE)

    result = _run(monkeypatch, api, "show", "platform")

    assert 0 == result.exit_code, result.output
    assert "/v1/envelopes/platform/state" == api.asked[0].url.path
    for words in (
        "(stale)",
        "$866.67",
        "$800.00",
        "slow",
        "nothing left",
        "1.26",
        "run: comes to $950.50 ($900.00 to $1,001.00), used up on 2023-12-20",
        "explore: not enough history for a forecast",
        "without a price: lab/[x]/mystery 3000000",
    ):
        assert words in result.output


@pytest.mark.parametrize(
    ("share", "full", "empty", "beyond"),
    [
        ("0", 0, BAR, 0),
        ("1/2", BAR // 2, BAR // 2, 0),
        ("5/4", BAR, 0, BAR // 4),
        ("9", BAR, 0, BAR // 2),
    ],
)
def test_a_bar_ends(share: str, full: int, empty: int, beyond: int) -> None:
    """It is drawn up to its limit, then what is beyond it, however much that is."""
    drawn = bar(Fraction(share))

    assert (full, empty, beyond) == tuple(map(drawn.count, "█░▓"))


def test_envelopes_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line each, with whom it is for."""
    one = {
        "name": "platform",
        "scope": {"tenant": "acme", "team": "platform", "agent": ""},
        "period": "month",
        "amount": "2000",
        "explore_share": "0.2",
        "overdraft": "0.15",
    }

    result = _run(monkeypatch, _Api({"envelopes": [one]}), "ls")

    assert 0 == result.exit_code, result.output
    for words in ("tenant acme, team platform", "$2,000.00", "20.0 %", "15.0 %"):
        assert words in result.output


def test_a_file_sets_each_of_its_envelopes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What it says of a name is sent as it is."""
    file = tmp_path / "envelopes.yaml"
    file.write_text("a:\n  scope: {team: x}\n  amount: '10'\nb:\n  scope: {team: y}\n", "utf-8")
    api = _Api({})

    result = _run(monkeypatch, api, "set", str(file))

    assert 0 == result.exit_code, result.output
    assert [("PUT", "/v1/envelopes/a"), ("PUT", "/v1/envelopes/b")] == [
        (one.method, one.url.path) for one in api.asked
    ]
    assert {"scope": {"team": "x"}, "amount": "10"} == json.loads(api.asked[0].content)


def test_what_is_no_mapping_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is sent."""
    file, api = tmp_path / "list.yaml", _Api({})
    file.write_text("- a\n", "utf-8")

    assert (2, []) == (_run(monkeypatch, api, "set", str(file)).exit_code, api.asked)


@pytest.mark.parametrize(
    ("command", "value", "path", "sent"),
    [
        ("raise", "100", "raises", {"ledger": "run", "amount": "100"}),
        ("approve", "r-9", "approvals", {"run": "r-9"}),
    ],
)
def test_a_raise_and_an_approval_say_why(
    monkeypatch: pytest.MonkeyPatch, command: str, value: str, path: str, sent: dict[str, str]
) -> None:
    """With a reason, an end in UTC and the key that makes it one write."""
    api = _Api(STATE, 201)

    result = _run(monkeypatch, api, command, "platform", value, *WHY, "--key", "k-1")

    assert 0 == result.exit_code, result.output
    (asked,) = api.asked
    assert ("k-1", f"/v1/envelopes/platform/{path}") == (
        asked.headers["idempotency-key"],
        asked.url.path,
    )
    why = {"reason": "launch", "until": "2024-01-01T00:00:00Z"}
    assert sent | why == json.loads(asked.content)


def test_signs_are_shown_with_their_caution(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known is n/a."""
    api = _Api(BIAS)

    result = _run(monkeypatch, api, "bias", "platform", "--capped-on", "2023-11-27")

    assert 0 == result.exit_code, result.output
    assert {"capped_on": "2023-11-27"} == dict(api.asked[0].url.params)
    for words in ("50.0 %", "-40.0 %", "n/a", "gone since: 50.0 % bob", "signs, not causes"):
        assert words in result.output


def test_a_refusal_is_told_with_its_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its path; the command fails."""
    fault = {"code": "not_a_share", "path": "overdraft", "message": "A share."}
    api = _Api({"code": "invalid_body", "message": "The body is invalid.", "faults": [fault]}, 400)

    result = _run(monkeypatch, api, "show", "platform")

    assert 1 == result.exit_code
    assert "overdraft: A share. (not_a_share)" in result.output


def test_json_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact, for programs."""
    result = _run(monkeypatch, _Api(STATE), "show", "platform", "--json")

    assert json.loads(result.output) == STATE
