# /// script
# requires-python = ">=3.9"
# dependencies = ["globus-sdk>=4,<5"]
# ///
"""List the Globus endpoints and collections that a service account owns.

The account acts as itself, by OAuth2's client-credentials grant: no user logs in. Its
GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET come from the environment. The exit status is
0 if nothing seems to be missing from the list, 2 if an option is wrong, either variable
is not set or the ID is malformed, 130 after Ctrl-C, and 1 for any other failure.
"""

from __future__ import annotations

import argparse
import io
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
    # both clients by name: the SDK imports lazily, and a broken one should fail here
    import globus_sdk
    from globus_sdk import ConfidentialAppAuthClient, TransferClient
except ImportError as error:
    sys.exit(f"list_endpoints.py: error: {error}; set up and run it as README.md says")

FIELDS = ("id", "display_name", "entity_type")
RELATIONS = {"my-endpoints": "Belonging to", "administered-by-me": "Administered by"}
MAX_RESULTS = 1000  # Globus's cap per search, not per page; the SDK stops asking there


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
        # shows no secret and no token: the SDK logs no header and no body
        logging.getLogger("globus_sdk").setLevel(logging.DEBUG)
    try:
        list_endpoints(administered=options.administered, as_json=options.json)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001
        fail(explain(error))
    return 0


def list_endpoints(administered: bool, as_json: bool) -> None:
    """Print what the service account owns or administers; fail if any seem missing."""
    client_id, client_secret = read_credentials()
    auth = ConfidentialAppAuthClient(client_id, client_secret)
    tokens = auth.oauth2_client_credentials_tokens(
        requested_scopes=TransferClient.scopes.all  # one scope, named "all"
    )
    transfer_tokens = tokens.by_resource_server[TransferClient.resource_server]
    authorizer = globus_sdk.AccessTokenAuthorizer(transfer_tokens["access_token"])
    transfer = TransferClient(authorizer=authorizer)

    filter_scope = "administered-by-me" if administered else "my-endpoints"
    endpoints = search(transfer, filter_scope)
    if as_json:
        lines = [json.dumps(endpoint) for endpoint in endpoints]
    else:
        relation = RELATIONS[filter_scope]
        lines = [f"Endpoints {relation} {client_id}@clients.auth.globus.org:"]
        lines += [text_line(endpoint) for endpoint in endpoints]
    write_stdout("".join(f"{line}\n" for line in lines))
    check_complete(endpoints)


def read_credentials() -> tuple[str, str]:
    """Return the client ID and secret, or fail showing neither: they may be swapped."""
    names = ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET")
    values = [os.environ.get(name, "").strip() for name in names]
    missing = [name for name, value in zip(names, values) if not value]
    if missing:
        run = "(set -a; . ./.env; .venv/bin/python list_endpoints.py)"
        fail(f"{' and '.join(missing)} not set; check .env, then run {run}", status=2)
    client_id, client_secret = values
    try:
        return str(uuid.UUID(client_id)), client_secret
    except ValueError:
        fail("GLOBUS_CLIENT_ID is no UUID; is it the secret, or in quotes?", status=2)


def search(transfer: TransferClient, filter_scope: str) -> list[dict[str, Any]]:
    """Return FIELDS of each endpoint that filter_scope (no OAuth2 scope) selects."""
    endpoints = []
    # ask for these alone of an endpoint's 80 fields; has_next_page and DATA come anyway
    for page in transfer.paginated.endpoint_search(
        filter_scope=filter_scope, query_params={"fields": ",".join(FIELDS)}
    ):
        # the SDK adds a page's length to the offset: an empty one would repeat for ever
        if page["has_next_page"] and not page["DATA"]:
            fail("Globus Transfer sent an empty page that promises another")
        for endpoint in page["DATA"]:
            if not isinstance(endpoint.get("id"), str):
                fail("Globus Transfer sent an endpoint without an ID")
            endpoints.append({field: endpoint.get(field) for field in FIELDS})
    return endpoints


