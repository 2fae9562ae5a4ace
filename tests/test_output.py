"""What reaches the terminal, the pipe, the disk and the process's surroundings."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from pathlib import Path

import pytest
from conftest import (
    COMMAND,
    ERROR,
    HEADING,
    PYTHON,
    Environ,
    Hold,
    Run,
    finish,
    sh,
    start,
    text,
    unsafe,
)
from fake_globus import CLIENT_SECRET, TOKEN_MARK, Fake, endpoint, endpoints
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

ID = "0d9f5d0e-3c1a-4a3e-9a0e-1b2c3d4e5f60"
no_orjson = pytest.mark.skipif(
    importlib.util.find_spec("orjson") is not None,
    reason="orjson, which the SDK prefers, refuses lone surrogates",
)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("""zwei\nZeilen, "C:\\new" 東京""", r"""zwei\nZeilen, "C:\new" 東京"""),
        ("clear \x1b[2J, C1 \x9b31m, DEL \x7f", r"clear \x1b[2J, C1 \x9b31m, DEL \x7f"),
        ("\u202egnp.exe \u2066\u2028", r"\u202egnp.exe \u2066\u2028"),
        (name := "日本語　サーバ, 10\xa0TB, \u200fעברית\u200e, soft\xadware", name),
        (name := "داده\u200cها, क\u094d\u200dष, 👩\u200d🔬, \ue000, \U000e0fff", name),
    ],
    ids=["line", "terminal", "direction", "blanks and marks", "joiners"],
)
def test_a_name_is_shown_as_it_is_on_one_line_and_drives_no_terminal(
    fake: Fake, run: Run, name: str, shown: str
) -> None:
    fake.endpoints = [endpoint(name, name)]

    assert run() == (0, f"{HEADING}[{shown}] {shown}\n", "")


@no_orjson
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"])))
@example(
    name="".join(map(chr, [*range(0x700), *range(0x2000, 0x2100), 0xFEFF, 0xFFFD]))
)
def test_any_name_is_a_line_and_itself_in_json(fake: Fake, run: Run, name: str) -> None:
    fake.requests.clear()
    fake.endpoints = [endpoint(ID, name)]

    lines = run().out.split("\n")
    assert [unsafe(line) for line in lines] == [False] * 3
    # as on the wire: a pair of surrogates is the character that they stand for
    name = json.loads(json.dumps(name))
    assert all(char in lines[1] for char in name if not unsafe(char))
    line = run("--json").out
    assert line.isascii()
    assert json.loads(line)["display_name"] == name


def test_what_the_encoding_lacks_is_shown_escaped(fake: Fake, environ: Environ) -> None:
    fake.endpoints = [endpoint(ID, "Zürich 東京")]
    environ["PYTHONIOENCODING"] = "latin-1"

    shown = "Z\udcfcrich \\u6771\\u4eac"
    assert sh(COMMAND, environ) == (0, f"{HEADING}[{ID}] {shown}\n", "")


def test_a_pipe_nobody_reads_ends_it_quietly(environ: Environ, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader_that_goes = "exec 3<> pipe 4> pipe 3>&-"

    assert sh(f"{reader_that_goes}; {COMMAND} >&4", environ, tmp_path) == (1, "", "")


@pytest.mark.parametrize(
    ("command", "count", "said"),
    [
        # so few that a buffer would hold them, and so many that a write can be cut
        (f"{COMMAND} > /dev/full", 2, "[Errno 28] No space left on device\n"),
        (f"ulimit -f 8; {COMMAND} > list", 250, ""),
        (f"{COMMAND} >&-", 2, ""),
    ],
    ids=["full disk", "cut on its way", "closed"],
)
def test_a_list_that_cannot_be_written_whole_is_reported(
    fake: Fake, environ: Environ, tmp_path: Path, command: str, count: int, said: str
) -> None:
    fake.endpoints = endpoints(count)
    if count > 2:  # coverage would be cut as well, and say so
        environ = fake.environ

    status, _, err = sh(command, environ, tmp_path)

    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith(f"{ERROR}cannot write to stdout: {said}")


def test_ctrl_c_ends_it_with_130(fake: Fake, environ: Environ, hold: Hold) -> None:
    fake.faults[1] = hold
    # tests that run in the background would hand on that Ctrl-C is to be ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = start(f"exec {COMMAND}", environ)
    assert hold.arrived.wait(30)
    process.send_signal(signal.SIGINT)

    assert finish(process) == (130, "", "")


AUDIT = """
import runpy, sys

def hook(event, args):
    writes = event == "open" and args[2] & 3 and isinstance(args[0], str)
    if event == "subprocess.Popen" or writes and ".pyc" not in args[0]:
        sys.stderr.write(f"{event} {args}\\n")

sys.addaudithook(hook)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_it_starts_no_process_and_writes_no_file_but_python_s_bytecode(
    fake: Fake, tmp_path: Path
) -> None:
    (tmp_path / "audit.py").write_text(AUDIT)
    environ = {**fake.environ, "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode")}
    command = COMMAND.replace(PYTHON, f"{PYTHON} audit.py")

    assert sh(command, environ, tmp_path) == (0, text(endpoints(250)), "")
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 1
    assert not [
        f for f in files for s in (CLIENT_SECRET, TOKEN_MARK) if s.encode() in f
    ]
