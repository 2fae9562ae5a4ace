#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = ["globus-sdk>=4.2,<5"]
# ///
"""List the Globus endpoints and collections that a service account owns.

GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET come from the environment. The exit status is 0
if the list is whole, 1 if it is not, and 2 if the call or the set-up is wrong.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

try:
    import globus_sdk

    if not hasattr(globus_sdk.BaseClient, "__enter__"):
        raise ImportError(f"found {globus_sdk.__version__}")
    # named here, since the SDK loads its parts, and finds them broken, when named
    from globus_sdk import ConfidentialAppAuthClient, NetworkError, TransferClient
    from globus_sdk.transport import RetryCheckResult, RetryContext
except Exception as err:  # noqa: BLE001
    sys.stderr.write(
        f"list_endpoints.py: error: needs globus-sdk 4.2 or newer: {err}; run it as it "
        "was set up: .venv/bin/python list_endpoints.py or uv run list_endpoints.py\n"
    )
    raise SystemExit(2) from None

FIELDS = ("id", "display_name", "entity_type")
MAX_RESULTS = 1000  # of any search: docstring of TransferClient.endpoint_search


class Failure(Exception):
    """Why there is no whole list, in one line, and the exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def list_endpoints(heading: str, format_line: Callable[[dict[str, Any]], str]) -> None:
    """Print what the service account owns, then raise Failure if it may lack some."""
    client_id, client_secret = read_credentials()
    try:
        auth = ConfidentialAppAuthClient(client_id, client_secret)
        transfer = TransferClient()
    except ValueError:  # the SDK's message has a setting's value, but not its name
        names = ", ".join(name for name in os.environ if name.startswith("GLOBUS_SDK_"))
        raise Failure(f"the SDK cannot use a setting; check {names}", 2) from None

    access_token = request_token(auth)
    transfer.authorizer = globus_sdk.AccessTokenAuthorizer(access_token)
    endpoints = search(transfer)

    lines = [f"{format_line(endpoint)}\n" for endpoint in endpoints]
    print(heading.format(client_id), *lines, sep="", end="", flush=True)
    check_complete(endpoints)


def read_credentials() -> tuple[str, str]:
    """Return client ID and client secret; Failure names a variable, never its value."""
    names = ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET")
    client_id, client_secret = (os.getenv(name, "").strip() for name in names)
    if missing := [n for n, v in zip(names, (client_id, client_secret)) if not v]:
        raise Failure(f"{' and '.join(missing)} missing; see .env.example", 2)
    if not client_secret.isprintable():  # say, bytes that are not UTF-8
        raise Failure("GLOBUS_CLIENT_SECRET is not text; see .env.example", 2)
    try:
        return str(uuid.UUID(client_id)), client_secret
    except ValueError:
        raise Failure("GLOBUS_CLIENT_ID is not a UUID; see .env.example", 2) from None


def request_token(auth: ConfidentialAppAuthClient) -> str:
    """Return an access token for Transfer, from the client-credentials grant."""
    scopes = TransferClient.scopes
    with auth, answers_from(auth):
        tokens = auth.oauth2_client_credentials_tokens(requested_scopes=scopes.all)
        token = tokens.by_resource_server[scopes.resource_server]["access_token"]
    if not isinstance(token, str) or not re.fullmatch("[!-~]+", token):
        raise Failure("Globus Auth sent an access token that no header can carry")
    log = logging.getLogger("list_endpoints")
    log.info("access token expires in %s seconds", tokens.get("expires_in"))
    return token


def search(transfer: TransferClient) -> list[dict[str, Any]]:
    """Return what the service account owns of all that Transfer calls an endpoint."""
    pages, endpoints = [], []
    with transfer, answers_from(transfer):
        for page in transfer.paginated.endpoint_search(
            filter_scope="my-endpoints", query_params={"fields": ",".join(FIELDS)}
        ):
            pages.append((page["DATA"], page["has_next_page"]))
            if not page["DATA"]:
                break  # even if it promises another: the SDK would ask for ever
    for page, more in pages:
        if (type(page), type(more)) != (list, bool) or (more and not page):
            raise Failure("Globus Transfer sent a malformed page of endpoints")
        endpoints += page
    if not all(isinstance(e, dict) and isinstance(e.get("id"), str) for e in endpoints):
        raise Failure("Globus Transfer sent an endpoint without an ID")
    return endpoints