def text_line(endpoint: dict[str, Any]) -> str:
    name = endpoint["display_name"]
    return escape(f"[{endpoint['id']}] {name}" if name else f"[{endpoint['id']}]")


def escape(text: str) -> str:
    """Escape what could end the line, drive the terminal or turn its direction."""
    if text.isprintable():  # then nothing below is in it, and this is quicker
        return text
    # control characters; line and paragraph separators; direction controls
    unsafe = r"[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
    return re.sub(unsafe, lambda match: ascii(match[0])[1:-1], text)


def write_stdout(text: str) -> None:
    """Write the text to stdout, or exit quietly if nobody reads on."""
    try:
        # a copy to close here: NFS may report a full disk only at close, and sys.stdout
        # itself would retry a failed write at exit, and complain
        with open(os.dup(sys.stdout.fileno()), "wb") as stdout:
            stdout.write(text.encode(sys.stdout.encoding, "backslashreplace"))
    except BrokenPipeError:
        sys.exit(1)
    except (OSError, AttributeError) as error:  # None if started with stdout closed
        fail(f"cannot write to stdout: {error}")


def check_complete(endpoints: list[dict[str, Any]]) -> None:
    """Fail at a sign that Globus left endpoints out."""
    if len(endpoints) >= MAX_RESULTS:
        fail(f"the list may be incomplete: Globus returns at most {MAX_RESULTS}")
    if len({endpoint["id"] for endpoint in endpoints}) < len(endpoints):
        fail("the list may be incomplete: it changed while it was read; run this again")


def fail(message: str, status: int = 1) -> NoReturn:
    """Exit with the status, after one line on stderr with credentials hidden."""
    # a server can quote our credentials: hide a secret (44 characters) or token (more),
    # not a client ID (36; "@" ends it). Before escape(), which lengthens harmless words
    message = re.sub(r"[^\s:@<>\"']{40,}", "[hidden]", " ".join(message.split()))
    # a server's reply can be long; cut after hiding, or part of a credential could stay
    message = escape(message)[:800]
    sys.stderr.write(f"list_endpoints.py: error: {message}\n")
    sys.exit(status)


def explain(error: Exception) -> str:
    """Return what failed, what to check and, where known, what the other side said."""
    if isinstance(error, globus_sdk.NetworkError):
        return explain_network_error(error.underlying_exception)
    if isinstance(error, globus_sdk.GlobusAPIError):
        service = "Auth" if isinstance(error, globus_sdk.AuthAPIError) else "Transfer"
        failed = f"request to Globus {service} failed"
        if service == "Auth" and error.http_status in (400, 401):
            failed += "; perhaps GLOBUS_CLIENT_ID or GLOBUS_CLIENT_SECRET is wrong or"
            failed += " in quotes, or the client is not registered as a service account"
        # the whole body: Auth, Transfer and proxies differ in which part says why
        said = error.text.strip() or error.http_reason
        return f"{failed}: {error.http_status} {said}"
    # not str(error), which can quote a header, a setting or the password of a proxy
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(place.filename)}:{place.lineno}"
    return (
        f"unexpected {type(error).__name__} at {where}; check HTTPS_PROXY, https_proxy,"
        " ALL_PROXY and the GLOBUS_SDK_ settings; is a login page in between?"
    )


def explain_network_error(cause: Exception) -> str:
    """Return which host was not reached, what to check, and the error at the root."""
    request = getattr(cause, "request", None)
    host = urlsplit(request.url).hostname if request else "Globus"
    root = cause.__context__
    while root and root.__context__:
        root = root.__context__
    # root is below cause; an OSError there has only the system's, TLS's or the proxy's
    # words; the errors above, of requests (OSErrors, too) and urllib3, can quote more
    said = f": {root}" if isinstance(root, OSError) else ""
    return (
        f"connection to {host} failed; check the network, HTTPS_PROXY, https_proxy, "
        f"ALL_PROXY and GLOBUS_SDK_VERIFY_SSL: {type(cause).__name__}{said}"
    )


if __name__ == "__main__":
    sys.stderr = sys.stderr or io.StringIO()  # None if started with stderr closed
    raise SystemExit(main())
