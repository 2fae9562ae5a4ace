"""What the script does with settings that cannot work, and with those that can."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import ERROR, Run
from fake_globus import CLIENT_ID, FakeGlobus
from test_listing import text

needs_utf8 = pytest.mark.skipif(
    sys.getfilesystemencoding() != "utf-8",
    reason="this environment's encoding has no such character",
)


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
    [
        pytest.param("{}\r", id="a carriage return"),
        pytest.param(" {} ", id="spaces"),
        pytest.param("\t{}\n", id="tab and line break"),
        pytest.param("\N{NO-BREAK SPACE}{}", marks=needs_utf8, id="no-break space"),
    ],
)
def test_white_space_around_the_values_does_no_harm(
    environ: dict[str, str], run: Run, around: str
) -> None:
    for name in ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET"):
        environ[name] = around.format(environ[name])

    assert run() == (0, text(250), "")


@pytest.mark.parametrize(
    "client_id",
    [CLIENT_ID.upper(), CLIENT_ID.replace("-", ""), f"{{{CLIENT_ID}}}"],
    ids=["upper case", "no hyphens", "braces"],
)
def test_another_way_to_write_the_client_id_works(
    environ: dict[str, str], run: Run, client_id: str
) -> None:
    environ["GLOBUS_CLIENT_ID"] = client_id

    assert run() == (0, text(250), "")


def test_a_secret_that_is_no_text_is_named_and_never_shown(
    fake: FakeGlobus, environ: dict[str, str], run: Run
) -> None:
    environ["GLOBUS_CLIENT_SECRET"] = "caf\udce9"

    assert run() == (
        2,
        "",
        f"{ERROR}GLOBUS_CLIENT_SECRET is not text; see .env.example\n",
    )
    assert not fake.requests


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GLOBUS_SDK_HTTP_TIMEOUT", "Winter2026"),
        ("GLOBUS_SDK_ENVIRONMENT", "Winter2026"),
        ("GLOBUS_SDK_VERIFY_SSL", "/no/such/Winter2026.pem"),
    ],
)
@pytest.mark.parametrize("service", ["AUTH", "TRANSFER"])
def test_a_setting_that_the_sdk_refuses_is_named_and_not_shown_before_any_request(
    fake: FakeGlobus,
    environ: dict[str, str],
    run: Run,
    name: str,
    value: str,
    service: str,
) -> None:
    environ[name] = value
    # what is left names a service itself, so that its environment does not matter
    del environ[f"GLOBUS_SDK_SERVICE_URL_{service}"]

    status, out, err = run()

    assert (status, out) == (2, "")
    assert err.startswith(f"{ERROR}the SDK cannot use a setting; check GLOBUS_SDK_")
    assert name in err
    assert "Winter2026" not in err
    assert ".env.example" not in err
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


@pytest.mark.parametrize(
    ("globus_sdk", "found"),
    [
        pytest.param(
            "import no_such_package", "No module named 'no_such_package'", id="missing"
        ),
        pytest.param(
            "__version__ = '3.66.0'\nclass BaseClient: pass", "found 3.66.0", id="3.66"
        ),
        pytest.param(
            "__version__ = '4.0.1'\nclass BaseClient: pass", "found 4.0.1", id="4.0"
        ),
        pytest.param(
            "def __getattr__(name): raise ImportError('libffi.so.7: no such file')",
            "libffi.so.7: no such file",
            id="broken when first used",
        ),
        pytest.param(
            "class BaseClient: __enter__ = 1\n"
            "def __getattr__(name): raise AttributeError('no X509')",
            "cannot import name 'ConfidentialAppAuthClient' from 'globus_sdk'",
            id="broken when named",
        ),
    ],
)
def test_a_globus_sdk_that_is_not_as_needed_is_told_from_wrong_settings(
    environ: dict[str, str],
    run_script: Run,
    tmp_path: Path,
    globus_sdk: str,
    found: str,
) -> None:
    (tmp_path / "globus_sdk.py").write_text(globus_sdk)
    environ["PYTHONPATH"] = str(tmp_path)

    status, out, err = run_script()

    assert (status, out) == (2, "")
    assert err.startswith(f"{ERROR}needs globus-sdk 4.2 or newer: {found}")
    assert err.endswith(
        "; run it as it was set up: .venv/bin/python list_endpoints.py "
        "or uv run list_endpoints.py\n"
    )
