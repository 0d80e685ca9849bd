"""`tallyroll import`: good lines once, bad lines told, whatever interrupts it."""

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import Result

from tallyroll import Response
from tallyroll.testing import RecordingServer

Run = Callable[..., Result]
Documents = Callable[[Result], list[dict[str, Any]]]
GOOD = {
    "occurred_at": "2023-12-02T10:00:00Z",
    "agent": "coder",
    "model": "gpt-5",
    "tokens": {"output_text": 1},
}


def _jsonl(path: Path, *rows: dict[str, Any] | str) -> Path:
    file = path / "usage.jsonl"
    file.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in rows))
    return file


def _events(server: RecordingServer) -> list[dict[str, Any]]:
    return [event for body in server.bodies for event in msgspec.json.decode(body)["events"]]


def test_twice_is_once(
    run: Run, server: RecordingServer, tmp_path: Path, documents: Documents
) -> None:
    """Equal lines are events of their own; a second run sends the same ids, under any file name."""
    file = _jsonl(tmp_path, *[GOOD] * 1200)
    first = run("import", str(file), "--json")
    again = file.rename(tmp_path / "other.jsonl")
    second = run("import", str(again), "--json")

    assert (0, 0) == (first.exit_code, second.exit_code)
    assert 1200 == documents(second)[-1]["accepted"]
    assert (1200, {2}) == (len(server.commits), set(server.commits.values()))


def test_a_file_that_has_grown_or_was_corrected(
    run: Run, server: RecordingServer, tmp_path: Path
) -> None:
    """Lines that were imported keep their ids when others come or are put right in place."""
    run("import", str(_jsonl(tmp_path, GOOD, "oops", GOOD)))
    run("import", str(_jsonl(tmp_path, GOOD, GOOD, GOOD, GOOD)))

    assert [1, 1, 2, 2] == sorted(server.commits.values())


def test_a_namespace_sets_files_apart(run: Run, server: RecordingServer, tmp_path: Path) -> None:
    """The same line in two files is two events under two namespaces."""
    file = _jsonl(tmp_path, GOOD)
    run("import", str(file), "--namespace", "monday")
    run("import", str(file), "--namespace", "tuesday")

    assert 2 == len(server.commits)


def test_ids_of_the_file_are_kept(run: Run, server: RecordingServer, tmp_path: Path) -> None:
    """`event_id`, or the column that is named, wherever the line stands."""
    run("import", str(_jsonl(tmp_path, {**GOOD, "event_id": "own-1"})))
    run("import", str(_jsonl(tmp_path, {**GOOD, "request": 7})), "--id-column", "request")

    assert {"own-1", "7"} == set(server.commits)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        ('{"a": NaN}', "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ('{"units": {"x": 1e99999999999999999999}}', "invalid_json"),
        ('{"agent": "a", "agent": "b"}', "duplicate_key"),
        ("x" * 1_100_000, "line_too_long"),
        ({**GOOD, "occurred_at": "2023-12-02T10:00:00"}, "naive_datetime"),
        ({**GOOD, "occurred_at": "yesterday"}, "invalid_datetime"),
        ({**GOOD, "occurred_at": None}, "missing_field"),
        ({**GOOD, "agent": ""}, "missing_field"),
        ({**GOOD, "agent": "\ud800"}, "invalid_text"),
        ({**GOOD, "tokens": {"input": 3}}, "ambiguous_token_type"),
        ({**GOOD, "tokens": {"output_text": 1.0}}, "invalid_count"),
        ({**GOOD, "tokens": {"output_text": "-1"}}, "invalid_count"),
        ({**GOOD, "tokens": 5}, "invalid_mapping"),
        ({**GOOD, "tokens.output_text": 2}, "duplicate_key"),
        ({**GOOD, "event_id": ""}, "invalid_event_id"),
        ({**GOOD, "event_id": ["x"]}, "invalid_event_id"),
        ({**GOOD, "corrects": "e1"}, "unknown_field"),
        ({**GOOD, "prompt": "text"}, "unknown_field"),
    ],
)
def test_a_bad_line_is_told_and_the_good_ones_go(
    run: Run,
    server: RecordingServer,
    tmp_path: Path,
    documents: Documents,
    *,
    bad: dict[str, Any] | str,
    code: str,
) -> None:
    """Line number and code, exit code 1; the lines around it are imported."""
    result = run("import", str(_jsonl(tmp_path, GOOD, bad, GOOD)), "--json")
    *faults, summary = documents(result)

    assert 1 == result.exit_code
    assert [(2, code)] == [(fault["line"], fault["code"]) for fault in faults]
    assert (2, 1, 3) == (summary["accepted"], summary["refused"], summary["rows"])
    assert 2 == len(server.commits)


