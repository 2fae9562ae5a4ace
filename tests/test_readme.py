"""What README.md and its companions promise: every sample, command and setting."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import fake_globus
import pytest
from conftest import (
    BASE,
    COMMAND,
    ERROR,
    FIELDS,
    HEADING,
    HEADINGS,
    OPTIONS,
    PYTHON,
    ROOT,
    SCRIPT,
    Environ,
    Hold,
    finish,
    sh,
    start,
    text,
    works,
)
from fake_globus import CLIENT_ID, CLIENT_SECRET, Fake, endpoints
from werkzeug import Response
from werkzeug.datastructures import Authorization
from werkzeug.test import EnvironBuilder

README = (ROOT / "README.md").read_text(encoding="utf-8")
ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
FAKE_GLOBUS = f"{PYTHON} {shlex.quote(str(ROOT / 'tests' / 'fake_globus.py'))}"
RUN = "set -a; . ./.env; .venv/bin/python list_endpoints.py"
TIMEOUT = "timeout --foreground -v 1h "
CI = os.environ.get("CI") == "true"
NO_CC = not CI and (sys.platform != "linux" or not shutil.which("cc"))


def blocks(language: str) -> list[str]:
    """Return the code blocks of README.md in that language."""
    found = re.findall(rf"(?ms)^( *)```{language}\n(.*?)^ *```$", README)
    return [re.sub(f"(?m)^{indent}", "", block) for indent, block in found]


def block(language: str, word: str) -> str:
    """Return the one code block of README.md in that language that has that word."""
    (found,) = (each for each in blocks(language) if word in each)
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script, the tests and .venv, as after the set-up."""
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    shutil.copy(SCRIPT, checkout)
    (checkout / "tests").symlink_to(ROOT / "tests")
    (checkout / ".venv").symlink_to(sys.prefix)
    return checkout


def write_env(checkout: Path, values: Environ, line_break: str = "\n") -> None:
    """Write .env: .env.example with these values at the end."""
    text = ENV_EXAMPLE
    for name, value in values.items():
        text = text.replace(f"\n{name}=''", "") + f"{name}='{value}'\n"
    (checkout / ".env").write_bytes(text.replace("\n", line_break).encode())


def test_the_first_sample_is_what_the_try_out_prints(checkout: Path) -> None:
    _, install, try_out = block("sh", "fake_globus").split(" &&\n")
    assert install.endswith(" -r requirements.txt pytest-httpserver")
    # It needs nothing of what its user has set.
    environ = {**BASE, "GLOBUS_CLIENT_SECRET": "x", "http_proxy": "http://127.0.0.1:9"}
    assert sh(try_out, environ, checkout) == (0, blocks("text")[0], "")
    # This is the list of a new account.
    assert blocks("text")[1] == HEADING


def test_the_sample_of_what_is_shared_is_what_the_stand_in_lists() -> None:
    arguments = " --filter-scope shared-with-me"
    assert f"({RUN}{arguments})\n" in blocks("sh")

    done = sh(f"{FAKE_GLOBUS} {COMMAND}{arguments}", BASE)
    assert done == (0, blocks("text")[2], "")
    # The account also administers what it owns.
    done = sh(f"{FAKE_GLOBUS} {COMMAND} --filter-scope administered-by-me", BASE)
    assert set(blocks("text")[0].splitlines()[1:]) < set(done.out.splitlines()[1:])
    for each in (*fake_globus.ADMINISTERED, *fake_globus.SHARED):
        assert (each["owner_id"] == CLIENT_ID) == (each in fake_globus.OWNED)


