"""What the script asks Globus for, and what it prints to a terminal, pipe or disk."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import (
    BASE,
    COMMAND,
    ERROR,
    FIELDS,
    HEADING,
    HELP,
    MODES,
    OPTIONS,
    PYTHON,
    Environ,
    Hold,
    Run,
    altered,
    finish,
    sh,
    start,
    text,
    unsafe,
    works,
)
from fake_globus import CLIENT_SECRET, OWNED, TOKEN_MARK, Fake, endpoint, endpoints
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug import Request, Response

ID = "ffffffff-0000-4000-8000-000000000000"


def test_json_is_one_ascii_object_per_line(fake: Fake, run: Run) -> None:
    fake.endpoints = [altered(OWNED[3], "display_name", None), OWNED[2]]

    status, out, err = run("--json")

    assert (status, err) == (0, "")
    assert out == (
        '{"id": "4eaf5c9d-8507-4c3e-9c71-9d8e7f6a5b43", "display_name": '
        'null, "entity_type": "GCP_guest_collection"}\n'
        '{"id": "3d9e4b8c-74f6-4b2d-8b60-8c7d6e5f4a32", "display_name": '
        '"Klimadaten Z\\u00fcrich", "entity_type": "GCP_mapped_collection"}\n'
    )


@pytest.mark.parametrize("args", MODES, ids=repr)
def test_the_order_is_by_name_then_id(fake: Fake, run: Run, args: list[str]) -> None:
    # If case is ignored, ß equals ss.
    names: list[Any] = [
        None,
        "",
        7,
        "Alpha",
        "alpha",
        "ALPHA 2",
        "Beta",
        "Straße",
        "STRASSF",
    ]
    ids = [f"{n:08}-0000-4000-8000-000000000000" for n in range(len(names))]
    fake.endpoints = [endpoint(id_, name) for id_, name in zip(ids, names)][::-1]
    assert re.findall(r"0000000\d(?=-)", run(*args).out) == [each[:8] for each in ids]


@pytest.mark.parametrize(
    ("scope", "relation"),
    [
        ("my-endpoints", "Belonging to"),
        ("administered-by-me", "Administered by"),
        ("shared-with-me", "Shared with"),
    ],
)
def test_each_list_by_its_name(fake: Fake, run: Run, scope: str, relation: str) -> None:
    fake.endpoints, fake.by_scope[scope] = [], endpoints(150)
    heading = HEADING.replace("Belonging to", relation)
    assert run("--filter-scope", scope) == (0, text(endpoints(150), heading), "")
    assert run("--filter-scope", scope, "--json").out.count("\n") == 150
    assert scope in HELP


@pytest.mark.parametrize("count", [0, 1, 100, 101, 999])
def test_the_fewest_requests_list_everything(fake: Fake, run: Run, count: int) -> None:
    fake.endpoints = endpoints(count)
    assert run() == (0, text(endpoints(count)), "")
    assert len(fake.requests) == 1 + max(1, math.ceil(count / 100))
    assert run("--json").out.count("\n") == count


@pytest.mark.parametrize("args", MODES, ids=repr)
def test_an_empty_list_hint(fake: Fake, environ: Environ, args: list[str]) -> None:
    fake.endpoints = []
    ours, terminal = os.openpty()
    command = f"{COMMAND} {' '.join(args)} 2> {os.ttyname(terminal)}"
    status, out, _ = sh(command, environ)
    assert (status, out.count("\n")) == (0, args != ["--json"])
    os.close(terminal)
    line = os.read(ours, 999).decode()
    os.close(ours)
    assert re.match('The list is empty; see "An empty list" in README.md.\\s+$', line)


@pytest.mark.parametrize(
    ("args", "count"), [([], 1000), *((args, 1500) for args in MODES)], ids=repr
)
def test_a_list_cut_at_1000(fake: Fake, run: Run, args: list[str], count: int) -> None:
    fake.endpoints = endpoints(count)
    status, out, err = run(*args)
    assert (status, out.count("\n")) == (1, 1000 + (args != ["--json"]))
    assert str(fake.endpoints[999]["id"]) in out
    assert re.fullmatch(f"{ERROR}the list may be incomplete: .*at most 1000.*\n", err)
    assert len(fake.requests) == 11


@pytest.mark.parametrize("args", MODES, ids=repr)
def test_a_list_that_shifted_is_reported(fake: Fake, run: Run, args: list[str]) -> None:
    shifted = [*fake.endpoints[:100], *fake.endpoints[99:]]

    def create(document: dict[str, Any]) -> dict[str, Any]:
        if document["offset"] == 0:
            fake.endpoints.insert(0, endpoint(ID, "created"))
            fake.endpoints[100] = altered(fake.endpoints[100], "entity_type", "new")
        return document

    fake.page_answer = create

    status, out, err = run(*args)

    assert status == 1
    ids = re.findall(r'(?m)^(?:\[|{"id": ")([\w-]*)', out)
    assert ids == [each["id"] for each in shifted]
    assert re.fullmatch(f"{ERROR}the list may be incomplete: .*changed.* again\n", err)


@pytest.mark.parametrize("value", [..., "", 7], ids=repr)
@pytest.mark.parametrize("key", FIELDS[1:])
def test_an_odd_field_loses_nothing(fake: Fake, run: Run, key: str, value: Any) -> None:
    fake.endpoints = [altered(endpoint(ID, "new"), key, value)]
    name = "new" if key != "display_name" else value
    shown = f" {name}" if name and name is not ... else ""
    assert run() == (0, f"{HEADING}[{ID}]{shown}\n", "")
    line = json.loads(run("--json").out)
    assert tuple(line) == FIELDS
    assert line[key] == (None if value is ... else value)


def test_a_run_gets_a_token_and_lists_what_is_owned(fake: Fake, run: Run) -> None:
    fields = ",".join(FIELDS)
    search = {"filter_scope": "my-endpoints", "fields": fields, "limit": "100"}
    run()
    grant, *searches = fake.requests
    run()

    assert (grant.method, grant.url) == ("POST", f"{fake.url}v2/oauth2/token")
    assert len(set(fake.tokens)) == 2
    offsets: list[dict[str, str]] = [{}, {"offset": "100"}, {"offset": "200"}]
    asked = [request.args.to_dict() for request in searches]
    assert asked == [{**search, **offset} for offset in offsets]


def test_help_explains_the_variables_the_exit_statuses_and_the_options() -> None:
    words = ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET", "--verbose")
    for each in (*words, "0 if", "1 for", "2 if", "130 after"):
        assert each in " ".join(HELP.split())
    assert "(default: my-endpoints)" in HELP
    assert OPTIONS[-1] == "-v, --verbose"
    for option in OPTIONS:
        assert re.search(rf"(?m)^  {re.escape(option)}\s+\w", HELP)


def test_verbose_shows_only_the_log_of_the_sdk(fake: Fake, environ: Environ) -> None:
    def header_that_urllib3_logs(request: Request) -> Response:
        answer = f"HTTP/1.0 503 Busy\r\n{request.headers['Authorization']}\r\n\r\n"
        request.environ["werkzeug.socket"].sendall(answer.encode())
        request.environ["werkzeug.socket"].close()
        return Response()

    fake.faults[1] = header_that_urllib3_logs

    status, out, err = sh(f"{COMMAND} -v", environ)

    assert (status, out) == (0, text(endpoints(250)))
    for words in ("/v2/oauth2/token", "/v0.10/endpoint_search", "retry"):
        assert words in err
    assert "HTTP connection" not in err
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:", line) for line in err.splitlines())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("""zwei\nZeilen, "C:\\new" 東京""", r"""zwei\nZeilen, "C:\new" 東京"""),
        ("clear \x1b[2J, C1 \x9b31m, DEL \x7f", r"clear \x1b[2J, C1 \x9b31m, DEL \x7f"),
        ("\u202egnp.exe \u2066\u2028", r"\u202egnp.exe \u2066\u2028"),
        (name := "日本語　サーバ, 10\xa0TB, \u200fעברית\u200e, soft\xadware", name),
        (name := "داده\u200cها, क\u094d\u200dष, 👩\u200d🔬, \ue000, \U000e0fff", name),
    ],
    ids=["line", "terminal", "direction", "spaces and marks", "joiners"],
)
def test_a_name_is_one_safe_line(fake: Fake, run: Run, name: str, shown: str) -> None:
    fake.endpoints = [endpoint(name, name)]
    assert run() == (0, f"{HEADING}[{shown}] {shown}\n", "")


@pytest.mark.skipif(
    importlib.util.find_spec("orjson") is not None,
    reason="orjson, which the SDK prefers, refuses lone surrogates",
)
@given(name=st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"])))
@example(
    name="".join(map(chr, [*range(0x700), *range(0x2000, 0x2100), 0xFEFF, 0xFFFD]))
)
def test_any_name_is_one_line_and_kept_in_json(fake: Fake, run: Run, name: str) -> None:
    fake.requests.clear()
    fake.endpoints = [endpoint(ID, name)]

    lines = run().out.split("\n")
    assert [unsafe(line) for line in lines] == [False] * 3
    # JSON turns a pair of surrogates into the character that the pair stands for.
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


def test_an_unread_pipe_ends_the_run_quietly(environ: Environ, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader_that_goes = "exec 3<> pipe 4> pipe 3>&-"
    assert sh(f"{reader_that_goes}; {COMMAND} >&4", environ, tmp_path) == (1, "", "")


@pytest.mark.parametrize(
    ("command", "count", "words"),
    [
        # Two endpoints fit into a buffer, but a write of 250 can be cut short.
        (f"{COMMAND} > /dev/full", 2, "[Errno 28] No space left on device\n"),
        (f"ulimit -f 8; {COMMAND} > list", 250, ""),
        (f"{COMMAND} >&-", 2, "stdout is closed\n"),
    ],
    ids=["full disk", "cut short", "closed"],
)
def test_a_list_that_cannot_be_written_whole_is_reported(
    fake: Fake, environ: Environ, tmp_path: Path, command: str, count: int, words: str
) -> None:
    fake.endpoints = endpoints(count)
    # With 250 endpoints, leave out the coverage, because its file would be cut, too.
    environ = environ if count == 2 else {**BASE, **fake.environ}
    if "/dev/full" in command and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    status, _, err = sh(command, environ, tmp_path)
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith(f"{ERROR}cannot write to stdout: {words}")


LOOP = shlex.quote(f"for i in 1 2 3; do {COMMAND} -v; done")
PROCESS_1 = "unshare --pid --fork --mount-proc"


@pytest.mark.parametrize(
    ("command", "status"),
    [(f"bash -c {LOOP}", -signal.SIGINT), (f"{PROCESS_1} {COMMAND} -v", 130)],
    ids=["bash loop", "process 1"],
)
def test_ctrl_c_ends_a_bash_loop_and_works_as_process_1(
    fake: Fake, environ: Environ, command: str, status: int
) -> None:
    if PROCESS_1 in command and not works(f"{PROCESS_1} true"):
        pytest.skip("unshare is not allowed here")
    fake.faults[1] = lambda request: Response("later", 503, {"Retry-After": "9"})
    # Otherwise, if the tests ignored Ctrl-C, so would the processes that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = start(f"exec {command}", environ)
    assert process.stderr
    # Wait for the pause before the next attempt.
    assert any("retry_sleep(" in line for line in process.stderr)
    os.killpg(process.pid, signal.SIGINT)

    assert finish(process) == (status, "", "")
    assert len(fake.requests) == 2


def test_ctrl_c_is_quiet_during_the_imports(environ: Environ, tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    slow = "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "requests.py").write_text(slow)
    process = start(f"exec {COMMAND}", {**environ, "PYTHONPATH": str(tmp_path)})
    assert process.stdout
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert finish(process) == (-signal.SIGINT, "", "")


def test_ctrl_c_stays_ignored(fake: Fake, environ: Environ, hold: Hold) -> None:
    fake.page_answer = hold
    process = start(f"trap '' INT; exec {COMMAND}", environ)
    assert hold.arrived.wait(30)
    process.send_signal(signal.SIGINT)
    hold.release.set()
    assert finish(process) == (0, text(endpoints(250)), "")


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


def test_a_run_starts_no_process_and_writes_no_file(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "audit.py").write_text(AUDIT)
    environ = {**BASE, **fake.environ, "PYTHONPYCACHEPREFIX": f"{tmp_path}/bytecode"}
    command = COMMAND.replace(PYTHON, f"{PYTHON} audit.py")

    assert sh(command, environ, tmp_path) == (0, text(endpoints(250)), "")
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 1
    for secret in (CLIENT_SECRET, TOKEN_MARK):
        assert not any(secret.encode() in file for file in files)
