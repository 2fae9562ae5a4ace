"""What the tests share: the fake Globus, and two ways to run the script against it."""

from __future__ import annotations

import base64
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from fake_globus import CLIENT_ID, CLIENT_SECRET, FakeGlobus, endpoints
from pytest_httpserver import HTTPServer
from werkzeug import Response

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "list_endpoints.py"
ERROR = "list_endpoints.py: error: "
sys.path.insert(0, str(ROOT))

import list_endpoints


class Result(NamedTuple):
    """What a user sees of a run."""

    status: int
    out: str
    err: str


Run = Callable[..., Result]
no_orjson = pytest.mark.skipif(
    importlib.util.find_spec("orjson") is not None,
    reason="orjson, which the SDK prefers, refuses lone surrogates",
)


def sh(command: str, env: dict[str, str], cwd: Path = ROOT) -> Result:
    """Run a line of shell."""
    process = subprocess.run(
        ["/bin/sh", "-c", command],
        check=False,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    return Result(process.returncode, process.stdout, process.stderr)


def start(env: dict[str, str]) -> subprocess.Popen[str]:
    """Start the script as a process, with pipes to read what it prints."""
    return subprocess.Popen(
        [sys.executable, SCRIPT],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def checked(result: Result, fake: FakeGlobus) -> Result:
    """Check what is to be true of every run, whatever happens in it."""
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    for secret in (CLIENT_SECRET, basic, *fake.tokens):
        assert secret not in result.out
        assert secret not in result.err
    assert "Traceback" not in result.err
    assert "Exception ignored" not in result.err
    return result


@pytest.fixture(scope="session")
def http_server() -> Iterator[HTTPServer]:
    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture
def fake(http_server: HTTPServer) -> FakeGlobus:
    """A Globus where the service account owns three pages of endpoints."""
    http_server.clear()
    fake = FakeGlobus(http_server, endpoints(250))
    # so that a script that would ask for ever fails its test instead
    fake.faults = dict.fromkeys(range(99, 999), lambda request: Response(status=410))
    return fake


@pytest.fixture
def environ(fake: FakeGlobus, tmp_path: Path) -> dict[str, str]:
    """The environment of a run: cron's own, the fake's, and what measures coverage."""
    coverage = {k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")}
    return {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **fake.environ, **coverage}


@pytest.fixture
def run(
    fake: FakeGlobus,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run main() in this process: quick, and what it sleeps can be patched."""

    def run(*args: str) -> Result:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name in set(os.environ) - set(environ):
                patch.delenv(name)
            for name, value in environ.items():
                patch.setenv(name, value)
            status = list_endpoints.main(args)
        return checked(Result(status, *capsys.readouterr()), fake)

    return run


@pytest.fixture
def run_script(fake: FakeGlobus, environ: dict[str, str]) -> Run:
    """Run the script as a process."""

    def run_script(*args: str, **kwargs: Any) -> Result:
        process = subprocess.run(
            [sys.executable, SCRIPT, *args],
            check=False,
            **{
                "env": environ,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "encoding": "utf-8",
                "timeout": 60,
                **kwargs,
            },
        )
        out, err = process.stdout or "", process.stderr or ""
        return checked(Result(process.returncode, out, err), fake)

    return run_script


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make the SDK's pauses between tries a list instead of a wait."""
    pauses: list[float] = []
    monkeypatch.setattr(
        "globus_sdk.transport.requests.time", SimpleNamespace(sleep=pauses.append)
    )
    return pauses
