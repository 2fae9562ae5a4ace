"""What the script does with settings that cannot work, and with those that can."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ERROR, Run
from fake_globus import CLIENT_ID, FakeGlobus
from test_listing import text


@pytest.mark.parametrize("value", [None, "", " \t\r"], ids=["unset", "empty", "blank"])
@pytest.mark.parametrize(
    "names",
    [
        ("GLOBUS_CLIENT_ID",),
        ("GLOBUS_CLIENT_SECRET",),
        ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET"),
    ],
    ids=" and ".join,
)
def test_one_message_names_every_variable_that_is_missing(
    fake: FakeGlobus,
    environ: dict[str, str],
    run: Run,
    names: tuple[str, ...],
    value: str | None,
) -> None:
    for name in names:
        del environ[name]
        if value is not None:
            environ[name] = value

    assert run() == (
        2,
        "",
        f"{ERROR}{' and '.join(names)} missing; see .env.example\n",
    )
    assert not fake.requests


@pytest.mark.parametrize(
    "client_id",
    [
        pytest.param("your-client-id-here", id="a template's text"),
        pytest.param("A1b2C3d4/E5f6+G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U=", id="the secret"),
        pytest.param("0123456789abcdef0123456789abcdef", id="a secret of 32 digits"),
        pytest.param("0123456789abcdef0123456789abcdef0123", id="one of 36 digits"),
        pytest.param(f"{CLIENT_ID}\n{CLIENT_ID}", id="two of them"),
    ],
)
def test_a_client_id_that_is_no_uuid_is_named_and_never_shown(
    fake: FakeGlobus, environ: dict[str, str], run_script: Run, client_id: str
) -> None:
    environ["GLOBUS_CLIENT_ID"] = client_id

    status, out, err = run_script("-v")

    assert (status, out) == (2, "")
    assert err == f"{ERROR}GLOBUS_CLIENT_ID is not a UUID; see .env.example\n"
    assert not fake.requests


@pytest.mark.parametrize(
    "around",
    ["{}\r", " {} ", "\t{}\n", "\N{NO-BREAK SPACE}{}"],
    ids=["a carriage return", "spaces", "tab and line break", "no-break space"],
)
def test_white_space_around_the_values_does_no_harm(
    environ: dict[str, str], run: Run, around: str
) -> None:
    for name in ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET"):
        environ[name] = around.format(environ[name])

    assert run() == (0, text(250), "")


def test_a_client_id_in_upper_case_works(environ: dict[str, str], run: Run) -> None:
    environ["GLOBUS_CLIENT_ID"] = CLIENT_ID.upper()

    assert run() == (0, text(250), "")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("GLOBUS_SDK_HTTP_TIMEOUT", "abc", "abc"),
        ("GLOBUS_SDK_HTTP_TIMEOUT", "0", "GLOBUS_SDK_HTTP_TIMEOUT"),
        ("GLOBUS_SDK_HTTP_TIMEOUT", "-5", "GLOBUS_SDK_HTTP_TIMEOUT"),
        ("GLOBUS_SDK_HTTP_TIMEOUT", "nan", "GLOBUS_SDK_HTTP_TIMEOUT"),
        ("GLOBUS_SDK_HTTP_TIMEOUT", "inf", "GLOBUS_SDK_HTTP_TIMEOUT"),
        ("GLOBUS_SDK_ENVIRONMENT", "nowhere", "nowhere"),
        ("GLOBUS_SDK_VERIFY_SSL", "/no/such/bundle.pem", "/no/such/bundle.pem"),
        ("GLOBUS_CLIENT_SECRET", "caf\udce9", "utf-8"),
    ],
)
def test_a_setting_that_cannot_work_is_said_before_any_request(
    fake: FakeGlobus,
    environ: dict[str, str],
    run: Run,
    name: str,
    value: str,
    complaint: str,
) -> None:
    environ[name] = value
    if name == "GLOBUS_SDK_ENVIRONMENT":
        del environ["GLOBUS_SDK_SERVICE_URL_AUTH"]

    status, out, err = run()

    assert (status, out) == (2, "")
    assert err.startswith(ERROR)
    assert complaint in err
    assert err.endswith("; see .env.example\n")
    assert not fake.requests


@pytest.mark.parametrize("timeout", ["", "-1", "0.5"], ids=["empty", "none", "short"])
def test_a_timeout_that_the_sdk_understands_works(
    environ: dict[str, str], run: Run, timeout: str
) -> None:
    environ["GLOBUS_SDK_HTTP_TIMEOUT"] = timeout

    assert run() == (0, text(250), "")


@pytest.mark.parametrize("arg", ["--all", "--js", "--client-id=x", "stray"])
def test_an_argument_that_it_does_not_know_is_a_usage_error(
    fake: FakeGlobus, run_script: Run, arg: str
) -> None:
    status, out, err = run_script(arg)

    assert (status, out) == (2, "")
    assert err.startswith("usage: list_endpoints.py [-h] [--json] [-v]\n")
    assert not fake.requests


def test_without_globus_sdk_it_says_what_to_install(
    environ: dict[str, str], run_script: Run, tmp_path: Path
) -> None:
    (tmp_path / "globus_sdk.py").write_text("import no_such_package")
    environ["PYTHONPATH"] = str(tmp_path)

    assert run_script() == (
        2,
        "",
        f"{ERROR}No module named 'no_such_package'; install requirements.txt\n",
    )
