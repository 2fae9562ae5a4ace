"""What the tests share: the fake Globus, and ways to run main() or a process."""

from __future__ import annotations

import base64
import os
import re
import shlex
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fake_globus import CLIENT_ID, CLIENT_SECRET, TOKEN_MARK, Fake, endpoints
from hypothesis import HealthCheck, settings
from pytest_httpserver import HTTPServer
from werkzeug import Response

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "list_endpoints.py"
PYTHON = shlex.quote(sys.executable)
COMMAND = f"{PYTHON} {shlex.quote(str(SCRIPT))}"
ERROR = "list_endpoints.py: error: "
PASSWORD = "Winter2026"
DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
# The environment of every command. A Python from "module load" may need its
# LD_LIBRARY_PATH.
BASE = {"PATH": "/usr/bin:/bin"}
BASE.update({k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"})
HEADING = f"Endpoints Belonging to {CLIENT_ID}@clients.auth.globus.org:\n"
sys.path.insert(0, str(ROOT))

import list_endpoints

fixtures = HealthCheck.function_scoped_fixture
settings.register_profile("tests", deadline=None, suppress_health_check=[fixtures])
settings.load_profile("tests")

FIELDS = list_endpoints.FIELDS
HEADINGS = list_endpoints.HEADINGS
# Python 3.14 can colour the help, so switch that off.
PLAIN = {**BASE, "PYTHON_COLORS": "0", "COLUMNS": "80"}
HELP = subprocess.check_output([sys.executable, SCRIPT, "--help"], env=PLAIN, text=True)
OPTIONS = re.findall(r"(?m)^  (-.+?)(?:  |$)", HELP)
# Every promise about a list is tested with each of these. A new option joins them by
# itself if it takes no value and has no short name.
MODES = [["--filter-scope", scope] for scope in HEADINGS]
MODES += [[option] for option in OPTIONS if re.fullmatch(r"--[\w-]+", option)]


class Result(NamedTuple):
    """What a user sees of a run."""

    status: int
    out: str
    err: str


Run = Callable[..., Result]
Failure = Callable[..., str]
Environ = dict[str, str]


def text(documents: Iterable[dict[str, Any]], heading: str = HEADING) -> str:
    """Return the text that lists these endpoints."""
    return heading + "".join(f"[{e['id']}] {e['display_name']}\n" for e in documents)


def unsafe(line: str) -> bool:
    """Tell whether the line has a character that has to be escaped."""
    kinds = {unicodedata.category(c) for c in line}
    turns = {unicodedata.bidirectional(c) for c in line}
    return bool(kinds & {"Cc", "Cs", "Zl", "Zp"} or turns & DIRECTIONS)


def altered(document: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return the document with this value, or without the key if the value is ..."""
    document = {**document, key: value}
    return {name: each for name, each in document.items() if each is not ...}


def checked(result: Result) -> Result:
    """Check that the result shows no credential and no traceback, and return it."""
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    for never in (
        CLIENT_SECRET,
        basic,
        TOKEN_MARK,
        PASSWORD,
        "Traceback",
        "ignored in",
    ):
        assert never not in result.out + result.err
    return result


def start(command: str, environ: Environ, cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Start a shell command in a process group of its own."""
    return subprocess.Popen(
        ["/bin/sh", "-c", command],
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="surrogateescape",
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Result:
    """Wait for a process to end, and return what a user sees of it."""
    out, err = process.communicate(timeout=60)
    return checked(Result(process.returncode, out, err))


def sh(command: str, environ: Environ, cwd: Path = ROOT) -> Result:
    """Run a shell command."""
    with start(command, environ, cwd) as process:
        return finish(process)


def works(command: str) -> bool:
    """Tell whether this machine can run a command that a test relies on."""
    return not subprocess.call(command, shell=True, env=BASE, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def http_server() -> Iterator[HTTPServer]:
    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture
def fake(http_server: HTTPServer) -> Fake:
    """A Globus where the service account owns three pages of endpoints."""
    http_server.clear()
    fake = Fake(http_server, endpoints(250))
    # Refuse late requests, so that a test fails if the script would ask for ever.
    fake.faults = dict.fromkeys(range(99, 999), lambda request: Response(status=410))
    return fake


@pytest.fixture
def environ(fake: Fake, tmp_path: Path) -> Environ:
    """The environment of a run: cron's, and what the fake and the coverage need."""
    coverage = {k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")}
    return {"HOME": str(tmp_path), **BASE, **fake.environ, **coverage}


@pytest.fixture
def run(
    environ: Environ,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Run:
    """Run main() in this process, which is quicker than starting another."""
    caplog.set_level("DEBUG", "globus_sdk")
    caplog.set_level("CRITICAL", "werkzeug")

    def run(*args: str) -> Result:
        with monkeypatch.context() as patch:
            patch.setattr(os, "environ", environ)
            try:
                status: Any = list_endpoints.main(args)
            except SystemExit as end:
                status = end.code
        checked(Result(status, "", caplog.text))
        return checked(Result(status, *capfd.readouterr()))

    return run


@pytest.fixture
def failure(run: Run) -> Failure:
    """Check that main() fails with one line on stderr, and return that line."""

    def failure(*args: str) -> str:
        status, out, err = run(*args)
        assert (status, out, err[-1:]) == (1, "", "\n")
        assert err.startswith(ERROR)
        assert not unsafe(err[:-1])
        assert len(err) < 1000
        return err[len(ERROR) : -1]

    return failure


class Hold:
    """Holds an answer back until the release, for at most 30 seconds."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.release = threading.Event()

    def __call__(self, answer: Any) -> Any:
        self.arrived.set()
        self.release.wait(30)
        return answer


@pytest.fixture
def hold() -> Iterator[Hold]:
    hold = Hold()
    yield hold
    hold.release.set()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the SDK's pauses between attempts instead of waiting for them."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses
