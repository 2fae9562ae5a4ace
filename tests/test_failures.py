"""What the script does when Globus refuses, or something on the way goes wrong."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from conftest import (
    ERROR,
    FIELDS,
    MODES,
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
from fake_globus import (
    CLIENT_ID,
    CLIENT_SECRET,
    TOKEN_MARK,
    TRANSFER_SCOPE,
    Answer,
    Document,
    Fake,
    answer,
    endpoints,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

pytestmark = pytest.mark.usefixtures("pauses")

PROXY = "HTTPS_PROXY, https_proxy, ALL_PROXY and "
NETWORK = f"failed; check the network, {PROXY}GLOBUS_SDK_VERIFY_SSL: "
HINT = "; perhaps GLOBUS_CLIENT_ID or GLOBUS_CLIENT_SECRET is wrong or in quotes, or "
HINT += "the client is not registered as a service account: 40"
UNEXPECTED = rf"unexpected \w+ at \w+\.py:\d+; check {PROXY}.*login page.*"


@pytest.mark.parametrize(
    ("number", "status", "body", "hint"),
    [
        (0, 401, '{"errors": [{"code": "UNAUTHORIZED", "id": "4f1c"}]}', HINT),
        (0, 400, '{"error": "unauthorized_client"}', HINT),
        (0, 403, f"client_id='{CLIENT_ID}'", ""),
        (0, 404, f'["{TRANSFER_SCOPE}","{CLIENT_ID}","{CLIENT_ID}@globus.org"]', ""),
        (0, 403, " \r\n\t", ""),
        (2, 403, "", ""),
        (1, 400, '{\n  "code": "NotActive",\n  "message": "it\'s \\"off\\""\n}\n', ""),
        (1, 502, '{"code": "ExternalError.X"}', ""),  # newer SDKs do not try it again
    ],
)
def test_a_refusal_is_quoted_and_the_credentials_are_doubted_only_where_they_matter(
    fake: Fake, failure: Failure, number: int, status: int, body: str, hint: str
) -> None:
    fake.faults = dict.fromkeys(
        range(number, 99), lambda request: Response(body, status, mimetype="text/json")
    )

    message = failure()

    service = "Transfer" if number else "Auth"
    assert message.startswith(f"request to Globus {service} failed{hint}")
    assert message.endswith(f": {status} {' '.join(body.split()) or 'FORBIDDEN'}")
    assert (HINT in message) == bool(hint)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("one\ntwo\r\n\x1b[2J\x07", r"one two \x1b[2J\x07"),
        (
            "\u202egnp\u2028\x9b1m\xa0ok, 東京\u200d",
            "\\u202egnp \\x9b1m ok, 東京\u200d",
        ),
        ("\x1b" * 39, r"\x1b" * 39),  # hidden after it is escaped, it would not be seen
        ("\x1b " * 9999, r"\x1b \x1b \x1b "),
        ("no. " * 9999, "no. no. no. "),
    ],
    ids=["lines", "bidi, C1 and blank", "a word of escapes", "escapes", "long"],
)
def test_what_a_server_says_is_one_short_line_that_drives_no_terminal(
    fake: Fake, failure: Failure, body: str, said: str
) -> None:
    fake.faults[0] = lambda request: Response(f"so: {body}", 418)

    assert f": 418 so: {said}" in failure()


@pytest.mark.parametrize("offset", range(0, 45, 15))
def test_no_part_of_a_credential_is_left_at_the_cut(
    fake: Fake, failure: Failure, offset: int
) -> None:
    body = "n" * offset + f" {CLIENT_SECRET}" * 99
    fake.faults[0] = lambda request: Response(body, 418)

    assert re.fullmatch(r".*: 418 n* ?(\[hidden\] )+[\[hiden\]]*", failure())


@pytest.mark.parametrize(
    ("number", "mark", "escape"),
    [(0, "", ""), (1, "", ""), (0, "/", r"\/"), (0, "+", "%2B"), (0, "+", "&#43;")],
    ids=["Auth", "Transfer", "JSON", "URL", "HTML"],
)
def test_a_server_that_echoes_the_request_gives_nothing_of_a_credential_away(
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
    basic = "NWUwZmEyZDEtOGE3"  # how the client ID begins in base64
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


def status(code: int, **headers: str) -> Answer:
    return lambda request: Response("later", code, headers)


FAULTS: dict[str, tuple[Answer, str]] = {
    "429": (status(429, **{"Retry-After": "7"}), "failed: 429 later"),
    "503": (status(503), "failed: 503 later"),
    "reset": (reset, f"{NETWORK}ConnectionError: [Errno {errno.ECONNRESET}]"),
    "closed": (close, f"localhost {NETWORK}ConnectionError: Remote end closed"),
    "cut short": (cut_short, f"Globus {NETWORK}ChunkedEncodingError"),
}
PLACES = [("reset", 0), ("503", 1), ("429", 2), ("closed", 3), ("cut short", 2)]


@pytest.mark.parametrize(("fault", "number"), PLACES)
def test_a_fault_that_passes_costs_a_pause_and_one_that_lasts_ends_in_a_message(
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
    """The address of a socket that is bound, so nobody else's, but not listening."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{deaf.getsockname()[1]}"


