"""What the script does with settings that cannot work, and with those that can."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conftest import COMMAND, ERROR, SCRIPT, Environ, Failure, Run, sh, text
from fake_globus import CLIENT_ID, CLIENT_SECRET, Fake, endpoints


@pytest.mark.parametrize("value", [None, "", " \t\r"], ids=["unset", "empty", "blank"])
@pytest.mark.parametrize("names", ["ID", "SECRET", "ID SECRET"])
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
    assert err.startswith(f"{ERROR}{' and '.join(variables)} not set; ")
    assert "set -a; . ./.env" in err
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
    fake: Fake, environ: Environ, client_id: str
) -> None:
    environ["GLOBUS_CLIENT_ID"] = client_id

    status, out, err = sh(f"{COMMAND} -v", environ)

    assert (status, out) == (2, "")
    assert err == (
        f"{ERROR}GLOBUS_CLIENT_ID is no UUID; is it the secret, or in quotes?\n"
    )
    assert not fake.requests


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GLOBUS_SDK_HTTP_TIMEOUT", "Winter2026"),
        ("GLOBUS_SDK_HTTP_TIMEOUT", "-5"),
        ("GLOBUS_SDK_HTTP_TIMEOUT", "nan"),
        ("GLOBUS_SDK_ENVIRONMENT", "Winter2026"),
        ("GLOBUS_SDK_VERIFY_SSL", "/no/such/Winter2026.pem"),
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
        ("GLOBUS_SDK_HTTP_TIMEOUT", "-1"),
    ],
)
def test_a_clear_value_works(environ: Environ, run: Run, name: str, value: str) -> None:
    environ[name] = value

    assert run() == (0, text(endpoints(250)), "")


@pytest.mark.parametrize("arg", ["--all", "--js", "--client-id=x", "stray"])
def test_an_unknown_argument_is_refused(fake: Fake, environ: Environ, arg: str) -> None:
    status, out, err = sh(f"{COMMAND} {arg}", environ)

    assert (status, out) == (2, "")
    assert err.startswith("usage: list_endpoints.py [-h] [--administered] [--json]")
    assert not fake.requests


@pytest.mark.parametrize(
    ("globus_sdk", "found"),
    [
        pytest.param("raise ImportError('libffi: not found')", "libffi: ", id="broken"),
        pytest.param(
            "def __getattr__(name): raise ImportError('libffi: not found')",
            "libffi: not found",
            id="broken when named",
        ),
    ],
)
def test_a_globus_sdk_that_is_broken_says_so_in_a_line(
    environ: Environ, tmp_path: Path, globus_sdk: str, found: str
) -> None:
    (tmp_path / "globus_sdk.py").write_text(globus_sdk)
    environ["PYTHONPATH"] = str(tmp_path)

    status, out, err = sh(COMMAND, environ)

    assert (status, out) == (1, "")
    assert re.fullmatch(f"{ERROR}{found}.*; set up and run it as README.md says\n", err)


def test_a_python_without_the_set_up_says_what_is_missing(environ: Environ) -> None:
    status, out, err = sh(
        f"'{sys.base_exec_prefix}/bin/python3' -S '{SCRIPT}'", environ
    )

    assert (status, out) == (1, "")
    assert err == (
        f"{ERROR}No module named 'globus_sdk'; set up and run it as README.md says\n"
    )
