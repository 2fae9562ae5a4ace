"""What reaches the terminal, the pipe, the disk and the process's surroundings."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import ERROR, SCRIPT, Run, no_orjson, sh, start
from fake_globus import FakeGlobus, endpoint, endpoints, refusal
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_listing import HEADING, text
from werkzeug import Request, Response

import list_endpoints

ID = "0d9f5d0e-3c1a-4a3e-9a0e-1b2c3d4e5f60"
COMMAND = f"'{sys.executable}' '{SCRIPT}'"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("two\nlines", r"two\nlines"),
        ("carriage\rreturn", r"carriage\rreturn"),
        ("a\ttab", r"a\ttab"),
        ("clear \x1b[2J", r"clear \x1b[2J"),
        ("C1 \x9b31m", r"C1 \x9b31m"),
        ("next line \x85", r"next line \x85"),
        ("bidi \u202egnp.exe", r"bidi \u202egnp.exe"),
        ("isolate \u2066x", r"isolate \u2066x"),
        ("line separator \u2028", r"line separator \u2028"),
        pytest.param("surrogate \ud800", r"surrogate \ud800", marks=no_orjson),
        ("Klimadaten Zürich 東京 🔭", "Klimadaten Zürich 東京 🔭"),
        ("C:\\new", "C:\\new"),
        ("-rf *", "-rf *"),
    ],
)
def test_a_name_is_shown_on_one_line_and_drives_no_terminal(
    fake: FakeGlobus, run: Run, name: str, shown: str
) -> None:
    fake.endpoints = [endpoint(ID, name)]

    assert run() == (0, f"{HEADING}[{ID}] {shown}\n", "")
    assert json.loads(run("--json").out)["display_name"] == name


@no_orjson
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"])))
@example(name="".join(map(chr, range(0x250))))
def test_any_name_is_one_printable_line_and_the_very_same_in_json(
    fake: FakeGlobus, run: Run, name: str
) -> None:
    fake.requests.clear()
    fake.endpoints = [endpoint(ID, name)]

    lines = run().out.split("\n")
    assert [line.isprintable() for line in lines] == [True] * 3
    # as on the wire: a pair of surrogates is the character that they stand for
    assert json.loads(run("--json").out)["display_name"] == json.loads(json.dumps(name))


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ({"LC_ALL": "C"}, "Zürich 東京"),
        ({"LC_ALL": "POSIX"}, "Zürich 東京"),
        (
            {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
            r"Z\xfcrich \u6771\u4eac",
        ),
        ({"PYTHONIOENCODING": "ascii"}, r"Z\xfcrich \u6771\u4eac"),
        ({"PYTHONIOENCODING": "latin-1"}, "Z\xfcrich \\u6771\\u4eac"),
    ],
    ids=["C", "POSIX", "C without Python's UTF-8", "ASCII", "latin-1"],
)
def test_what_the_encoding_lacks_is_shown_escaped(
    fake: FakeGlobus,
    environ: dict[str, str],
    run_script: Run,
    locale: dict[str, str],
    shown: str,
) -> None:
    fake.endpoints = [endpoint(ID, "Zürich 東京")]
    environ.update(locale)
    encoding = locale.get("PYTHONIOENCODING", "utf-8")

    assert run_script(encoding=encoding) == (0, f"{HEADING}[{ID}] {shown}\n", "")


@pytest.mark.usefixtures("fake")
def test_a_stream_that_is_no_file_will_do(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in set(os.environ) - set(environ):
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert list_endpoints.main([]) == 0
    assert out.getvalue() == text(250)


@pytest.mark.parametrize("count", [0, 250])
@pytest.mark.parametrize("reader", ["head -n 1", "true"])
def test_a_reader_that_stops_reading_is_no_failure(
    fake: FakeGlobus, environ: dict[str, str], count: int, reader: str
) -> None:
    fake.endpoints = endpoints(count)

    seen = HEADING if reader == "head -n 1" else ""

    assert sh(f"{COMMAND} | {reader}", environ) == (0, seen, "")


@pytest.mark.parametrize("count", [0, 250])
def test_a_closed_pipe_is_quiet_and_the_list_not_whole(
    fake: FakeGlobus, run_script: Run, count: int
) -> None:
    fake.endpoints = endpoints(count)
    reading, writing = os.pipe()
    os.close(reading)

    status, _, err = run_script(stdout=writing)
    os.close(writing)

    assert (status, err) == (1, "")


@pytest.mark.parametrize("count", [0, 250])
def test_a_full_disk_is_said(fake: FakeGlobus, run_script: Run, count: int) -> None:
    fake.endpoints = endpoints(count)

    with open("/dev/full", "w") as full:
        status, _, err = run_script(stdout=full)

    assert status == 1
    assert err == (
        f"{ERROR}cannot write to stdout: [Errno 28] No space left on device\n"
    )


def test_a_closed_stdout_is_said_before_any_request(
    fake: FakeGlobus, environ: dict[str, str]
) -> None:
    assert sh(f"{COMMAND} >&-", environ) == (
        1,
        "",
        f"{ERROR}cannot write to stdout: it is closed\n",
    )
    assert not fake.requests


def test_a_message_never_lands_in_the_list_when_stderr_is_closed(
    environ: dict[str, str],
) -> None:
    del environ["GLOBUS_CLIENT_ID"]

    status, out, _ = sh(f"{COMMAND} 2>&-", environ)

    assert (status != 0, out) == (True, "")


def test_ctrl_c_ends_it_with_130_and_no_word(
    fake: FakeGlobus, environ: dict[str, str]
) -> None:
    arrived, the_end = threading.Event(), threading.Event()

    def hang(request: Request) -> Response:
        arrived.set()
        the_end.wait(30)
        return Response()

    fake.faults[1] = hang
    # tests that run in the background would hand on that Ctrl-C is to be ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with start(environ) as process:
        assert arrived.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        the_end.set()

    assert (process.returncode, out, err) == (130, "", "")


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("name", ["printable", "search", "request_token"])
def test_a_fault_of_our_own_is_blamed_on_nobody(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delattr(list_endpoints, name)

    with pytest.raises(NameError, match=name):
        run()


@pytest.mark.parametrize(
    ("number", "closed"),
    [
        pytest.param(None, ["ConfidentialAppAuthClient", "TransferClient"], id="whole"),
        pytest.param(0, ["ConfidentialAppAuthClient"], id="Auth refuses"),
        pytest.param(
            2, ["ConfidentialAppAuthClient", "TransferClient"], id="Transfer refuses"
        ),
    ],
)
def test_every_client_that_was_used_is_closed(
    fake: FakeGlobus,
    environ: dict[str, str],
    run_script: Run,
    number: int | None,
    closed: list[str],
) -> None:
    environ.update({"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"})
    if number is not None:
        fake.faults[number] = lambda request: refusal(403)

    err = run_script("-v").err

    assert re.findall(r"closing resource of type \w+ for (\w+)", err) == closed
    assert "Warning" not in err


AUDIT = """
import runpy, sys

def hook(event, args):
    if event == "open" and args[2] & 3 or event.startswith(("subprocess", "os.")):
        if event not in ("os.listdir", "os.scandir", "os.getxattr"):
            sys.stderr.write(f"{event} {args}\\n")

sys.addaudithook(hook)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_it_writes_no_file_and_starts_no_process(
    fake: FakeGlobus, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-c", AUDIT, SCRIPT],
        check=False,
        env={**fake.environ, "HOME": "/dev/null/nowhere"},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, text(250), "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"message": "no"}, id="another shape"),
        pytest.param([], id="a list"),
        pytest.param("text", id="text"),
    ],
)
def test_verbose_shows_no_secret_and_no_traceback_whatever_comes(
    fake: FakeGlobus, run_script: Run, number: int, answer: Any
) -> None:
    fake.faults[number] = lambda request: answer

    status, _, err = run_script("-v")

    assert status == 1
    assert err.count(ERROR) == 1
