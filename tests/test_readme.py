"""What README.md and its companions promise: every sample, command and setting."""

from __future__ import annotations

import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import ERROR, ROOT, SCRIPT, Result, Run, sh
from fake_globus import Document, FakeGlobus, endpoints
from test_listing import text

README = (ROOT / "README.md").read_text(encoding="utf-8")
ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
FAKE_GLOBUS = ROOT / "tests" / "fake_globus.py"


def blocks(language: str) -> list[str]:
    """Return the code blocks of README.md in that language."""
    return re.findall(
        rf"^ *```{language}\n(.*?)^ *```$", README, re.DOTALL | re.MULTILINE
    )


def block(language: str, word: str) -> str:
    """Return the one code block of README.md in that language with that word in it."""
    (found,) = (each for each in blocks(language) if word in each)
    return found


def test_the_samples_are_what_the_try_out_prints() -> None:
    python = shlex.quote(sys.executable)
    try_out = block("sh", "fake_globus.py").rpartition("&&")[2].strip()
    try_out = try_out.replace(".venv/bin/python", python)
    env = {"PATH": "/usr/bin:/bin"}

    status, out, err = sh(try_out, env)

    assert (status, err) == (0, "")
    assert out in blocks("text")
    (first_line_of_json,) = blocks("json")
    assert sh(f"{try_out} --json", env).out.startswith(first_line_of_json)


def test_the_sample_of_an_account_that_owns_nothing_is_what_it_gets(
    fake: FakeGlobus, run: Run
) -> None:
    fake.endpoints = []

    assert run().out in blocks("text")
    assert run("--json").out == ""


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["/bin/sh", "-c", "exit 3"], 3, ""),
        (["--help"], 0, ""),
        ([], 2, "error: "),
        (["/no/such/program"], 127, "error: cannot run a program: "),
    ],
    ids=["a status", "help", "no command", "an unknown command"],
)
def test_the_stand_in_ends_with_the_status_of_its_command_or_says_why_not(
    args: list[str], status: int, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, FAKE_GLOBUS, *args],
        check=False,
        capture_output=True,
        encoding="utf-8",
    )

    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("usage: ") == ("--help" in args)


def test_the_stand_in_says_which_package_it_misses(tmp_path: Path) -> None:
    (tmp_path / "pytest_httpserver.py").write_text("import no_such_package")

    done = subprocess.run(
        [sys.executable, FAKE_GLOBUS, "/bin/true"],
        check=False,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "fake_globus.py: error: No module named 'no_such_package'; "
        "install tests/requirements.txt\n"
    )


def test_the_script_and_requirements_txt_require_the_same() -> None:
    inline = re.search(
        r'^# dependencies = \["(.*)"\]$', SCRIPT.read_text(), re.MULTILINE
    )

    assert inline
    assert inline[1] == (ROOT / "requirements.txt").read_text().strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what README.md's set-up leaves in a clone."""
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    (checkout / "list_endpoints.py").symlink_to(SCRIPT)
    (checkout / ".venv").symlink_to(sys.prefix)
    return checkout


def write_env(checkout: Path, values: dict[str, str], line_break: str = "\n") -> None:
    """Write a .env: .env.example with those values filled in, or added at the end."""
    text = ENV_EXAMPLE
    for name, value in values.items():
        text = re.sub(rf"^{name}=\n", "", text, flags=re.MULTILINE)
        text += f"{name}={value}\n"
    (checkout / ".env").write_bytes(text.replace("\n", line_break).encode())


def run_as_the_readme_says(
    checkout: Path, environ: dict[str, str], word: str = "(set -a && . ./.env &&"
) -> Result:
    """Run what follows the set-up in the command of README.md with that word in it."""
    command = block("sh", word).rpartition("(")[2].rstrip(")\n ")
    return sh(command, {"PATH": "/usr/bin:/bin", **environ}, checkout)


