"""What the script does if Globus refuses a request, or something goes wrong."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from conftest import (
    COMMAND,
    ERROR,
    FIELDS,
    MODES,
    PASSWORD,
    PYTHON,
    ROOT,
    SCRIPT,
    Environ,
    Failure,
    Hold,
    Run,
    altered,
    sh,
    text,
    unsafe,
)
from fake_globus import CLIENT_ID, CLIENT_SECRET, TOKEN_MARK, Fake, answer, endpoints
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

pytestmark = pytest.mark.usefixtures("pauses")

PROXY = "HTTPS_PROXY, https_proxy, ALL_PROXY"
NETWORK = f"failed; check the network, {PROXY} and GLOBUS_SDK_VERIFY_SSL; "
NETWORK += "the error was: "
ADVICE = "; perhaps GLOBUS_CLIENT_ID or GLOBUS_CLIENT_SECRET is wrong or in quotes, "
ADVICE += "or the client is not a service account; the answer was"
UNEXPECTED = r"unexpected \w+ at \w+\.py:\d+; .* login page or proxy .* malformed "
UNEXPECTED += rf"\({PROXY}, GLOBUS_SDK_\*\), .* older than 4, .* bug; -v .*"


@pytest.mark.parametrize(
    ("number", "status", "body"),
    [
        (0, 401, '{"errors": [{"code": "UNAUTHORIZED", "id": "4f1c"}]}'),
        (0, 400, '{"error": "unauthorized_client"}'),
        (0, 403, f"client_id='{CLIENT_ID}'"),
        (0, 404, f'["urn:transfer.api:all","{CLIENT_ID}","{CLIENT_ID}@globus.org"]'),
        (0, 403, " \r\n\t"),
        (2, 403, ""),
        (2, 401, '{"code": "AuthenticationFailed"}'),
        (1, 400, '{\n  "code": "NotActive",\n  "message": "it\'s \\"off\\""\n}\n'),
        # Newer SDKs do not retry after this error.
        (1, 502, '{"code": "ExternalError.X"}'),
    ],
)
def test_a_refusal_is_quoted_and_only_wrong_credentials_get_advice(
    fake: Fake, failure: Failure, number: int, status: int, body: str
) -> None:
    refusal = Response(body, status, mimetype="text/json")
    fake.faults = dict.fromkeys(range(number, 99), lambda request: refusal)
    service = "Transfer" if number else "Auth"
    advice = ADVICE if (number, status) in [(0, 400), (0, 401)] else ""
    quote = f"{status} {' '.join(body.split()) or 'FORBIDDEN'}"
    assert failure() == f"request to Globus {service} failed{advice}: {quote}"


@pytest.mark.parametrize(
    ("body", "quote"),
    [
        ("one\ntwo\r\n\x1b[2J\x07", r"one two \x1b[2J\x07"),
        ("\u202egnp\u2028\x9b1m\xa0東京\u200d", "\\u202egnp \\x9b1m 東京\u200d"),
        # If escaping came before hiding, this word would be long enough to be hidden.
        ("\x1b" * 39, r"\x1b" * 39),
        ("\x1b " * 9999, r"\x1b \x1b \x1b "),
        ("n" * 39 + " " + "y" * 40, "n" * 39 + " [hidden]"),
        ("no. " * 9999, "no. no. no. "),
    ],
)
def test_an_answer_is_quoted_as_one_short_line_that_is_safe_for_a_terminal(
    fake: Fake, failure: Failure, body: str, quote: str
) -> None:
    fake.faults[0] = lambda request: Response(f"so: {body}", 418)
    assert f": 418 so: {quote}" in failure()


@pytest.mark.parametrize("name", ["idna", "undefined", "punycode", "utf-16", "utf-7"])
def test_a_refusal_in_any_charset(fake: Fake, failure: Failure, name: str) -> None:
    body = f"so: {CLIENT_SECRET} é".encode() + b" is not \xe9"
    refusal = Response(body, 403, content_type=f"text/plain; charset={name}")
    fake.faults[0] = lambda request: refusal
    told = r"request .* failed: 403 so: \[hidden\] é is not \ufffd"
    # From Python 3.11 on, the SDK itself fails with some charsets.
    newer = f"|{UNEXPECTED}" if sys.version_info >= (3, 11) else ""
    assert re.fullmatch(told + newer, failure())


@pytest.mark.parametrize("offset", range(0, 45, 15))
def test_no_part_of_a_secret_is_left(fake: Fake, failure: Failure, offset: int) -> None:
    body = "n" * offset + f" {CLIENT_SECRET}" * 99
    fake.faults[0] = lambda request: Response(body, 418)
    assert re.fullmatch(r".*: 418 n* ?(\[hidden\] )+[\[hiden\]]*", failure())


@pytest.mark.parametrize(
    ("number", "mark", "escape"),
    [(0, "", ""), (1, "", ""), (0, "/", r"\/"), (0, "+", "%2B"), (0, "+", "&#43;")],
)
def test_a_server_that_quotes_the_request_reveals_no_part_of_a_credential(
    fake: Fake, failure: Failure, number: int, mark: str, escape: str
) -> None:
    def echo(request: Request) -> Response:
        header = request.headers["Authorization"].replace(mark, escape)
        secret = CLIENT_SECRET.replace(mark, escape)
        body = f"{CLIENT_ID} {header}, '{header}': <b>{header}</b>; {header * 9}"
        return Response(body + f' :{secret} "{secret}"' * 99, 400)

    fake.faults[number] = echo

    message = failure()

    assert f"{CLIENT_ID} " in message
    assert "<b>Basic [hidden]</b>" in message.replace("Bearer", "Basic")
    basic = "NWUwZmEyZDEtOGE3"  # How the client ID begins in base64.
    for piece in ("example", "of+the", "fake", TOKEN_MARK[:8], basic):
        assert piece not in message


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
    response = Response('{"DATA": [', headers={"Connection": "close"})
    response.content_length = 1000
    return response


SOON = {"Retry-After": "7"}
FAULTS: dict[str, tuple[Callable[[Request], Response], str]] = {
    "429": (lambda _: Response("later", 429, SOON), "failed: 429 later"),
    "503": (lambda _: Response("later", 503), "failed: 503 later"),
    "reset": (reset, f"{NETWORK}ConnectionError: [Errno {errno.ECONNRESET}]"),
    "closed": (close, f"localhost {NETWORK}ConnectionError: Remote end closed"),
    "cut short": (cut_short, f"Globus {NETWORK}ChunkedEncodingError"),
}
PLACES = [("reset", 0), ("503", 1), ("429", 2), ("closed", 3), ("cut short", 2)]


@pytest.mark.parametrize(("fault", "number"), PLACES)
def test_a_passing_fault_costs_one_pause_and_a_lasting_one_is_reported(
    fake: Fake, run: Run, failure: Failure, pauses: list[float], fault: str, number: int
) -> None:
    fake.faults[number] = FAULTS[fault][0]

    assert run() == (0, text(endpoints(250)), "")
    assert len(fake.requests) == 5
    assert len(pauses) == 1
    assert (pauses == [7]) == (fault == "429")

    fake.requests.clear()
    fake.faults = dict.fromkeys(range(number, 99), FAULTS[fault][0])
    message = failure()

    assert FAULTS[fault][1] in message
    assert "GLOBUS_CLIENT" not in message
    assert len(fake.requests) == number + 6


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address that is bound, so nobody else has it, but where nothing listens."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{deaf.getsockname()[1]}"


def test_no_connection(environ: Environ, failure: Failure, deaf: str) -> None:
    environ["GLOBUS_SDK_SERVICE_URL_TRANSFER"] = f"http://{deaf}/"
    refused = f"ConnectionError: [Errno {errno.ECONNREFUSED}] Connection refused"
    assert failure() == f"connection to 127.0.0.1 {NETWORK}{refused}"
    environ["GLOBUS_SDK_SERVICE_URL_AUTH"] = "https://auth.globus.invalid/"
    begin = f"connection to auth.globus.invalid {NETWORK}ConnectionError: "
    # The wording differs between glibc, macOS and musl.
    assert re.match(f"{begin}.*( [Nn]ame |nodename|hostname|Try again)", failure())


def test_a_timeout(fake: Fake, environ: Environ, failure: Failure, hold: Hold) -> None:
    fake.faults = dict.fromkeys(range(99), hold)
    environ["GLOBUS_SDK_HTTP_TIMEOUT"] = "0.05"
    assert failure() == f"connection to localhost {NETWORK}ReadTimeout: timed out"


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
def fake_with_tls(
    https_server: HTTPServer, authority: trustme.CA, environ: Environ, tmp_path: Path
) -> Fake:
    https_server.clear()
    fake = Fake(https_server, endpoints(250))
    bundle = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(bundle)
    environ.update(fake.environ, GLOBUS_SDK_VERIFY_SSL=bundle)
    return fake


@pytest.mark.parametrize("plain", ["AUTH", "TRANSFER"])
def test_an_untrusted_server_gets_no_request_even_if_other_variables_trust_it(
    fake: Fake, fake_with_tls: Fake, environ: Environ, failure: Failure, plain: str
) -> None:
    environ[f"GLOBUS_SDK_SERVICE_URL_{plain}"] = fake.url
    bundle = environ.pop("GLOBUS_SDK_VERIFY_SSL")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        environ[name] = bundle

    message = failure()

    assert message.startswith(f"connection to localhost {NETWORK}SSLError: ")
    assert "certificate verify failed" in message
    assert not fake_with_tls.requests


@pytest.mark.usefixtures("fake_with_tls")
def test_a_private_authority_named_in_the_environment_is_trusted(run: Run) -> None:
    assert run() == (0, text(endpoints(250)), "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", f"http://svc:{PASSWORD}@{{deaf}}"),
        ("HTTPS_PROXY", f"http://svc:{PASSWORD}#@proxy.invalid:3128"),
        ("HTTPS_PROXY", f"http://svc:[{PASSWORD}@proxy.invalid:3128"),
        ("HTTPS_PROXY", f"svc:{PASSWORD}@proxy.invalid:3128"),
        ("GLOBUS_SDK_SERVICE_URL_AUTH", PASSWORD),
        ("GLOBUS_SDK_HTTP_TIMEOUT", "-5"),
    ],
)
def test_the_value_of_a_setting_that_fails_during_a_request_is_not_shown(
    environ: Environ, failure: Failure, deaf: str, name: str, value: str
) -> None:
    environ["GLOBUS_SDK_SERVICE_URL_AUTH"] = "https://auth.globus.invalid/"
    environ[name] = value.format(deaf=deaf)
    assert re.search(f"{PROXY} and GLOBUS_SDK_|{UNEXPECTED}", failure())


@pytest.mark.parametrize(
    ("service", "host"),
    [("AUTH", "auth.globus.org"), ("TRANSFER", "transfer.api.globus.org")],
)
def test_the_real_hosts_are_asked_for_and_a_proxy_that_refuses_is_quoted(
    http_server: HTTPServer, environ: Environ, failure: Failure, service: str, host: str
) -> None:
    connect = http_server.expect_request(re.compile(""), method="CONNECT")
    connect.respond_with_response(Response(status=f"407 Not {CLIENT_SECRET}"))
    environ["HTTPS_PROXY"] = http_server.url_for("/")
    del environ[f"GLOBUS_SDK_SERVICE_URL_{service}"]

    message = failure()

    assert message.startswith(f"connection to {host} {NETWORK}ProxyError: ")
    assert ": Tunnel connection failed: 407 Not [hidden]" in message
    asked = [request for request, _ in http_server.log if request.method == "CONNECT"]
    assert {request.environ["RAW_URI"] for request in asked} == {f"{host}:443"}
    assert f"`{host}`" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("number", "body"),
    [
        (0, f"<html>{PASSWORD}</html>"),
        (1, f'{{"message": "{PASSWORD}"}}'),
        (2, '{"DATA": [{"id"'),
        pytest.param(2, "[" * 100_000, id="deeply nested"),
        (1, '{"DATA": [null], "has_next_page": false}'),
        (1, '{"DATA": []}'),
    ],
)
def test_an_answer_that_is_not_from_globus_is_reported_but_not_shown(
    fake: Fake, failure: Failure, number: int, body: str
) -> None:
    fake.faults[number] = lambda request: Response(body, mimetype="application/json")
    assert re.fullmatch(UNEXPECTED, failure())
    assert len(fake.requests) == number + 1


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("access_token", ..., UNEXPECTED),
        ("access_token", f"{TOKEN_MARK}東京", UNEXPECTED),
        # requests reports a token that no header can carry as a network error.
        ("access_token", f"{TOKEN_MARK}\nken", f".* {NETWORK}InvalidHeader"),
        ("resource_server", "groups.api.globus.org", UNEXPECTED),
    ],
)
def test_a_token_that_cannot_be_used_is_not_shown(
    fake: Fake, failure: Failure, key: str, value: Any, told: str
) -> None:
    fake.token_answer = lambda document: altered(document, key, value)
    assert re.fullmatch(told, failure())
    assert len(fake.requests) == 1


def test_an_empty_page_that_is_not_the_last_fails(fake: Fake, failure: Failure) -> None:
    fake.page_answer = lambda document: altered(
        document, "DATA", document["DATA"] if len(fake.requests) == 2 else []
    )
    assert failure() == "Globus Transfer sent an empty page but promised another"
    assert len(fake.requests) == 3


@pytest.mark.parametrize("value", [..., None, 7], ids=repr)
def test_every_endpoint_needs_an_id(fake: Fake, failure: Failure, value: Any) -> None:
    fake.endpoints[99] = altered(fake.endpoints[99], "id", value)
    assert failure() == "Globus Transfer sent an endpoint without an ID"


def test_a_bug_is_reported_by_its_place(environ: Environ, tmp_path: Path) -> None:
    script = SCRIPT.read_text(encoding="utf-8").replace(" zip(", " zap(")
    (tmp_path / "edited.py").write_text(script, encoding="utf-8")
    line = script[: script.index("zap(")].count("\n") + 1
    status, out, err = sh(f"{PYTHON} edited.py", environ, tmp_path)
    assert (status, out) == (1, "")
    assert re.fullmatch(f"{ERROR}{UNEXPECTED}\n", err)
    assert f" NameError at edited.py:{line}; " in err


def test_verbose_shows_where_an_unexpected_error_arose_but_not_its_text(
    fake: Fake, environ: Environ
) -> None:
    fake.faults[1] = lambda request: answer(200, {"DATA": [7], "has_next_page": False})
    status, out, err = sh(f"{COMMAND} -v", environ)
    *log, last = err.splitlines()
    places = [line.split()[-1] for line in log if SCRIPT.name in line]
    assert (status, out, places) == (1, "", ["main", "list_endpoints", "search"])
    assert re.fullmatch(f"{ERROR}{UNEXPECTED}", last)
    assert "AttributeError: " not in err


def test_a_bug_in_explaining(fake: Fake, environ: Environ, tmp_path: Path) -> None:
    script = SCRIPT.read_text(encoding="utf-8").replace(".binary_content", ".nope")
    (tmp_path / "edited.py").write_text(script, encoding="utf-8")
    fake.faults[0] = lambda request: Response(f'{{"code": "{PASSWORD}"}}', 403)
    status, out, err = sh(f"{PYTHON} edited.py", environ, tmp_path)
    assert (status, out) == (1, "")
    assert re.fullmatch(f"{ERROR}{UNEXPECTED}\n", err)


TEXT = st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
TOKEN_KEYS = ["resource_server", "expires_in", "scope", "token_type", "other_tokens"]
KEYS = ["access_token", *TOKEN_KEYS, "DATA", "has_next_page", *FIELDS]


@settings(max_examples=150)
@given(
    key=st.sampled_from(KEYS),
    value=st.just(...) | JSON,
    code=st.sampled_from([200, 200, 200, 201, 304, 400, 401, 403, 404, 500]),
    args=st.sampled_from(MODES),
)
def test_an_altered_answer_gives_a_list_or_one_line_that_says_why_not(
    fake: Fake, run: Run, key: str, value: Any, code: int, args: list[str]
) -> None:
    def alter(document: dict[str, Any]) -> dict[str, Any]:
        return altered(document, key, value) if key in document else document

    fake.requests.clear()
    fake.endpoints = [*endpoints(149), alter(endpoints(150)[149])]
    fake.token_answer = alter
    fake.page_answer = lambda document: answer(code, alter(document))

    status, out, err = run(*args)

    assert status in (0, 1)
    assert (status == 1) == err.startswith(ERROR)
    assert status == 0 or not out or "incomplete" in err
    assert not unsafe(err[:-1])
    assert len(fake.requests) <= 1 + 10 * 6