def test_a_host_that_cannot_be_reached_is_named(
    environ: Environ, failure: Failure, deaf: str
) -> None:
    environ["GLOBUS_SDK_SERVICE_URL_TRANSFER"] = f"http://{deaf}/"
    refused = f"ConnectionError: [Errno {errno.ECONNREFUSED}] Connection refused"
    assert failure() == f"connection to 127.0.0.1 {NETWORK}{refused}"

    environ["GLOBUS_SDK_SERVICE_URL_AUTH"] = "https://auth.globus.invalid/"
    begin = f"connection to auth.globus.invalid {NETWORK}ConnectionError: "
    assert re.fullmatch(f"{begin}.* [Nn]ame .*", failure())


def test_a_server_that_does_not_answer_is_a_timeout(
    fake: Fake, environ: Environ, failure: Failure, hold: Hold
) -> None:
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
def test_an_unknown_authority_is_refused_before_any_request_whoever_else_trusts_it(
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
    "proxy",
    [
        "http://svc-proxy:Winter2026@{deaf}",
        "http://svc-proxy:Winter2026#@proxy.invalid:3128",
        "http://svc-proxy:Winter[2026@proxy.invalid:3128",
        "svc-proxy:Winter2026@proxy.invalid:3128",
    ],
    ids=["does not answer", "not parsed", "a ValueError", "no scheme"],
)
def test_a_proxy_that_cannot_be_used_is_not_shown_with_its_password(
    environ: Environ,
    failure: Failure,
    caplog: pytest.LogCaptureFixture,
    deaf: str,
    proxy: str,
) -> None:
    environ["HTTPS_PROXY"] = proxy.format(deaf=deaf)
    environ["GLOBUS_SDK_SERVICE_URL_AUTH"] = "https://auth.globus.invalid/"

    message = failure()

    assert re.search(f"check .*{PROXY}", message)
    for word in ("svc-proxy", "Winter"):
        assert word not in message + caplog.text


