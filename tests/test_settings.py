"""What the script does with settings that cannot work, and with those that can."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import COMMAND, ERROR, PASSWORD, Environ, Run, sh, text
from fake_globus import CLIENT_ID, CLIENT_SECRET, Fake, endpoints

CREDENTIALS = ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET")
PATH = "/no/such/folder/of/certificate/authorities/of/the/example/company.pem"


@pytest.mark.parametrize(
    ("names", "value"),
    [
        (CREDENTIALS[:1], None),
        (CREDENTIALS[1:], None),
        (CREDENTIALS, None),
        (CREDENTIALS, ""),
        (CREDENTIALS, " \t\r"),
    ],
)
def test_one_message_names_readme_and_every_variable_that_is_not_set(
    fake: Fake, environ: Environ, run: Run, names: tuple[str, ...], value: str | None
) -> None:
    for name in names:
        del environ[name]
        if value is not None:
            environ[name] = value

    status, out, err = run()

    assert (status, out) == (2, "")
    assert re.findall(r"(\w+) is not set", err) == list(names)
    assert re.fullmatch(rf"{ERROR}.* \.env .*\? .* README.md\n", err)
    assert not fake.requests


@pytest.mark.parametrize(
    "client_id",
    [
        pytest.param("your-client-id-here", id="a template's text"),
        pytest.param(CLIENT_SECRET, id="the secret"),
        pytest.param(f"'{CLIENT_ID}'", id="in quotes"),
        pytest.param(
            "0123456789abcdef0123456789abcdef0123", id="36 hexadecimal digits"
        ),
    ],
)
def test_a_client_id_that_is_not_a_uuid_is_named_and_never_shown(
    fake: Fake, environ: Environ, run: Run, client_id: str
) -> None:
    environ["GLOBUS_CLIENT_ID"] = client_id
    message = "GLOBUS_CLIENT_ID is not a UUID; is it the secret, or does it include "
    message += "the quotes?"
    assert run() == (2, "", f"{ERROR}{message}\n")
    assert not fake.requests


@pytest.mark.parametrize("option", ["", "--nope"], ids=["no ID", "unknown option"])
def test_a_closed_stderr_keeps_the_status(environ: Environ, option: str) -> None:
    del environ["GLOBUS_CLIENT_ID"]
    assert sh(f"{COMMAND} {option} 2>&-", environ) == (2, "", "")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SDK_HTTP_TIMEOUT", "abc", "GLOBUS_SDK_ variable: .*float: abc"),
        ("SDK_ENVIRONMENT", "abc", 'GLOBUS_SDK_ variable: .*environment "abc"'),
        ("SDK_VERIFY_SSL", PATH, f"GLOBUS_SDK_ variable: .* exists .*{PATH}.*"),
        # The SDK's message would show a character of the secret.
        ("CLIENT_SECRET", f"{PASSWORD}\udce9", r"GLOBUS_CLIENT_SECRET is [\w\- ]*"),
    ],
)
def test_a_setting_that_the_sdk_refuses_is_reported(
    fake: Fake, environ: Environ, run: Run, name: str, value: str, message: str
) -> None:
    if name == "SDK_ENVIRONMENT":
        del environ["GLOBUS_SDK_SERVICE_URL_AUTH"]
    environ[f"GLOBUS_{name}"] = value

    status, out, err = run()

    assert (status, out) == (2, "")
    assert re.fullmatch(f"{ERROR}.*{message}\n", err)
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
def test_an_odd_value_works(environ: Environ, run: Run, name: str, value: str) -> None:
    environ[name] = value
    assert run() == (0, text(endpoints(250)), "")


@pytest.mark.parametrize("args", [["--js"], ["--filter-scope", "owned"]], ids=repr)
def test_an_unknown_option_or_list(fake: Fake, run: Run, args: list[str]) -> None:
    assert run(*args)[:2] == (2, "")
    assert not fake.requests


@pytest.mark.parametrize(
    ("module", "code", "words"),
    [
        ("globus_sdk", "def __getattr__(name): raise ImportError('no ffi')", "no ffi"),
        ("requests", "raise ImportError('no requests')", "no requests"),
        ("idna", "(", "idna.py, line 1"),
    ],
)
def test_a_library_that_is_broken_or_missing_is_reported_in_one_line(
    environ: Environ, tmp_path: Path, module: str, code: str, words: str
) -> None:
    (tmp_path / f"{module}.py").write_text(code)
    environ["PYTHONPATH"] = str(tmp_path)
    status, out, err = sh(COMMAND, environ)
    assert (status, out) == (1, "")
    assert re.fullmatch(f"{ERROR}.*{words}.* README.md\n", err)
