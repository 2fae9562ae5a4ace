"""What the script does when something is wrong: settings, faults, hostile answers."""

from __future__ import annotations

import itertools
import json
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from conftest import ERROR, Run
from fake_globus import (
    CLIENT_ID,
    CLIENT_SECRET,
    Document,
    FakeGlobus,
    endpoints,
    refusal,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from test_listing import text
from werkzeug import Request, Response

pytestmark = pytest.mark.usefixtures("pauses")


# Settings that cannot work


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


# Globus says no


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(refusal(401, error="invalid_client"), "invalid_client", id="401"),
        pytest.param(
            refusal(
                401,
                error="invalid_client",
                errors=[
                    {"status": "401", "id": "4f1c", "detail": "Bad client credentials"}
                ],
            ),
            "invalid_client, Bad client credentials, request ID 4f1c",
            id="401 with errors",
        ),
        pytest.param(
            refusal(400, error="unauthorized_client"), "unauthorized_client", id="400"
        ),
    ],
)
def test_a_refusal_of_globus_auth_says_what_to_check(
    fake: FakeGlobus, run: Run, answer: Response, said: str
) -> None:
    fake.faults[0] = lambda request: answer

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err == (
        f"{ERROR}Globus Auth ({fake.url}) refused: {answer.status}, {said}; "
        "check GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET, and that the client is "
        "registered as a service account\n"
    )


def test_a_wrong_secret_is_refused(
    fake: FakeGlobus, environ: dict[str, str], run: Run
) -> None:
    environ["GLOBUS_CLIENT_SECRET"] = "another+secret="

    status, out, err = run()

    assert (status, out) == (1, "")
    assert "refused: 401 UNAUTHORIZED, invalid_client; check " in err
    assert "another+secret=" not in err


def test_a_refusal_of_globus_transfer_says_what_support_asks_for(
    fake: FakeGlobus, run: Run
) -> None:
    fake.faults[2] = lambda request: refusal(
        403,
        code="PermissionDenied",
        message="Not for you",
        request_id="aBcDeFgHi",
        resource="/endpoint_search",
    )

    status, out, err = run()

    assert (status, out) == (1, text(100))
    assert err == (
        f"{ERROR}Globus Transfer ({fake.url}) refused: 403 FORBIDDEN, "
        "PermissionDenied, Not for you, request ID aBcDeFgHi\n"
    )


@pytest.mark.parametrize(
    "message",
    [
        "one\ntwo\r\n\x1b[2J\x1b]0;title\x07",
        "\u202egnorw\u2028\x9b31m\ud800",
        "long" * 999,
    ],
    ids=["line breaks and escape sequences", "bidi, C1 and surrogates", "long"],
)
@pytest.mark.parametrize("number", [0, 1], ids=["Auth", "Transfer"])
def test_what_a_server_says_is_one_short_line_that_drives_no_terminal(
    fake: FakeGlobus, run: Run, number: int, message: str
) -> None:
    fake.faults[number] = lambda request: refusal(
        418, code=message, message=message, error=message, request_id="aBcDeFgHi"
    )

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err[:-1].isprintable()
    assert len(err) < 1000
    assert "request ID aBcDeFgHi" in err


@pytest.mark.parametrize("number", [0, 1], ids=["Auth", "Transfer"])
def test_a_server_that_echoes_the_request_gives_no_secret_away(
    fake: FakeGlobus, run: Run, number: int
) -> None:
    def echo(request: Request) -> Response:
        words = f"got {request.headers['Authorization']}, I know {CLIENT_SECRET}"
        return refusal(400, code="Echo", message=words, error=words)

    fake.faults[number] = echo

    status, _, err = run()

    assert status == 1
    assert "[hidden], I know [hidden]" in err


@pytest.mark.parametrize("number", [0, 1], ids=["Auth", "Transfer"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<html>Room number?</html>", id="a login page"),
        pytest.param("", id="empty"),
        pytest.param("null", id="null"),
        pytest.param("[[]]", id="a list"),
        pytest.param('{"code": 7, "message": [], "error": {}, "errors": 7}', id="odd"),
        pytest.param('{"errors": [{"id": 7, "detail": null}, {}]}', id="odd within"),
        pytest.param('{"code": "No"', id="cut short"),
    ],
)
def test_an_odd_refusal_is_a_refusal_too(
    fake: FakeGlobus, run: Run, number: int, body: str
) -> None:
    fake.faults[number] = lambda request: Response(
        body, 403, content_type="application/json"
    )

    status, out, err = run()

    assert (status, out) == (1, "")
    assert " refused: 403 FORBIDDEN" in err
    assert len(fake.requests) == number + 1


def test_a_token_in_a_refusal_is_not_shown(fake: FakeGlobus, run: Run) -> None:
    fake.token_answer = lambda document: refusal(400, **document)

    status, _, err = run()

    assert status == 1
    assert err.startswith(f"{ERROR}Globus Auth ({fake.url}) refused: 400 BAD REQUEST; ")


# Globus cannot be reached


def close(request: Request) -> Response:
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return Response()


def reset(request: Request) -> Response:
    connection = request.environ["werkzeug.socket"]
    linger_no_time = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_no_time)
    os.close(connection.detach())
    return Response()


def cut_short(request: Request) -> Response:
    answer = Response('{"DATA": [', headers={"Connection": "close"})
    answer.content_length = 1000
    return answer


FAULTS: dict[str, Callable[[Request], Response]] = {
    "429": lambda request: Response(status=429),
    "429 with Retry-After": lambda request: Response(
        status=429, headers={"Retry-After": "7"}
    ),
    "500": lambda request: Response(status=500),
    "502": lambda request: Response("<h1>Bad Gateway</h1>", 502),
    "503": lambda request: refusal(503, code="Busy", message="later", request_id="aBc"),
    "504": lambda request: Response(status=504),
    "connection reset": reset,
    "connection closed": close,
    "body cut short": cut_short,
}


@pytest.mark.parametrize(
    "number", range(4), ids=["token", "page 1", "page 2", "page 3"]
)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_costs_a_pause_and_no_endpoint(
    fake: FakeGlobus, run: Run, pauses: list[float], fault: str, number: int
) -> None:
    fake.faults[number] = FAULTS[fault]

    assert run() == (0, text(250), "")
    assert len(fake.requests) == 5
    assert len(pauses) == 1
    assert (pauses == [7]) == (fault == "429 with Retry-After")


@pytest.mark.parametrize("number", [0, 2], ids=["Auth", "Transfer"])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_outage_that_lasts_ends_in_a_message(
    fake: FakeGlobus, run: Run, fault: str, number: int
) -> None:
    fake.faults = dict.fromkeys(range(number, 99), FAULTS[fault])

    status, out, err = run()

    assert (status, out) == (1, text(100) if number else "")
    service = "Globus Transfer" if number else "Globus Auth"
    where = f"{service} ({fake.url})"
    if fault[:3].isdigit():
        assert err.startswith(f"{ERROR}{where} refused: {fault[:3]} ")
    else:
        assert err.startswith(f"{ERROR}no usable answer from {where}: ")
    assert "GLOBUS_CLIENT" not in err
    assert len(fake.requests) == number + 6


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def test_a_host_with_no_such_name_is_named(environ: dict[str, str], run: Run) -> None:
    environ["GLOBUS_SDK_SERVICE_URL_AUTH"] = "https://auth.globus.invalid/"

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err.startswith(
        f"{ERROR}no usable answer from Globus Auth (https://auth.globus.invalid/): "
        "NameResolutionError: "
    )
    assert "Failed to resolve 'auth.globus.invalid'" in err


def test_a_refused_connection_is_named(environ: dict[str, str], run: Run) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    environ["GLOBUS_SDK_SERVICE_URL_TRANSFER"] = url

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err.startswith(f"{ERROR}no usable answer from Globus Transfer ({url}): ")
    assert err.endswith("Connection refused\n")


