# /// script
# requires-python = ">=3.9"
# dependencies = ["globus-sdk>=4,<5"]
# ///
"""List the Globus endpoints and collections that a service account owns.

With --filter-scope, list what the account administers or what others share with the
account. The account acts as itself, by OAuth2's client-credentials grant, so no person
logs in. Its client ID and client secret come from the environment variables
GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET. The exit status is 0 if nothing seems to be
missing from the list, 2 if an option or a variable is refused before the first request,
and 1 for any other failure. A shell shows 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import re
import signal
import sys
import traceback
import uuid
from collections.abc import Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit

try:
    # The SDK loads a class on its first use. Load the main classes here, so that a
    # broken library is reported here.
    import globus_sdk
    from globus_sdk import ConfidentialAppAuthClient, NetworkError, TransferClient
except Exception as error:  # noqa: BLE001
    sys.exit(f'list_endpoints.py: error: {error}; see "Set up" in README.md')

# Each key is a filter_scope, which filters Globus's search and is not an OAuth2 scope.
HEADINGS = {
    "my-endpoints": "Endpoints Belonging to",
    "administered-by-me": "Endpoints Administered by",
    "shared-with-me": "Endpoints Shared with",
}
FIELDS = ("id", "display_name", "entity_type")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return exit status 0, or raise SystemExit with the status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--filter-scope", choices=HEADINGS, default="my-endpoints", help="what to list"
    )
    parser.add_argument("--json", action="store_true", help="print JSON Lines")
    parser.add_argument("-v", "--verbose", action="store_true", help="log to stderr")
    options = parser.parse_args(argv)
    if options.verbose:
        # Show the log of the SDK alone, which has no headers and no bodies. urllib3 can
        # log a header in which a server quotes the access token.
        logging.basicConfig(format="%(asctime)s %(message)s", level=logging.CRITICAL)
        logging.getLogger("globus_sdk").setLevel(logging.DEBUG)
    try:
        list_endpoints(options.filter_scope, as_json=options.json)
    except NetworkError as error:
        report_network_error(error.underlying_exception)
    except globus_sdk.GlobusAPIError as error:
        report_api_error(error)
    except Exception as error:  # noqa: BLE001
        report_unexpected_error(error)
    return 0


def list_endpoints(filter_scope: str, as_json: bool) -> None:
    """Print the list that filter_scope selects, and fail if it seems incomplete."""
    auth = create_auth_client()
    # Globus Auth gets the client secret and gives an access token. Globus Transfer only
    # gets the access token. Transfer has no narrower scope that allows a search.
    scope = TransferClient.scopes.all
    tokens = auth.oauth2_client_credentials_tokens(requested_scopes=scope)
    transfer_tokens = tokens.by_resource_server[TransferClient.resource_server]
    authorizer = globus_sdk.AccessTokenAuthorizer(transfer_tokens["access_token"])
    transfer = TransferClient(authorizer=authorizer)
    endpoints = search(transfer, filter_scope)
    if as_json:
        lines = [json.dumps(endpoint) + "\n" for endpoint in endpoints]
    else:
        username = f"{auth.client_id}@clients.auth.globus.org"
        lines = [f"{HEADINGS[filter_scope]} {username}:\n"]
        for endpoint in endpoints:
            name = f" {endpoint['display_name']}" if endpoint["display_name"] else ""
            lines.append(escape(f"[{endpoint['id']}]{name}") + "\n")
    # Print first, because a list that may be incomplete is still of use to a person.
    write_stdout("".join(lines))
    # Globus returns at most 1000 endpoints for a search, and no answer says so.
    if len(endpoints) >= 1000:
        fail("the list may be incomplete: Globus returns at most 1000 endpoints")
    # If an endpoint is created during the search, the new endpoint can be missing, and
    # another can come twice. If an endpoint is deleted, another can be lost unnoticed.
    if len({endpoint["id"] for endpoint in endpoints}) < len(endpoints):
        fail("the list may be incomplete: it changed while it was read; run this again")


def create_auth_client() -> ConfidentialAppAuthClient:
    """Return a client of Globus Auth, or fail without showing the ID or the secret."""
    names = ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET")
    values = [os.environ.get(name, "").strip() for name in names]
    missing = [f"{name} is not set" for name, value in zip(names, values) if not value]
    if missing:
        fail(f'{" and ".join(missing)}; see "Run it" in README.md', status=2)
    try:
        client_id = str(uuid.UUID(values[0]))
    except ValueError:
        fail("GLOBUS_CLIENT_ID is no UUID; is it the secret, or in quotes?", status=2)
    try:
        return ConfidentialAppAuthClient(client_id, client_secret=values[1])
    # A UnicodeError is a ValueError, too. Its text would show a part of the secret.
    except UnicodeError:
        fail("GLOBUS_CLIENT_SECRET is not UTF-8 text", status=2)
    except ValueError as error:
        fail(f"globus-sdk refuses a GLOBUS_SDK_ variable: {error}", status=2)


def search(transfer: TransferClient, filter_scope: str) -> list[dict[str, Any]]:
    """Return FIELDS of each endpoint that Globus finds, from all pages."""
    # https://docs.globus.org/api/transfer/endpoint_and_collection_search/
    # Ask for FIELDS alone, because an endpoint has about 80 fields.
    endpoints = []
    for page in transfer.paginated.endpoint_search(
        filter_scope=filter_scope, query_params={"fields": ",".join(FIELDS)}
    ):
        # The SDK would ask for ever, because an empty page does not move its offset.
        if page["has_next_page"] and not page["DATA"]:
            fail("Globus Transfer sent an empty page that promises another")
        for endpoint in page["DATA"]:
            if not isinstance(endpoint.get("id"), str):
                fail("Globus Transfer sent an endpoint without an ID")
            endpoints.append({field: endpoint.get(field) for field in FIELDS})
    return endpoints


def escape(text: str) -> str:
    """Escape controls, line ends and direction controls, which can drive a terminal."""
    unsafe = r"[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
    return re.sub(unsafe, lambda match: ascii(match[0]).strip("'"), text)


def write_stdout(text: str) -> None:
    """Write the text to stdout, or exit with status 1, silently if nobody reads."""
    if sys.stdout is None:
        fail("cannot write to stdout: stdout is closed")
    try:
        # NFS may report a full disk only when a file is closed, so close a duplicate of
        # stdout. If sys.stdout itself failed, Python would retry at exit and complain.
        with open(os.dup(sys.stdout.fileno()), "wb") as stdout:
            stdout.write(text.encode(sys.stdout.encoding, "backslashreplace"))
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        fail(f"cannot write to stdout: {error}")


def fail(message: str, quote: str = "", status: int = 1) -> NoReturn:
    """Exit after a line on stderr: the message, then the quote without credentials."""
    # A server can quote credentials, so hide long words. A client secret has 44
    # characters, an access token has more, and a client ID has 36. Hide before escapes
    # lengthen harmless words, and before the cut to 800 characters splits a secret.
    quote = re.sub(r"[^\s:@<>\"']{40,}", "[hidden]", quote)
    line = escape(" ".join(f"{message}{quote}".split()))[:800]
    sys.stderr.write(f"list_endpoints.py: error: {line}\n")
    sys.exit(status)


def report_network_error(error: Exception) -> NoReturn:
    """Fail with the host of the connection, what to check, and the first error."""
    request = getattr(error, "request", None)
    host = urlsplit(request.url).hostname if request else "Globus"
    # The first error of the chain has the reason. Quote an OSError below the error of
    # requests, because it has the words of the system, TLS or a proxy. Any other error,
    # an OSError of requests too, can quote a header or a password.
    first = error.__context__
    while first and first.__context__:
        first = first.__context__
    fail(
        f"connection to {host} failed; check the network, HTTPS_PROXY, https_proxy, "
        f"ALL_PROXY and GLOBUS_SDK_VERIFY_SSL; the error was: {type(error).__name__}",
        f": {first}" if isinstance(first, OSError) else "",
    )


def report_api_error(error: globus_sdk.GlobusAPIError) -> NoReturn:
    """Fail with the service, the answer and, for credentials, what to check."""
    service = "Auth" if isinstance(error, globus_sdk.AuthAPIError) else "Transfer"
    message = f"request to Globus {service} failed"
    if service == "Auth" and error.http_status in (400, 401):
        message += "; perhaps GLOBUS_CLIENT_ID or GLOBUS_CLIENT_SECRET is wrong, the"
        message += " secret is in quotes, or the client is not registered as a service"
        message += " account; the answer was"
    # Quote the whole body, because each service has its own place for the reason.
    fail(message, f": {error.http_status} {error.text.strip() or error.http_reason}")


def report_unexpected_error(error: Exception) -> NoReturn:
    """Fail with the place of the error. Omit its text, which can quote a password."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(place.filename)}:{place.lineno}"
    fail(
        f"unexpected {type(error).__name__} at {where}; check HTTPS_PROXY, https_proxy,"
        " ALL_PROXY and the GLOBUS_SDK_ variables for a malformed value. Does a login"
        " page answer for Globus, is globus-sdk older than 4, or is this script wrong?"
    )


if __name__ == "__main__":
    # Let Ctrl-C kill the script, so that a loop of the shell ends as well. If Ctrl-C is
    # ignored, leave it ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Python sets sys.stderr to None if stderr was closed at the start.
    sys.stderr = sys.stderr or io.StringIO()
    raise SystemExit(main())