def test_all_faults_of_a_line(run: Run, tmp_path: Path, documents: Documents) -> None:
    """A line is told everything that is wrong with it at once."""
    bad = {"occurred_at": "x", "tokens": {"a": "b"}, "units": {"x": "y"}, "zzz": 1}

    *faults, _ = documents(run("import", str(_jsonl(tmp_path, bad)), "--json"))

    fields = ["agent", "model", "occurred_at", "tokens.a", "units.x", "zzz"]
    assert fields == sorted(fault["field"] for fault in faults)


def test_what_the_server_rejects_is_told_with_its_line(
    run: Run, server: RecordingServer, tmp_path: Path, documents: Documents
) -> None:
    """The server's judgement of an event is the line's, also far into the file."""

    def judge(body: bytes) -> Response:
        events = msgspec.json.decode(body)["events"]
        results = [
            {"index": i, "status": "rejected", "code": "too_old", "field": "occurred_at"}
            if e["agent"] == "old"
            else {"index": i, "status": "accepted"}
            for i, e in enumerate(events)
        ]
        return Response(202, {}, msgspec.json.encode({"results": results}))

    server.judge = judge
    rows = [{**GOOD, "agent": "old" if n in (700, 1700) else "new"} for n in range(1, 2001)]

    result = run("import", str(_jsonl(tmp_path, *rows)), "--json")
    *faults, summary = documents(result)

    assert [(700, "too_old"), (1700, "too_old")] == [(f["line"], f["code"]) for f in faults]
    assert (1, 1998) == (result.exit_code, summary["accepted"])


def test_a_chunk_of_rejections_is_told_whole(
    run: Run, server: RecordingServer, tmp_path: Path, documents: Documents
) -> None:
    """No reason is missed, however many there are."""
    server.judge = lambda _body: Response(422, {}, b'{"code": "unknown_tenant"}')

    *faults, summary = documents(run("import", str(_jsonl(tmp_path, *[GOOD] * 1100)), "--json"))

    assert list(range(1, 1101)) == [fault["line"] for fault in faults]
    assert (1100, 0) == (summary["refused"], summary["accepted"])