def test_the_set_up_makes_a_private_env_and_only_once(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text(ENV_EXAMPLE, encoding="utf-8")
    _, install, command = block("sh", "-e .env").splitlines()
    env_file = tmp_path / ".env"

    assert install.endswith(" -U --upgrade-strategy eager -r requirements.txt")
    assert sh(command, BASE, tmp_path) == (0, "", "")
    assert env_file.read_text(encoding="utf-8") == ENV_EXAMPLE
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600

    env_file.write_text("GLOBUS_CLIENT_SECRET='filled in'\n")

    assert sh(command, BASE, tmp_path) == (0, "", "")
    assert env_file.read_text() == "GLOBUS_CLIENT_SECRET='filled in'\n"

    assert sh(block("sh", ".env-2"), BASE, tmp_path) == (0, "", "")
    assert stat.S_IMODE((tmp_path / ".env-2").stat().st_mode) == 0o600


@pytest.mark.parametrize("line_break", ["\n", "\r\n"], ids=["Unix", "Windows"])
def test_a_filled_in_env_works(fake: Fake, checkout: Path, line_break: str) -> None:
    credentials = {k: v for k, v in fake.environ.items() if "CLIENT" in k}
    environ = {**BASE, **fake.environ, **dict.fromkeys(credentials, "")}
    assert f"({RUN})\n" in blocks("sh")

    write_env(checkout, {}, line_break)
    status, out, err = sh(f"({RUN})", environ, checkout)
    assert (status, out) == (2, "")
    assert re.findall(r"(\w+) is not set", err) == list(credentials)

    write_env(checkout, credentials, line_break)
    assert sh(f"({RUN})", environ, checkout) == (0, text(endpoints(250)), "")


def test_every_setting_of_env_example_can_be_switched_on(tmp_path: Path) -> None:
    settings = re.findall("(?m)^(#?)([A-Z_]+)='(.*)'$", ENV_EXAMPLE)
    (tmp_path / ".env").write_text(re.sub("(?m)^#([A-Z_]+=)", r"\1", ENV_EXAMPLE))

    done = sh("set -a; . ./.env; env", BASE, tmp_path)

    assert (done.status, done.err) == (0, "")
    # If a value lost a quote, an apostrophe in a comment would end the value, and the
    # shell would run what follows.
    assert "'" not in "".join(re.findall("(?m)^# .*", ENV_EXAMPLE))
    assert re.search(r"(?m)^GLOBUS_SDK_HTTP_TIMEOUT=\d+$", done.out)
    assert "HTTPS_PROXY=http://" in done.out
    assert {f"{name}={value}" for _, name, value in settings} <= set(done.out.split())
    assert [f"{mark}{name}" for mark, name, _ in settings] == [
        *("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET"),
        *("#HTTPS_PROXY", "#GLOBUS_SDK_HTTP_TIMEOUT", "#GLOBUS_SDK_VERIFY_SSL"),
    ]
    assert all(f"`{name}`" in README for mark, name, _ in settings if mark)


def test_git_keeps_env_example_but_no_copy_of_env_and_no_list(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".gitignore", tmp_path)
    copies = ".env .env~ .env-old .env.bak .env.save #.env# .#.env .env.swp prod.env"
    copies += " .env-2 endpoints.txt endpoints.new endpoints.lock endpoints-2.txt"
    for name in (*copies.split(), ".env.example"):
        (tmp_path / name).touch()

    done = sh("git init -q && git add -A && git ls-files", BASE, tmp_path)

    assert done == (0, ".env.example\n.gitignore\n", "")


def test_readme_has_every_field_option_and_list_and_the_sections_cited() -> None:
    options = [re.findall(r"(?<!\S)-[\w-]+", option) for option in OPTIONS[1:]]
    for names in [*options, *([name] for name in (*FIELDS, *HEADINGS))]:
        assert any(f"`{name}`" in README for name in names), names
    for section in re.findall(r'see "(.*?)" in README', SCRIPT.read_text()):
        assert f"\n## {section}\n" in README


def test_the_script_and_requirements_txt_require_the_same() -> None:
    inline = re.search('(?m)^# dependencies = \\["(.*)"\\]$', SCRIPT.read_text())
    assert inline
    assert inline[1] == (ROOT / "requirements.txt").read_text().splitlines()[-1]
    # If PYTHONPATH is set, pip without -I does not install what it finds there.
    installs = re.findall(r"(\S+ \S+ \S+) pip .* -r (\S+)", README)
    assert len(installs) == README.count("pip install")
    for python, name in installs:
        assert python == ".venv/bin/python -I -m"
        assert (ROOT / name).exists()


def test_uv_can_run_the_script(fake: Fake, tmp_path: Path, checkout: Path) -> None:
    """Use the real uv, which fetches the SDK from the package index."""
    index = f"{PYTHON} -m uv pip install --dry-run --no-cache --reinstall globus-sdk"
    if not CI and sh(index, dict(os.environ)).status:
        pytest.skip("the package index cannot be reached")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("GLOBUS_")}
    environ.update(HOME=str(tmp_path), UV_PYTHON=sys.executable, no_proxy="localhost")
    (tmp_path / ".local" / "bin").mkdir(parents=True)
    (tmp_path / ".local" / "bin" / "uv").symlink_to(Path(sys.prefix, "bin", "uv"))
    environ["PATH"] = f"{tmp_path}/.local/bin:{environ['PATH']}"
    write_env(checkout, fake.environ)

    status, out, err = sh(block("sh", "uv run"), environ, checkout)
    assert (status, out, err) == (0, text(endpoints(250)), "")