def test_a_second_env_does_not_take_the_place_of_the_first(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text(ENV_EXAMPLE, encoding="utf-8")
    command = block("sh", ".env.example")
    env_file = tmp_path / ".env"

    assert sh(command, {}, tmp_path) == (0, "", "")
    assert env_file.read_text(encoding="utf-8") == ENV_EXAMPLE
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600

    env_file.write_text("GLOBUS_CLIENT_SECRET=filled+in=\n")
    status, out, err = sh(command, {}, tmp_path)

    assert (status != 0, out, ".env" in err) == (True, "", True)
    assert env_file.read_text() == "GLOBUS_CLIENT_SECRET=filled+in=\n"


@pytest.mark.parametrize("line_break", ["\n", "\r\n"], ids=["Unix", "Windows"])
def test_an_unedited_env_example_is_a_missing_variable(
    checkout: Path, line_break: str
) -> None:
    write_env(checkout, {}, line_break)

    assert run_as_the_readme_says(checkout, {}) == (
        2,
        "",
        f"{ERROR}GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET missing; see .env.example\n",
    )


@pytest.mark.parametrize("line_break", ["\n", "\r\n"], ids=["Unix", "Windows"])
def test_an_env_example_with_both_values_filled_in_works(
    fake: FakeGlobus, checkout: Path, line_break: str
) -> None:
    environ = fake.environ
    names = ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET")
    write_env(checkout, {name: environ.pop(name) for name in names}, line_break)

    assert run_as_the_readme_says(checkout, environ) == (0, text(250), "")


def test_another_account_has_a_file_of_its_own(
    fake: FakeGlobus, checkout: Path
) -> None:
    write_env(checkout, fake.environ)
    (checkout / ".env").rename(checkout / ".env.lab")

    assert run_as_the_readme_says(checkout, {}, ".env.lab") == (0, text(250), "")


@pytest.mark.skipif(
    not Path(sys.prefix, "bin", "activate").exists(),
    reason="these tests run in no virtual environment",
)
def test_the_script_runs_by_its_own_name_in_the_environment_of_the_set_up(
    fake: FakeGlobus, checkout: Path
) -> None:
    write_env(checkout, fake.environ)

    done = run_as_the_readme_says(checkout, {}, "./list_endpoints.py")

    assert done == (0, text(250), "")


def test_the_word_that_widens_the_search_stands_once_in_the_script(
    fake: FakeGlobus, environ: dict[str, str], tmp_path: Path
) -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    assert script.count("my-endpoints") == 1
    wider = tmp_path / "wider.py"
    wider.write_text(
        script.replace("my-endpoints", "administered-by-me"), encoding="utf-8"
    )

    sh(f"{shlex.quote(sys.executable)} '{wider}'", environ)

    assert fake.requests[1].args["filter_scope"] == "administered-by-me"


@pytest.mark.parametrize(("other", "status"), [("b\na\n", 0), ("b\n", 1)])
def test_lists_in_another_order_compare_equal_once_sorted(
    tmp_path: Path, other: str, status: int
) -> None:
    (tmp_path / "endpoints.old").write_text("a\nb\n")
    (tmp_path / "endpoints.txt").write_text(other)

    done = subprocess.run(
        ["bash", "-c", block("bash", "sort")],
        check=False,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )

    assert done.returncode == status


def test_every_setting_of_env_example_can_be_switched_on(tmp_path: Path) -> None:
    settings = re.findall("^#?([A-Z_]+)=(.*)$", ENV_EXAMPLE, re.MULTILINE)
    text = re.sub("^#([A-Z_]+=)", r"\1", ENV_EXAMPLE, flags=re.MULTILINE)
    (tmp_path / ".env").write_text(text)

    done = sh("set -a && . ./.env && env", {"PATH": "/usr/bin:/bin"}, tmp_path)

    assert (done.status, done.err) == (0, "")
    assert {f"{name}={value}" for name, value in settings} <= set(done.out.split("\n"))
    assert [name for name, _ in settings if name in README] == [n for n, _ in settings]


def test_env_example_is_plain_for_every_reader_of_such_files() -> None:
    assert ENV_EXAMPLE.isascii()
    for line in ENV_EXAMPLE.splitlines():
        assert re.fullmatch(r"#.*|[A-Z_]+=\S*", line), line


ENTRIES = dict(zip(("venv", "uv"), blocks("cron")))


@pytest.fixture(params=ENTRIES)
def entry(request: pytest.FixtureRequest, tmp_path: Path, checkout: Path) -> str:
    """An entry of README.md, as /bin/sh gets it from cron, for this checkout."""
    entry = ENTRIES[request.param]
    assert "%" not in entry  # a line break, to cron
    if request.param == "uv":
        # stands in for uv, which these tests do not install
        uv = tmp_path / ".local" / "bin" / "uv"
        uv.parent.mkdir(parents=True)
        uv.write_text("#!/bin/sh -a\n. ./.env\nexec .venv/bin/python list_endpoints.py")
        uv.chmod(0o755)
    return entry.split(maxsplit=5)[5].replace("/srv/list_endpoints", f"'{checkout}'")


def cron_environ(tmp_path: Path) -> dict[str, str]:
    return {
        "HOME": str(tmp_path),
        "LOGNAME": "nobody",
        "SHELL": "/bin/sh",
        "PATH": "/usr/bin:/bin",
    }


def run_as_cron_would(tmp_path: Path, entry: str) -> Result:
    return sh(entry, cron_environ(tmp_path), tmp_path)


def start_as_cron_would(tmp_path: Path, entry: str) -> subprocess.Popen[str]:
    """Start the entry, in a process group of its own."""
    return subprocess.Popen(
        ["/bin/sh", "-c", entry],
        env=cron_environ(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )


def listed(checkout: Path) -> str:
    return (checkout / "endpoints.txt").read_text(encoding="utf-8")


def test_the_cron_entry_is_silent_and_writes_the_list(
    fake: FakeGlobus, tmp_path: Path, checkout: Path, entry: str
) -> None:
    write_env(checkout, fake.environ)

    assert run_as_cron_would(tmp_path, entry) == (0, "", "")
    assert listed(checkout) == text(250)

    fake.endpoints = endpoints(2)

    assert run_as_cron_would(tmp_path, entry) == (0, "", "")
    assert listed(checkout) == text(2)


@pytest.mark.parametrize(
    ("count", "settings", "said"),
    [
        pytest.param(
            250, {"GLOBUS_CLIENT_SECRET": "old"}, "invalid_client", id="refused"
        ),
        pytest.param(
            250, {"GLOBUS_CLIENT_ID": ""}, "GLOBUS_CLIENT_ID", id="set up wrong"
        ),
        pytest.param(1000, {}, "may be incomplete", id="cut by Globus"),
    ],
)
def test_the_cron_entry_leaves_the_last_good_list_when_it_fails(
    fake: FakeGlobus,
    tmp_path: Path,
    checkout: Path,
    entry: str,
    count: int,
    settings: dict[str, str],
    said: str,
) -> None:
    fake.endpoints = endpoints(count)
    write_env(checkout, {**fake.environ, **settings})
    (checkout / "endpoints.txt").write_text("the last good list\n")

    status, out, err = run_as_cron_would(tmp_path, entry)

    assert (status != 0, out) == (True, "")
    assert err.startswith(ERROR)
    assert said in err
    assert listed(checkout) == "the last good list\n"
    assert len(list(checkout.glob("endpoints.*"))) == 2
    kept = (checkout / "endpoints.new").read_text(encoding="utf-8")
    assert kept == (text(1000) if count == 1000 else "")


def test_the_cron_entry_says_that_there_is_no_env_file(
    tmp_path: Path, checkout: Path, entry: str
) -> None:
    status, out, err = run_as_cron_would(tmp_path, entry)

    assert (status != 0, out) == (True, "")
    assert ".env" in err
    assert not (checkout / ".env").exists()


def hold_the_last_page(fake: FakeGlobus) -> tuple[threading.Event, threading.Event]:
    """Make the first run wait for its last page; return when it does, and a release."""
    holds, release = threading.Event(), threading.Event()

    def page_answer(document: Document) -> Document:
        if not document["has_next_page"] and not holds.is_set():
            holds.set()
            release.wait(30)
        return document

    fake.page_answer = page_answer
    return holds, release


@pytest.mark.parametrize(("first", "second"), [(250, 2), (2, 250)])
def test_cron_entries_that_overlap_write_whole_lists_one_after_the_other(
    fake: FakeGlobus,
    tmp_path: Path,
    checkout: Path,
    entry: str,
    first: int,
    second: int,
) -> None:
    write_env(checkout, fake.environ)
    fake.endpoints = endpoints(first)
    holds, release = hold_the_last_page(fake)
    overtakes = threading.Event()

    def token_answer(document: Document) -> Document:
        if len(fake.tokens) == 2:
            fake.endpoints = endpoints(second)
            overtakes.set()
        return document

    fake.token_answer = token_answer
    with start_as_cron_would(tmp_path, entry) as one:
        assert holds.wait(30)
        with start_as_cron_would(tmp_path, entry) as other:
            assert not overtakes.wait(1)  # it would come in a fraction of that
            release.set()
            said = [run.communicate(timeout=30)[0] for run in (one, other)]

    assert (one.returncode, other.returncode, said) == (0, 0, ["", ""])
    assert listed(checkout) == text(second)
    assert len(list(checkout.glob("endpoints.*"))) == 1


@pytest.mark.parametrize("killed", ["all of it", "its shell"])
def test_a_cron_entry_that_is_killed_costs_no_list_and_leaves_nothing_for_good(
    fake: FakeGlobus, tmp_path: Path, checkout: Path, entry: str, killed: str
) -> None:
    write_env(checkout, fake.environ)
    (checkout / "endpoints.txt").write_text("the last good list\n")
    holds, release = hold_the_last_page(fake)

    with start_as_cron_would(tmp_path, entry) as process:
        assert holds.wait(30)
        if killed == "all of it":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait(30)
        assert listed(checkout) == "the last good list\n"
        release.set()

    assert run_as_cron_would(tmp_path, entry) == (0, "", "")
    assert listed(checkout) == text(250)
    assert len(list(checkout.glob("endpoints.*"))) == 1