@pytest.mark.parametrize(
    ("service", "host"),
    [("AUTH", "auth.globus.org"), ("TRANSFER", "transfer.api.globus.org")],
)
def test_the_real_hosts_are_asked_for_and_a_proxy_that_refuses_is_quoted(
    http_server: HTTPServer, environ: Environ, failure: Failure, service: str, host: str
) -> None:
    connect = http_server.expect_request(re.compile(""), method="CONNECT")
    connect.respond_with_data(status=407)
    environ["HTTPS_PROXY"] = http_server.url_for("/")
    del environ[f"GLOBUS_SDK_SERVICE_URL_{service}"]

    message = failure()

    assert message.startswith(f"connection to {host} {NETWORK}ProxyError: ")
    assert ": Tunnel connection failed: 407 PROXY AUTHENTICATION" in message
    asked = [request for request, _ in http_server.log if request.method == "CONNECT"]
    assert {request.environ["RAW_URI"] for request in asked} == {f"{host}:443"}
    assert f"`{host}`" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("number", "body"),
    [
        (0, "<html>Room number?</html>"),
        (1, '{"message": "Room number?"}'),
        (2, '{"DATA": [{"id"'),
        pytest.param(2, "[" * 100_000, id="deeply nested"),
    ],
)
def test_an_answer_that_is_not_globus_s_is_told_by_its_place_and_not_repeated(
    fake: Fake, failure: Failure, number: int, body: str
) -> None:
    fake.faults[number] = lambda request: Response(body, mimetype="application/json")

    assert re.fullmatch(UNEXPECTED, failure())
    assert len(fake.requests) == number + 1


@pytest.mark.parametrize(
    ("which", "key", "value"),
    [
        ("token", "access_token", ...),
        ("token", "access_token", f"{TOKEN_MARK}東京"),
        ("token", "access_token", f"{TOKEN_MARK}\nken"),
        ("token", "resource_server", "groups.api.globus.org"),
        ("page", "DATA", [None]),
        ("page", "has_next_page", ...),
    ],
)
def test_a_document_that_lacks_what_is_needed_ends_the_run_and_is_not_shown(
    fake: Fake, failure: Failure, which: str, key: str, value: Any
) -> None:
    setattr(fake, f"{which}_answer", lambda document: altered(document, key, value))

    # the token that no header can carry is a network error, to requests
    carried = "\n" not in str(value)
    told = UNEXPECTED if carried else f"connection to Globus {NETWORK}InvalidHeader"
    assert re.fullmatch(told, failure())
    assert len(fake.requests) == (1 if which == "token" else 2)


def test_an_empty_page_with_a_next_fails(fake: Fake, failure: Failure) -> None:
    fake.page_answer = lambda document: altered(
        document, "DATA", document["DATA"] if len(fake.requests) == 2 else []
    )

    assert failure() == "Globus Transfer sent an empty page that promises another"
    assert len(fake.requests) == 3


def test_no_list_without_every_id(fake: Fake, failure: Failure) -> None:
    fake.endpoints[99] = altered(fake.endpoints[99], "id", 7)

    assert failure() == "Globus Transfer sent an endpoint without an ID"


def test_our_own_mistake_is_told_by_its_place(environ: Environ, tmp_path: Path) -> None:
    script = SCRIPT.read_text(encoding="utf-8").replace("zip(names", "zap(names")
    (tmp_path / "edited.py").write_text(script, encoding="utf-8")
    line = script[: script.index("zap(")].count("\n") + 1

    status, out, err = sh(f"{PYTHON} edited.py -v", environ, tmp_path)

    assert (status, out) == (1, "")
    assert f"{ERROR}unexpected NameError at edited.py:{line}; check " in err
    assert "zap" not in err


TEXT = st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
TOKEN_KEYS = ["resource_server", "expires_in", "scope", "token_type", "other_tokens"]
PAGE_KEYS = ["DATA", "has_next_page", *FIELDS]


@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    key=st.sampled_from([*TOKEN_KEYS, "access_token", *PAGE_KEYS]),
    value=st.just(...) | JSON,
    code=st.sampled_from([200, 200, 200, 201, 304, 400, 401, 403, 404, 500]),
    args=st.sampled_from(MODES),
)
def test_no_alteration_of_the_documented_answers_breaks_the_rule(
    fake: Fake, run: Run, key: str, value: Any, code: int, args: list[str]
) -> None:
    def alter(document: Document) -> Document:
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
