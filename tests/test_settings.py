"""What the script does with settings that cannot work, and with those that can."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import COMMAND, ERROR, Environ, Failure, Run, sh, text
from fake_globus import CLIENT_ID, CLIENT_SECRET, Fake, endpoints


@pytest.mark.parametrize(
    ("names", "value"),
    [
        ("ID", None),
        ("SECRET", None),
        ("ID SECRET", None),
        ("ID SECRET", ""),
        ("ID SECRET", " \t\r"),
    ],
)
def test_one_message_names_every_variable_that_is_missing_and_the_remedy(
    fake: Fake, environ: Environ, run: Run, names: str, value: str | None
) -> None:
    variables = [f"GLOBUS_CLIENT_{name}" for name in names.split()]
    for name in variables:
        del environ[name]
        if value is not None:
            environ[name] = value

    status, out, err = run()

    assert (status, out) == (2, "")
    assert err.startswith(f"{ERROR}{' and '.join(variables)} not set; check .env, ")
    assert not fake.requests


@pytest.mark.parametrize(
    "client_id",
    [
        pytest.param("your-client-id-here", id="a template's text"),
        pytest.param(CLIENT_SECRET, id="the secret"),
        pytest.param(f"'{CLIENT_ID}'", id="in quotes"),
        pytest.param("0123456789abcdef0123456789abcdef0123", id="one of 36 digits"),
    ],
)
def test_a_client_id_that_is_no_uuid_is_named_and_never_shown(
    fake: Fake, environ: Environ, run: Run, client_id: str
) -> None:
    environ["GLOBUS_CLIENT_ID"] = client_id

    message = "GLOBUS_CLIENT_ID is no UUID; is it the secret, or in quotes?"
    assert run() == (2, "", f"{ERROR}{message}\n")
    assert not fake.requests


@pytest.mark.parametrize("option", ["", "--nope"], ids=["no ID", "unknown option"])
def test_a_closed_stderr_costs_no_status(environ: Environ, option: str) -> None:
    del environ["GLOBUS_CLIENT_ID"]

    assert sh(f"{COMMAND} {option} 2>&-", environ) == (2, "", "")


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GLOBUS_SDK_HTTP_TIMEOUT", "Winter2026"),
        ("GLOBUS_SDK_HTTP_TIMEOUT", "-5"),
        ("GLOBUS_SDK_ENVIRONMENT", "Winter2026"),
        ("GLOBUS_SDK_VERIFY_SSL", "/no/such/Winter2026.pem"),
        ("GLOBUS_SDK_VERIFY_SSL", f"{__file__}Winter2026\r"),
        ("GLOBUS_SDK_SERVICE_URL_AUTH", "Winter2026"),
        ("GLOBUS_CLIENT_SECRET", "Winter2026\udce9"),
    ],
)
def test_a_setting_that_cannot_work_is_not_shown_and_says_what_to_check(
    fake: Fake, environ: Environ, failure: Failure, name: str, value: str
) -> None:
    if name == "GLOBUS_SDK_ENVIRONMENT":
        del environ["GLOBUS_SDK_SERVICE_URL_AUTH"]
    environ[name] = value

    message = failure()

    assert re.search("; check .*GLOBUS_SDK_", message)
    assert "Winter2026" not in message
    assert not fake.requests


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GLOBUS_CLIENT_ID", f"\t{CLIENT_ID} \r"),
        ("GLOBUS_CLIENT_ID", CLIENT_ID.upper()),
        ("GLOBUS_CLIENT_ID", CLIENT_ID.replace("-", "")),
        ("GLOBUS_CLIENT_SECRET", f" {CLIENT_SECRET}\r\n"),
        ("GLOBUS_SDK_HTTP_TIMEOUT", ""),
    ],
)
def test_a_clear_value_works(environ: Environ, run: Run, name: str, value: str) -> None:
    environ[name] = value

    assert run() == (0, text(endpoints(250)), "")


def test_an_option_is_not_guessed_from_its_beginning(fake: Fake, run: Run) -> None:
    assert run("--js")[:2] == (2, "")
    assert not fake.requests


def test_a_globus_sdk_that_is_broken_or_missing_says_so_in_a_line(
    environ: Environ, tmp_path: Path
) -> None:
    broken = "def __getattr__(name): raise ImportError('libffi: not found')"
    (tmp_path / "globus_sdk.py").write_text(broken)
    environ["PYTHONPATH"] = str(tmp_path)

    message = "libffi: not found; set up and run it as README.md says"
    assert sh(COMMAND, environ) == (1, "", f"{ERROR}{message}\n")