def test_a_server_that_does_not_answer_is_a_timeout(
    fake: FakeGlobus, environ: dict[str, str], run: Run
) -> None:
    the_end = threading.Event()

    def hang(request: Request) -> Response:
        the_end.wait(30)
        return Response()

    fake.faults = dict.fromkeys(range(99), hang)
    environ["GLOBUS_SDK_HTTP_TIMEOUT"] = "0.05"

    status, out, err = run()
    the_end.set()

    assert (status, out) == (1, "")
    assert "Globus Auth (" in err
    assert err.endswith("Read timed out. (read timeout=0.05)\n")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def https_server(authority: trustme.CA) -> Iterator[HTTPServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with HTTPServer(ssl_context=context, threaded=True) as server:
        yield server


@pytest.fixture
def fake_with_tls(https_server: HTTPServer, environ: dict[str, str]) -> FakeGlobus:
    https_server.clear()
    fake = FakeGlobus(https_server, endpoints(250))
    environ.update(fake.environ)
    return fake


def test_a_certificate_of_an_unknown_authority_is_refused_before_any_request(
    fake_with_tls: FakeGlobus, run: Run
) -> None:
    status, out, err = run()

    assert (status, out) == (1, "")
    assert fake_with_tls.url in err
    assert "certificate verify failed" in err
    assert not fake_with_tls.requests


@pytest.mark.usefixtures("fake_with_tls")
def test_a_private_authority_named_in_the_environment_is_trusted(
    environ: dict[str, str], run: Run, authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    environ["GLOBUS_SDK_VERIFY_SSL"] = str(bundle)

    assert run() == (0, text(250), "")


# Answers that are not Globus's

LOGIN_PAGE = Response("<html>Room number?</html>", content_type="text/html")
NESTED = Response('{"DATA": ' + "[" * 100_000, content_type="application/json")
CUT = Response('{"DATA": [{"id"', content_type="application/json")
NO_JSON: dict[str, Any] = {
    "a login page": LOGIN_PAGE,
    "an empty body": Response(""),
    "no content": Response(status=204),
    "cut short": CUT,
    "deeply nested": NESTED,
    "null": None,
    "a number": 7,
    "text": "DATA",
    "a list": [],
    "an empty object": {},
    "an object in a list": [{"DATA": []}],
}


def altered(document: Document, key: str, value: Any) -> Document:
    """Return the document with that value, or without the key if the value is ...."""
    rest = {name: each for name, each in document.items() if name != key}
    return rest if value is ... else {**rest, key: value}


def assert_no_usable_answer(fake: FakeGlobus, run: Run, service: str) -> None:
    """Whatever the answer was: a message of its sender, and no request after it."""
    status, out, err = run()

    assert (status, out) == (1, "")
    where = f"{service} ({fake.url})"
    assert err.startswith(f"{ERROR}no usable answer from {where}: ")
    assert err[:-1].isprintable()
    assert len(fake.requests) == (1 if service == "Globus Auth" else 2)


@pytest.mark.parametrize("answer", NO_JSON)
@pytest.mark.parametrize("args", [[], ["--json"]], ids=["text", "JSON"])
def test_what_is_not_a_page_is_said(
    fake: FakeGlobus, run: Run, answer: str, args: list[str]
) -> None:
    fake.page_answer = lambda document: NO_JSON[answer]

    assert_no_usable_answer(fake, lambda: run(*args), "Globus Transfer")


@pytest.mark.parametrize("answer", NO_JSON)
def test_what_is_not_a_token_answer_is_said(
    fake: FakeGlobus, run: Run, answer: str
) -> None:
    fake.token_answer = lambda document: NO_JSON[answer]

    assert_no_usable_answer(fake, run, "Globus Auth")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(
            (
                "access_token",
                "expires_in",
                "other_tokens",
                "resource_server",
                "scope",
                "token_type",
            ),
            (..., None, 7.5j, [None], {"a": 1}),
        ),
        ("access_token", ""),
        ("access_token", "to\nken"),
        ("access_token", "to\rken"),
        ("access_token", "to ken"),
        ("access_token", "tøken"),
        ("access_token", "to\ud800ken"),
        ("expires_in", "172800"),
        ("expires_in", 10**12),
        ("expires_in", 10**18),
        ("expires_in", 10**400),
        ("expires_in", float("inf")),
        ("expires_in", float("nan")),
        ("resource_server", "groups.api.globus.org"),
        ("token_type", "mac"),
    ],
    ids=repr,
)
def test_an_odd_token_answer_is_said(
    fake: FakeGlobus, run: Run, key: str, value: Any
) -> None:
    if isinstance(value, complex):  # stands for a value of another type
        value = "7" if key in ("expires_in", "other_tokens") else 7
    fake.token_answer = lambda document: altered(document, key, value)

    assert_no_usable_answer(fake, run, "Globus Auth")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(("DATA", "has_next_page"), (..., None, 7, "text", [None])),
        ("DATA", {}),
        ("DATA", ""),
        ("DATA", [[]]),
        ("DATA", ["id"]),
        ("DATA", []),  # although the first page is to be followed by more
        ("has_next_page", 0),
        ("has_next_page", "false"),
    ],
    ids=repr,
)
def test_an_odd_page_is_said(fake: FakeGlobus, run: Run, key: str, value: Any) -> None:
    fake.page_answer = lambda document: altered(document, key, value)

    assert_no_usable_answer(fake, run, "Globus Transfer")


