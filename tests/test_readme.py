"""What README.md and its companions promise: every sample, command and setting."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ERROR, ROOT, SCRIPT, Result, sh
from fake_globus import FakeGlobus, endpoints
from test_listing import text

README = (ROOT / "README.md").read_text(encoding="utf-8")
ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the code blocks of README.md in that language."""
    return re.findall(
        rf"^ *```{language}\n(.*?)^ *```$", README, re.DOTALL | re.MULTILINE
    )


def test_the_samples_are_what_the_try_out_prints() -> None:
    (text_sample,), (json_sample,) = blocks("text"), blocks("json")
    (command,) = (block for block in blocks("sh") if "fake_globus.py" in block)
    try_out = command.rpartition("&&")[2].replace(".venv/bin/python", sys.executable)
    env = {"PATH": "/usr/bin:/bin"}

    assert sh(try_out, env) == (0, text_sample, "")
    assert sh(f"{try_out.strip()} --json", env).out.startswith(json_sample)


def test_the_try_out_ends_with_the_status_of_what_it_runs() -> None:
    fake_globus = [sys.executable, str(ROOT / "tests" / "fake_globus.py")]

    done = subprocess.run([*fake_globus, "/bin/sh", "-c", "exit 3"], check=False)
    assert done.returncode == 3

    done = subprocess.run(fake_globus, check=False, capture_output=True)
    assert (done.returncode, b"usage: " in done.stderr) == (2, True)


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


def run_as_the_readme_says(checkout: Path, environ: dict[str, str]) -> Result:
    (command,) = (block for block in blocks("sh") if ". ./.env" in block)
    return sh(command.rpartition("(")[2].rstrip(")\n "), environ, checkout)


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


def test_env_example_is_plain_for_every_reader_of_such_files() -> None:
    assert ENV_EXAMPLE.isascii()
    for line in ENV_EXAMPLE.splitlines():
        assert re.fullmatch(r"#.*|[A-Z_]+=\S*", line), line


def run_as_cron_would(tmp_path: Path, checkout: Path) -> Result:
    """Run the crontab entry of README.md, its folder exchanged for this checkout."""
    (entry,) = blocks("cron")
    assert "%" not in entry  # a line break, to cron
    command = entry.split(maxsplit=5)[5].replace("/srv/list_endpoints", f"'{checkout}'")
    environ = {
        "HOME": str(tmp_path),
        "LOGNAME": "nobody",
        "SHELL": "/bin/sh",
        "PATH": "/usr/bin:/bin",
    }
    return sh(command, environ, tmp_path)


def test_the_cron_entry_is_silent_and_writes_the_list(
    fake: FakeGlobus, tmp_path: Path, checkout: Path
) -> None:
    write_env(checkout, fake.environ)

    assert run_as_cron_would(tmp_path, checkout) == (0, "", "")
    assert (checkout / "endpoints.txt").read_text(encoding="utf-8") == text(250)

    fake.endpoints = endpoints(2)

    assert run_as_cron_would(tmp_path, checkout) == (0, "", "")
    assert (checkout / "endpoints.txt").read_text(encoding="utf-8") == text(2)


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
    count: int,
    settings: dict[str, str],
    said: str,
) -> None:
    fake.endpoints = endpoints(count)
    write_env(checkout, {**fake.environ, **settings})
    (checkout / "endpoints.txt").write_text("the last good list\n")

    status, out, err = run_as_cron_would(tmp_path, checkout)

    assert (status != 0, out) == (True, "")
    assert err.startswith(ERROR)
    assert said in err
    assert (checkout / "endpoints.txt").read_text() == "the last good list\n"


def test_the_cron_entry_says_that_there_is_no_env_file(
    tmp_path: Path, checkout: Path
) -> None:
    status, out, err = run_as_cron_would(tmp_path, checkout)

    assert (status != 0, out) == (True, "")
    assert ".env" in err