@pytest.mark.parametrize(
    ("change", "status"),
    [("", 200)]
    + [(f"{key}=old", 401) for key in ("user", "password", "token")]
    + [(f"{key}=old", 400) for key in ("grant_type", "scope", "filter_scope")]
    + [("limit=101", 400), ("offset=901", 400)],
)
def test_the_stand_in_refuses_what_globus_refuses(
    fake: Fake, change: str, status: int
) -> None:
    fake.endpoints = endpoints(1500)
    form = {"grant_type": "client_credentials", "scope": fake_globus.TRANSFER_SCOPE}
    query = {"filter_scope": "my-endpoints", "limit": "100", "offset": "800"}
    other = {"user": CLIENT_ID, "password": CLIENT_SECRET}
    key, _, value = change.partition("=")
    next((each for each in (form, query) if key in each), other)[key] = value

    builder = EnvironBuilder(data=form, auth=(other["user"], other["password"]))
    answer = fake._token(builder.get_request())
    if not isinstance(answer, Response):
        token = other.get("token", answer["access_token"])
        query["fields"] = "id"
        bearer = Authorization("bearer", token=token)
        builder = EnvironBuilder(query_string=query, auth=bearer)
        answer = fake._endpoint_search(builder.get_request())

    assert (answer.status_code if isinstance(answer, Response) else 200) == status
    if status == 200:
        assert answer["DATA"] == [{"id": e["id"]} for e in endpoints(900)[800:]]


@pytest.mark.parametrize(
    ("command", "status"),
    [("sh -c 'exit 3'", 3), ("sh -c 'kill $$'", 143), ("/no/such/program", 127)],
)
def test_the_stand_in_ends_as_its_command_ends(command: str, status: int) -> None:
    assert sh(f"{FAKE_GLOBUS} {command}", BASE).status == status


def test_ctrl_c_ends_the_command_of_the_stand_in_and_the_stand_in_quietly() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = start(f"exec {FAKE_GLOBUS} sh -c 'echo; exec sleep 60'", BASE)
    assert process.stdout
    assert process.stdout.readline() == "\n"
    os.killpg(process.pid, signal.SIGINT)
    assert finish(process) == (130, "", "")


@pytest.fixture
def entry(checkout: Path) -> str:
    """The cron entry of README.md for this checkout, as cron gives it to /bin/sh."""
    if not CI and not works(f"flock /dev/null {TIMEOUT.replace('1h', '1')}true"):
        pytest.skip("there is no flock, or timeout is not GNU's")
    (entry,) = blocks("cron")
    # cron would turn a % into a line break.
    assert "%" not in entry
    run = RUN.replace(".venv", f"{TIMEOUT}.venv")
    begin = "15 6 * * * cd /srv/list_endpoints && flock endpoints.lock sh -c "
    assert entry.startswith(f"{begin}'{run} > ")
    assert all(f"`{part}`" in README for part in ("flock endpoints.lock", TIMEOUT[:-1]))
    return entry.split(maxsplit=5)[5].replace("/srv/list_endpoints", f"'{checkout}'")