def test_a_dry_run_sends_nothing(
    run: Run, server: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It checks every line, and needs neither server nor key."""
    monkeypatch.delenv("TALLYROLL_API_KEY")
    file = str(_jsonl(tmp_path, GOOD, "oops", GOOD))

    result = run("import", file, "--dry-run")

    assert 1 == result.exit_code
    assert "2 events could be imported, 1 lines refused" in result.stdout
    assert "line 2: invalid_json" in result.stderr
    assert not server.bodies
    assert 2 == run("import", file).exit_code


def test_a_refused_key_stops_at_once(run: Run, server: RecordingServer, tmp_path: Path) -> None:
    """Code 3, nothing read on; with a good key the same command does it all."""
    server.judge = lambda _body: Response(403, {}, b'{"code": "missing_scope"}')
    file = str(_jsonl(tmp_path, *[GOOD] * 700))

    refused = run("import", file)
    server.judge = server.commit

    assert 3 == refused.exit_code
    assert "http_403" in refused.stdout
    assert 0 == run("import", file).exit_code
    assert 700 == len(server.commits)


def test_interrupted_and_run_again(
    run: Run, server: RecordingServer, tmp_path: Path, documents: Documents
) -> None:
    """Ctrl-C says how far it came; run again, each line is there once."""
    reached = threading.Event()

    def judge(body: bytes) -> Response:
        if server.commits and not reached.is_set():
            reached.set()
            os.kill(os.getpid(), signal.SIGINT)
        return Response(503, {}, b"") if reached.is_set() else server.commit(body)

    server.judge = judge
    file = str(_jsonl(tmp_path, *[GOOD] * 1200))
    first = run("import", file, "--json")
    server.judge = server.commit
    second = run("import", file)

    assert (130, 0) == (first.exit_code, second.exit_code)
    assert (500, False) == (
        documents(first)[-1]["answered_through"],
        documents(first)[-1]["is_complete"],
    )
    assert 1200 == len(server.commits)


def _csv(path: Path, data: bytes) -> str:
    file = path / "usage.csv"
    file.write_bytes(data)
    return str(file)


def test_csv_with_columns_of_its_own(run: Run, server: RecordingServer, tmp_path: Path) -> None:
    """Renamed, fixed and left-out columns, empty cells, a byte order mark, CRLF, quoted lines."""
    data = (
        b"\xef\xbb\xbfwhen,who,tokens.output_text,units.x,batch,note,tags.t\r\n"
        b'2023-12-02T10:00:00+01:00,acme,5,0.10,true,"a\nb",1\r\n'
        b"2023-12-02T10:00:00Z,,6,,,,\r\n"
    )
    options = ["--map", "when=occurred_at", "--map", "who=tenant", "--map", "note="]
    result = run(
        *("import", _csv(tmp_path, data), *options, "--set", "agent=coder", "--set", "model=m"),
        *("--set", "tenant=other"),
    )

    assert 0 == result.exit_code
    first, second = _events(server)
    assert ("acme", {"output_text": 5}, {"x": "0.10"}, True) == (
        *(first[name] for name in ("tenant", "tokens", "units", "batch")),
    )
    assert ("2023-12-02T09:00:00.000000Z", {"t": "1"}) == (first["occurred_at"], first["tags"])
    assert ("other", {"output_text": 6}) == (second["tenant"], second["tokens"])
    assert "units" not in second


def test_csv_with_bad_records(
    run: Run, server: RecordingServer, tmp_path: Path, documents: Documents
) -> None:
    """Cells too many, bad quotes and bad bytes: told with the line where each record begins."""
    data = (
        b"occurred_at,agent,model\n"
        b'2023-12-02T10:00:00Z,"a\nb",m\n'
        b"2023-12-02T10:00:00Z,a,m,more\n"
        b'2023-12-02T10:00:00Z,"a"b,m\n'
        b"2023-12-02T10:00:00Z,\xff,m\n"
        b"\n"
        b"2023-12-02T10:00:00Z,a,m\n"
        b'2023-12-02T10:00:00Z,"never closed,m\n'
    )

    *faults, summary = documents(run("import", _csv(tmp_path, data), "--json"))

    expected = [(4, "invalid_csv"), (5, "invalid_csv"), (6, "invalid_utf8"), (9, "invalid_csv")]
    assert expected == [(fault["line"], fault["code"]) for fault in faults]
    assert 2 == summary["accepted"] == len(server.commits)


@pytest.mark.parametrize("header", [b"", b"a,a\n", b",,\n", b'"a\n'])
def test_csv_without_a_header(run: Run, tmp_path: Path, header: bytes) -> None:
    """A file whose columns have no names cannot be imported."""
    assert 2 == run("import", _csv(tmp_path, header), "--dry-run").exit_code


def test_wrong_usage(run: Run, tmp_path: Path) -> None:
    """A file that is not there, a name that says no format, a pair that is none: code 2."""
    text = tmp_path / "usage.txt"
    text.write_text("{}")

    assert 2 == run("import", str(tmp_path / "none.jsonl")).exit_code
    assert 2 == run("import", str(text)).exit_code
    assert 2 == run("import", str(text), "--format", "jsonl", "--map", "x").exit_code
    assert 2 == run("import", str(text), "--format", "jsonl", "--set", "x=").exit_code