def check_complete(endpoints: list[dict[str, Any]]) -> None:
    """Raise Failure if Globus may have left endpoints out."""
    doubt = "the list may be incomplete"
    if len(endpoints) >= MAX_RESULTS:
        raise Failure(f"{doubt}: Globus returns at most {MAX_RESULTS} for a search")
    if len({endpoint["id"] for endpoint in endpoints}) < len(endpoints):
        raise Failure(f"{doubt}: it changed while it was read; run this again")


def text_line(endpoint: dict[str, Any]) -> str:
    name = endpoint.get("display_name")
    return printable(f"[{endpoint['id']}] {name}" if name else f"[{endpoint['id']}]")


def json_line(endpoint: dict[str, Any]) -> str:
    return json.dumps({field: endpoint.get(field) for field in FIELDS})


TEXT = ("Endpoints Belonging to {}@clients.auth.globus.org:\n", text_line)
JSON = ("", json_line)


def printable(text: str) -> str:
    """Escape what could end the line, turn it around or drive the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


@contextmanager
def answers_from(client: globus_sdk.BaseClient) -> Iterator[None]:
    """Turn what goes wrong while a service is asked into a Failure that names it.

    Checks of ours belong after it: here, whatever is raised is blamed on the service.
    """
    address = client.base_url.rpartition("@")[2]  # without a user and a password
    service = f"Globus {client.service_name.title()} ({address})"
    answers: list[Any] = []

    # an exception of the SDK's does not hold the answer; its retry checks see each one
    @client.retry_config.checks.register_check
    def keep(context: RetryContext) -> RetryCheckResult:
        answers.append(context.response)
        return RetryCheckResult.no_decision

    try:
        yield
        return
    except globus_sdk.GlobusAPIError as err:
        message = f"{service} refused: {refusal(err)}"
    except Exception as err:  # noqa: BLE001
        message = f"no usable answer from {service}: {fault(err, answers)}"
    assert client.authorizer
    header = client.authorizer.get_authorization_header() or ""
    # hide before shortening, which could leave half a secret
    for secret in (os.environ["GLOBUS_CLIENT_SECRET"].strip(), *header.split()[1:]):
        message = message.replace(secret, "[hidden]")
    raise Failure(re.sub("^(.{500}).+(.{300})$", r"\1 ... \2", printable(message)))


def refusal(err: globus_sdk.GlobusAPIError) -> str:
    """Return what Globus said, and what to check."""
    body = err.raw_json if isinstance(err.raw_json, dict) else {}
    # OAuth's own two words, which the SDK does not read
    words = [err.http_reason, body.get("error"), body.get("error_description")]
    words += [err.code, err.message, err.request_id and f"request ID {err.request_id}"]
    said = ", ".join(word for word in words if word and isinstance(word, str))
    if isinstance(err, globus_sdk.AuthAPIError) and err.http_status in (400, 401):
        said += "; check GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET, and that the client"
        said += " is registered as a service account"
    return f"{err.http_status} {said}"


def fault(err: Exception, answers: list[Any]) -> str:
    """Return what is wrong with the last answer, or why there is none."""
    if answers and not isinstance(err, (NetworkError, OSError)):
        what = answers[-1].headers.get("Content-Type", "of no type")
        return f"this ({what}) is not Globus's; a proxy or login page may be in between"
    err = root = getattr(err, "underlying_exception", err)
    while inner := root.__cause__ or root.__context__:
        root = inner
    # what requests and urllib3 say may quote a URL, a header or a setting, password and
    # all; what is beneath, the words of the system, of TLS or of a proxy, does not
    if root is err or not isinstance(root, OSError):
        return f"{type(err).__name__}; check HTTPS_PROXY and the GLOBUS_SDK_ variables"
    if "CERTIFICATE_VERIFY_FAILED" in str(root):
        return f"{root}; GLOBUS_SDK_VERIFY_SSL can name a file of CA certificates"
    return f"{type(err).__name__}: {root}; check the network and HTTPS_PROXY"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the list, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print JSON Lines instead")
    parser.add_argument("-v", "--verbose", action="store_true", help="log to stderr")
    try:
        if sys.stdout is None:
            raise Failure("cannot write to stdout: it is closed")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        options = parser.parse_args(argv)
        if options.verbose:
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
            logging.getLogger("globus_sdk").setLevel(logging.DEBUG)
        list_endpoints(*(JSON if options.json else TEXT))
        return 0
    except Failure as failure:
        message, status = str(failure), failure.status
    except KeyboardInterrupt:
        return 130
    except OSError as err:
        # Python flushes stdout once more on its way out, and would complain itself
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(err, BrokenPipeError):
            return 1
        message, status = f"cannot write to stdout: {err}", 1
    sys.stderr.write(f"list_endpoints.py: error: {message}\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
