"""What the script does when Globus cannot be reached, for a while or at all."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from conftest import ERROR, Run
from fake_globus import Document, FakeGlobus, endpoints, refusal
from pytest_httpserver import HTTPServer
from test_listing import text
from werkzeug import Request, Response

pytestmark = pytest.mark.usefixtures("pauses")


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

    assert (status, out) == (1, "")
    service = "Globus Transfer" if number else "Globus Auth"
    where = f"{service} ({fake.url})"
    if fault[:3].isdigit():
        assert err.startswith(f"{ERROR}{where} refused: {fault[:3]} ")
    else:
        assert err.startswith(f"{ERROR}no usable answer from {where}: ")
    assert "GLOBUS_CLIENT" not in err
    assert len(fake.requests) == number + 6


def test_a_host_with_no_such_name_is_named(environ: dict[str, str], run: Run) -> None:
    environ["GLOBUS_SDK_SERVICE_URL_AUTH"] = "https://auth.globus.invalid/"

    status, out, err = run()

    assert (status, out) == (1, "")
    assert re.fullmatch(
        f"{ERROR}no usable answer from Globus Auth \\(https://auth.globus.invalid/\\): "
        "ConnectionError: .* [Nn]ame .*; check the network and HTTPS_PROXY\n",
        err,
    )


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a socket that is bound, so nobody else's, but not listening."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{deaf.getsockname()[1]}"


def test_a_refused_connection_is_named(
    environ: dict[str, str], run: Run, deaf: str
) -> None:
    url = f"http://{deaf}/"
    environ["GLOBUS_SDK_SERVICE_URL_TRANSFER"] = url

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err == (
        f"{ERROR}no usable answer from Globus Transfer ({url}): ConnectionError: "
        f"[Errno {errno.ECONNREFUSED}] Connection refused; "
        "check the network and HTTPS_PROXY\n"
    )


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
    assert ": ReadTimeout: timed out; check the network" in err


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
    assert err.endswith("; GLOBUS_SDK_VERIFY_SSL can name a file of CA certificates\n")
    assert not fake_with_tls.requests


@pytest.mark.usefixtures("fake_with_tls")
def test_a_private_authority_named_in_the_environment_is_trusted(
    environ: dict[str, str], run: Run, authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    environ["GLOBUS_SDK_VERIFY_SSL"] = str(bundle)

    assert run() == (0, text(250), "")


def test_an_authority_that_goes_missing_is_not_taken_for_a_full_disk(
    fake_with_tls: FakeGlobus,
    environ: dict[str, str],
    run_script: Run,
    authority: trustme.CA,
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    environ["GLOBUS_SDK_VERIFY_SSL"] = str(bundle)

    def remove(document: Document) -> Document:
        bundle.unlink()
        return document

    fake_with_tls.page_answer = remove

    status, out, err = run_script()

    assert (status, out) == (1, "")
    where = f"Globus Transfer ({fake_with_tls.url})"
    assert err == (
        f"{ERROR}no usable answer from {where}: OSError; "
        "check HTTPS_PROXY and the GLOBUS_SDK_ variables\n"
    )


@pytest.mark.parametrize("timeout", ["0", "-5", "nan", "inf", "1e300"])
def test_a_timeout_that_cannot_be_waited_for_names_what_to_check(
    environ: dict[str, str], run: Run, timeout: str
) -> None:
    environ["GLOBUS_SDK_HTTP_TIMEOUT"] = timeout

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err.startswith(f"{ERROR}no usable answer from Globus Auth (")
    assert err.endswith("; check HTTPS_PROXY and the GLOBUS_SDK_ variables\n")


@pytest.mark.parametrize(
    "proxy",
    [
        "http://svc-proxy:Winter2026#@proxy.invalid:3128",
        "http://svc-proxy:Winter/2026@proxy.invalid:3128",
        "http://svc-proxy:Winter?2026@proxy.invalid:3128",
        "http://svc-proxy:Winter\\2026@proxy.invalid:3128",
        "http://svc-proxy:Winter[2026@proxy.invalid:3128",
        "http://svc-proxy:Winter 2026@{deaf}",
        "http://svc-proxy:2026/Winter@proxy.invalid:3128",
        "http://svc-proxy:2026?Winter@proxy.invalid:3128",
        "http://svc-proxy:2026\\Winter@proxy.invalid:3128",
        "http://svc-proxy:Winter2026@proxy.invalid:99999",
        "http://svc-proxy:Winter2026@proxy.invalid:3128\r",
        "http://svc-proxy:Winter2026@Winter2026 .invalid:3128",
        "http://svc-proxy:Winter2026@{deaf}",
        "https://svc-proxy:Winter2026@{deaf}",
        "socks5://svc-proxy:Winter2026@proxy.invalid:3128",
        "ftp://svc-proxy:Winter2026@proxy.invalid:3128",
        "svc-proxy:Winter2026@proxy.invalid:3128",
        "//svc-proxy:Winter2026@",
    ],
)
def test_a_proxy_that_cannot_be_used_is_not_shown_with_its_password(
    environ: dict[str, str], run: Run, deaf: str, proxy: str
) -> None:
    environ["HTTPS_PROXY"] = proxy.format(deaf=deaf)
    environ["GLOBUS_SDK_SERVICE_URL_AUTH"] = "https://auth.globus.invalid/"

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err.startswith(
        f"{ERROR}no usable answer from Globus Auth (https://auth.globus.invalid/): "
    )
    assert "check" in err
    assert "HTTPS_PROXY" in err
    for word in ("svc-proxy", "Winter", "2026"):
        assert word not in err


def test_a_proxy_that_refuses_is_quoted(
    http_server: HTTPServer, environ: dict[str, str], run: Run
) -> None:
    http_server.clear()
    http_server.expect_request(re.compile(""), method="CONNECT").respond_with_data(
        status=407
    )
    environ["HTTPS_PROXY"] = http_server.url_for("/")
    environ["GLOBUS_SDK_SERVICE_URL_AUTH"] = "https://auth.globus.invalid/"

    status, out, err = run()

    assert (status, out) == (1, "")
    assert ": ProxyError: Tunnel connection failed: 407 PROXY AUTHENTICATION" in err


@pytest.mark.parametrize("name", ["AUTH", "TRANSFER"])
def test_a_password_in_the_url_of_a_service_is_not_shown(
    fake: FakeGlobus, environ: dict[str, str], run: Run, name: str
) -> None:
    environ[f"GLOBUS_SDK_SERVICE_URL_{name}"] = fake.url.replace(
        "://", "://svc-globus:Winter2026@"
    )

    status, out, err = run()

    assert (status, out) == (1, "")
    assert " refused: 401 " in err
    assert "svc-globus" not in err
    assert "Winter2026" not in err