@pytest.fixture
def cron(fake: Fake, checkout: Path, tmp_path: Path) -> Environ:
    """The environment of a cron job, whose .env and last list are in the checkout."""
    write_env(checkout, fake.environ)
    (checkout / "endpoints.txt").write_text("the last good list\n")
    return {**BASE, "HOME": str(tmp_path), "LOGNAME": "nobody", "SHELL": "/bin/sh"}


def listed(checkout: Path) -> str:
    return (checkout / "endpoints.txt").read_text(encoding="utf-8")


@pytest.mark.skipif(NO_CC, reason="there is no C compiler, or this is not Linux")
def test_the_cron_entry_keeps_the_last_list_if_only_close_reports_a_full_disk(
    fake: Fake, cron: Environ, checkout: Path, entry: str
) -> None:
    library = str(checkout.parent / "refuse_close.so")
    command = ["cc", "-shared", "-fPIC", "-o", library, "tests/refuse_close.c"]
    subprocess.run(command, cwd=ROOT, check=True)
    write_env(checkout, {**fake.environ, "LD_PRELOAD": library})
    status, out, err = sh(entry, cron)
    message = f"cannot write to stdout: [Errno {errno.EDQUOT}] Disk quota exceeded"
    assert (status, out) == (1, "")
    assert f"{ERROR}{message}\n" in err
    assert listed(checkout) == "the last good list\n"


def test_timeout_ends_a_run_that_hangs_and_lets_the_next_run_begin(
    fake: Fake, cron: Environ, checkout: Path, entry: str, hold: Hold
) -> None:
    # Send a space now and then, until the end of the test.
    trickle = (" " for _ in iter(lambda: hold.release.wait(0.1), True))
    fake.faults[1] = lambda request: Response(trickle)

    status, out, err = sh(entry.replace(" 1h ", " 2s "), cron)

    assert (status, out) == (124, "")
    assert re.fullmatch("timeout: sending signal TERM to .*\n", err)
    assert len(fake.requests) == 2
    assert listed(checkout) == "the last good list\n"
    assert sh(entry, cron) == (0, "", "")
    assert listed(checkout) == text(endpoints(250))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("echo GLOBUS_CLIENT_SECRET=old >> .env", " 401 "),
        ("rm .env", ".env"),
        # The list already has as many endpoints as Globus ever returns.
        (":", "may be incomplete"),
    ],
)
def test_after_a_failure_the_cron_entry_keeps_the_last_list_and_says_why(
    fake: Fake, cron: Environ, checkout: Path, entry: str, change: str, words: str
) -> None:
    fake.endpoints = endpoints(1000)
    sh(change, BASE, checkout)

    status, out, err = sh(entry, cron)

    assert (status != 0, out) == (True, "")
    assert words in err
    assert listed(checkout) == "the last good list\n"
    left = {path.name for path in checkout.glob("endpoints.*")}
    assert left <= {"endpoints.new", "endpoints.txt", "endpoints.lock"}


@pytest.mark.parametrize("count", [250, 2])
def test_cron_entries_that_overlap_write_whole_lists_one_after_the_other(
    fake: Fake, cron: Environ, checkout: Path, entry: str, hold: Hold, count: int
) -> None:
    fake.endpoints = endpoints(count)
    last_page = 1 + -(-count // 100)
    fake.page_answer = lambda document: (
        hold(document) if len(fake.requests) == last_page else document
    )
    one = start(entry, cron)
    assert hold.arrived.wait(30)

    overtakes = threading.Event()

    def token_answer(document: dict[str, Any]) -> dict[str, Any]:
        fake.endpoints = endpoints(252 - count)
        overtakes.set()
        return document

    fake.token_answer = token_answer
    # Replace the script, as git pull does.
    shutil.copy(SCRIPT, checkout / "pulled")
    (checkout / "pulled").replace(checkout / SCRIPT.name)
    other = start(entry, cron)
    # A run that did not wait would ask for a token well within this second.
    overtaken = overtakes.wait(1)
    hold.release.set()

    assert (finish(one), finish(other)) == ((0, "", ""), (0, "", ""))
    assert not overtaken
    assert listed(checkout) == text(endpoints(252 - count))
