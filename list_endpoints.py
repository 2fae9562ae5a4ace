#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = ["globus-sdk>=4,<5"]
# ///
"""List the Globus endpoints and collections that a service account owns.

GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET come from the environment. The exit status is
0 if nothing seems to be missing from the list, 2 if an option is wrong or one of these
two is missing or malformed, 130 after Ctrl-C, and 1 for any other failure.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import traceback
import uuid
from collections.abc import Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit

try:
    # by name: the SDK loads its parts lazily, and a broken one should show here
    from globus_sdk import (
        AccessTokenAuthorizer,
        AuthAPIError,
        ConfidentialAppAuthClient,
        GlobusAPIError,
        NetworkError,
        TransferClient,
    )
except ImportError as err:
    sys.exit(f"list_endpoints.py: error: {err}; set up and run it as README.md says")

FIELDS = ("id", "display_name", "entity_type")
MAX_RESULTS = 1000  # Globus returns no more for a search: endpoint_search's docstring


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status, or raise SystemExit with it."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--administered",
        action="store_true",
        help="list all that the account administers, owned or not",
    )
    parser.add_argument("--json", action="store_true", help="print JSON Lines")
    parser.add_argument("-v", "--verbose", action="store_true", help="log to stderr")
    options = parser.parse_args(argv)
    if options.verbose:
        logging.basicConfig(format="%(asctime)s %(message)s")
        logging.getLogger("globus_sdk").setLevel(logging.DEBUG)  # shows no secret
    try:
        list_endpoints(administered=options.administered, as_json=options.json)
    except KeyboardInterrupt:
        return 130
    except Exception as err:  # noqa: BLE001
        fail(explain(err))
    return 0


def list_endpoints(administered: bool, as_json: bool) -> None:
    """Print what the service account owns or administers; fail if any seem missing."""
    client_id, client_secret = read_credentials()
    auth = ConfidentialAppAuthClient(client_id, client_secret)
    tokens = auth.oauth2_client_credentials_tokens(
        requested_scopes=TransferClient.scopes.all
    )
    transfer_tokens = tokens.by_resource_server[TransferClient.resource_server]
    authorizer = AccessTokenAuthorizer(transfer_tokens["access_token"])
    transfer = TransferClient(authorizer=authorizer)

    filter_scope = "administered-by-me" if administered else "my-endpoints"
    endpoints = search(transfer, filter_scope)
    if as_json:
        lines = [json.dumps(endpoint) for endpoint in endpoints]
    else:
        relation = "Administered by" if administered else "Belonging to"
        lines = [f"Endpoints {relation} {client_id}@clients.auth.globus.org:"]
        lines += [text_line(endpoint) for endpoint in endpoints]
    print_lines(lines)
    check_complete(endpoints)


def read_credentials() -> tuple[str, str]:
    """Return the client ID and the client secret, or fail without showing either."""
    names = ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET")
    values = [os.environ.get(name, "").strip() for name in names]
    missing = [name for name, value in zip(names, values) if not value]
    if missing:
        what = " and ".join(missing)
        fail(f"{what} not set; check .env and load it: set -a; . ./.env", status=2)
    client_id, client_secret = values
    try:
        return str(uuid.UUID(client_id)), client_secret
    except ValueError:
        fail("GLOBUS_CLIENT_ID is no UUID; is it the secret, or in quotes?", status=2)


def search(transfer: TransferClient, filter_scope: str) -> list[dict[str, Any]]:
    """Return FIELDS of each endpoint that the search finds."""
    endpoints = []
    for page in transfer.paginated.endpoint_search(
        filter_scope=filter_scope, query_params={"fields": ",".join(FIELDS)}
    ):
        # the SDK would request an empty page again, for ever
        if page["has_next_page"] and not page["DATA"]:
            fail("Globus Transfer sent an empty page that promises another")
        for endpoint in page["DATA"]:
            if not isinstance(endpoint.get("id"), str):
                fail("Globus Transfer sent an endpoint without an ID")
            endpoints.append({field: endpoint.get(field) for field in FIELDS})
    return endpoints


def text_line(endpoint: dict[str, Any]) -> str:
    name = endpoint["display_name"]
    return printable(f"[{endpoint['id']}] {name}" if name else f"[{endpoint['id']}]")


def printable(text: str) -> str:
    """Escape, as repr does, what could end the line or drive the terminal."""
    return text if text.isprintable() else repr(text)[1:-1]


def print_lines(lines: list[str]) -> None:
    """Write the lines to stdout, or exit quietly if nobody reads on."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        # sys.stdout itself would retry a failed write at exit, and complain
        with open(sys.stdout.fileno(), "wb", closefd=False) as stdout:
            stdout.write(text.encode(sys.stdout.encoding, "backslashreplace"))
    except BrokenPipeError:
        sys.exit(1)
    except (OSError, AttributeError) as err:  # a closed sys.stdout is None
        fail(f"cannot write to stdout: {err}")


def check_complete(endpoints: list[dict[str, Any]]) -> None:
    """Fail at a sign that Globus left endpoints out."""
    doubt = "the list may be incomplete"
    if len(endpoints) >= MAX_RESULTS:
        fail(f"{doubt}: Globus returns at most {MAX_RESULTS} for a search")
    if len({endpoint["id"] for endpoint in endpoints}) < len(endpoints):
        fail(f"{doubt}: it changed while it was read; run this again")


def fail(message: str, status: int = 1) -> NoReturn:
    """Exit with the status, after one line on stderr with credentials hidden."""
    # 40 lies between a client ID, of 36 characters, and a client secret, of 44
    message = re.sub(r"[^\s:@<>\"']{40,}", "[hidden]", message)
    sys.stderr.write(f"list_endpoints.py: error: {printable(message)[:800]}\n")
    sys.exit(status)


def explain(err: Exception) -> str:
    """Return what failed and, where known, what to check and what the other side said."""
    if isinstance(err, NetworkError):
        return explain_network_error(err.underlying_exception)
    if isinstance(err, GlobusAPIError):
        service = "Auth" if isinstance(err, AuthAPIError) else "Transfer"
        failed = f"request to Globus {service} failed"
        if service == "Auth" and err.http_status in (400, 401):
            failed += "; perhaps GLOBUS_CLIENT_ID or GLOBUS_CLIENT_SECRET is wrong, or"
            failed += " the client is not registered as a service account"
        return f"{failed}: {err.http_status} {err.text or err.http_reason}"
    # not str(err), which can quote a header or a setting
    place = traceback.extract_tb(err.__traceback__)[-1]
    file = os.path.basename(place.filename)
    return (
        f"unexpected {type(err).__name__} at {file}:{place.lineno}; check for a login "
        "page or proxy in between, and the GLOBUS_SDK_ settings"
    )


def explain_network_error(err: Exception) -> str:
    """Return which host was not reached, what to check, and the cause at the root."""
    request = getattr(err, "request", None)
    host = urlsplit(request.url).hostname if request else "Globus"
    root = err.__context__
    while root and root.__context__:
        root = root.__context__
    # what requests and urllib3 say can quote the proxy's URL, password and all; what an
    # OSError beneath says, from the system, TLS or the proxy, does not
    said = f": {root}" if isinstance(root, OSError) else ""
    return (
        f"connection to {host} failed; check the network, HTTPS_PROXY and "
        f"GLOBUS_SDK_VERIFY_SSL: {type(err).__name__}{said}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