ODD_VALUES: tuple[Any, ...] = (..., None, 7, 0, False, [], {}, ["text"])


@pytest.mark.parametrize(
    ("args", "key", "value"),
    [
        ([*args], key, value)
        for args, key, value in [
            *itertools.product(
                [[]], ["id", "display_name", "canonical_name"], ODD_VALUES
            ),
            *itertools.product(
                [["--json"]], ["id", "display_name", "entity_type"], ODD_VALUES
            ),
        ]
        if (key, value) != ("display_name", None)
    ],
    ids=repr,
)
def test_an_odd_endpoint_is_said(
    fake: FakeGlobus, run: Run, args: list[str], key: str, value: Any
) -> None:
    def answer(document: Document) -> Document:
        *others, last = document["DATA"]
        return altered(document, "DATA", [*others, altered(last, key, value)])

    fake.page_answer = answer

    assert_no_usable_answer(fake, lambda: run(*args), "Globus Transfer")


def test_an_endpoint_with_no_name_at_all_is_said(fake: FakeGlobus, run: Run) -> None:
    fake.endpoints = [{**endpoints(1)[0], "display_name": None, "canonical_name": None}]

    assert_no_usable_answer(fake, run, "Globus Transfer")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
MARK = "a-token-that-nobody-may-see"


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[Any], Any]:
    """Draw a change to some value, near the top of a document or deep within."""
    choice = draw(st.integers(0, 99))
    value = draw(JSON)
    remove = draw(st.booleans())
    above = draw(st.booleans())

    def mutate(document: Any) -> Any:
        places: list[tuple[Any, Any]] = []

        def walk(node: Any) -> None:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            for key in keys:
                places.append((node, key))
                if isinstance(node[key], (dict, list)):
                    walk(node[key])

        document = json.loads(json.dumps(document))
        walk(document)
        node, key = places[choice % len(places)]
        if remove:
            del node[key]
        elif key == "access_token" and isinstance(value, str):
            node[key] = f"{MARK}{value}"
        else:
            node[key] = value
        return [document] if above and choice == 0 else document

    return mutate


@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    mutate_token=st.just(None) | mutations(),
    mutate_page=mutations(),
    status=st.sampled_from([200, 200, 200, 201, 304, 400, 401, 403, 404, 500]),
    args=st.sampled_from([[], ["--json"]]),
)
def test_no_mutation_of_the_documented_answers_breaks_the_rule(
    http_server: HTTPServer,
    environ: dict[str, str],
    run: Run,
    mutate_token: Callable[[Any], Any] | None,
    mutate_page: Callable[[Any], Any],
    status: int,
    args: list[str],
) -> None:
    http_server.clear()
    fake = FakeGlobus(http_server, endpoints(150))
    environ.update(fake.environ)
    if mutate_token:
        fake.token_answer = mutate_token

    def send(document: Document) -> Response:
        body = json.dumps(mutate_page(document))
        return Response(body, status, content_type="application/json")

    fake.page_answer = send

    result = run(*args)

    assert result.status in (0, 1)
    assert (result.status == 1) == result.err.startswith(ERROR)
    assert result.err == "" or result.err[:-1].isprintable()
    assert MARK not in result.out + result.err
    assert len(fake.requests) <= 1 + 10 * 6
