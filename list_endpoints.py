# /// script
# requires-python = ">=3.9"
# dependencies = ["globus-sdk>=4,<5"]
# ///
"""List the Globus endpoints of a service account, as text or JSON Lines.

An endpoint is a place that Globus can transfer files to or from; collections count as
endpoints, too. By default, list the endpoints that the account owns. --filter-scope
selects another list: administered-by-me has what it owns or administers, and
shared-with-me has what others share with it.

The account acts as itself, through OAuth2's client-credentials grant, so nobody has to
log in. Its client ID and client secret come from the environment variables
GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET.

The exit status is 0 if the list looks complete, 1 for a failure or for a list that may
be incomplete (it is printed all the same), and 2 if an option or a variable is refused
at the start. The shell reports 130 after Ctrl-C.
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

if __name__ == "__main__":
    # If stderr was closed at the start, sys.stderr is None. Discard messages then.
    sys.stderr = sys.stderr or open(os.devnull, "w", errors="ignore")  # noqa: SIM115
    # If main() itself fails, print one line and no traceback, because an error's text
    # can hold a password. After Ctrl-C, print nothing, not even during the imports
    # below. Python still kills itself with SIGINT, so a loop in the shell stops, too.
    sys.excepthook = lambda kind, error, trace: (
        None if kind is KeyboardInterrupt else fail(describe_unexpected_error(error))
    )

try:
    # Import these three classes now, because globus_sdk imports lazily, and they need
    # cryptography and requests. So a broken installation is reported here.
    import globus_sdk
    from globus_sdk import ConfidentialAppAuthClient, NetworkError, TransferClient
except Exception as error:  # noqa: BLE001
    sys.exit(f'list_endpoints.py: error: {error}; see "Set up" in README.md')

# The choices of --filter-scope (not OAuth2 scopes), each with the heading of its list.
HEADINGS = {
    "my-endpoints": "Endpoints Belonging to",
    "administered-by-me": "Endpoints Administered by",
    "shared-with-me": "Endpoints Shared with",
}
# The fields that --json prints. The text output shows the ID and the name.
FIELDS = ("id", "display_name", "entity_type")
PROXY_VARS = "HTTPS_PROXY, https_proxy, ALL_PROXY"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 if it succeeds, and exit if it fails."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--filter-scope",
        choices=HEADINGS,
        default="my-endpoints",
        help="what to list (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON Lines")
    parser.add_argument("-v", "--verbose", action="store_true", help="log to stderr")
    options = parser.parse_args(argv)
    if options.verbose:
        # Show only the SDK's log, which has URLs, the client ID and a hash of the
        # token. The log of urllib3 can quote a malformed header, and with it the token
        # itself. The handler that basicConfig adds is handlers[0].
        logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(message)s")
        logging.root.handlers[0].addFilter(logging.Filter("globus_sdk"))
    try:
        list_endpoints(options.filter_scope, as_json=options.json)
        return 0
    except NetworkError as error:
        fail(describe_network_error(error.underlying_exception))
    except globus_sdk.GlobusAPIError as error:
        fail(describe_api_error(error))
    except Exception as error:  # noqa: BLE001
        if options.verbose:
            # Show where the error arose, but not its text, which can hold a password.
            traceback.print_tb(error.__traceback__)
        fail(describe_unexpected_error(error))


def list_endpoints(filter_scope: str, as_json: bool) -> None:
    """Print the list that filter_scope selects, and fail if it may be incomplete."""
    auth = create_auth_client()
    # Globus Auth exchanges the client secret for one access token per resource server,
    # here for Transfer alone. The token allows everything in Transfer, even deletion,
    # because there is no narrower scope for a search.
    tokens = auth.oauth2_client_credentials_tokens(TransferClient.scopes.all)
    token = tokens.by_resource_server[TransferClient.resource_server]["access_token"]
    authorizer = globus_sdk.AccessTokenAuthorizer(token)
    transfer = TransferClient(authorizer=authorizer)
    endpoints = search(transfer, filter_scope)
    if as_json:
        lines = [json.dumps(endpoint) for endpoint in endpoints]
    else:
        # A service account's username is formed from its client ID.
        username = f"{auth.client_id}@clients.auth.globus.org"
        lines = [f"{HEADINGS[filter_scope]} {username}:", *map(text_line, endpoints)]
    write_stdout("".join(f"{line}\n" for line in lines))
    # Print this only at a terminal, because cron would mail it.
    if not endpoints and sys.stderr.isatty():
        print('The list is empty; see "An empty list" in README.md.', file=sys.stderr)
    # Check only now, because a list that may be incomplete is still useful.
    fail_if_incomplete(endpoints)


def create_auth_client() -> ConfidentialAppAuthClient:
    """Return a client for Globus Auth, or fail without quoting the ID or the secret."""
    names = ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET")
    # Strip the values, because Windows line endings in .env leave a carriage return at
    # the end of each.
    values = [os.environ.get(name, "").strip() for name in names]
    unset = [f"{name} is not set" for name, value in zip(names, values) if not value]
    if unset:
        hint = 'is .env filled in and loaded? See "Run it" in README.md'
        fail(f"{' and '.join(unset)}; {hint}", status=2)
    try:
        client_id = str(uuid.UUID(values[0]))
    except ValueError:
        hint = "is it the secret, or does it include the quotes?"
        fail(f"GLOBUS_CLIENT_ID is not a UUID; {hint}", status=2)
    try:
        return ConfidentialAppAuthClient(client_id, client_secret=values[1])
    except UnicodeError:
        # The secret cannot be encoded. This is a kind of ValueError, so catch it first.
        # Its text would show a character of the secret.
        fail("GLOBUS_CLIENT_SECRET is not valid UTF-8", status=2)
    except ValueError as error:
        fail(f"globus-sdk refuses a GLOBUS_SDK_ variable: {error}", status=2)


def search(transfer: TransferClient, filter_scope: str) -> list[dict[str, Any]]:
    """Return the FIELDS of each endpoint found, sorted by name and then by ID.

    See https://docs.globus.org/api/transfer/endpoint_and_collection_search/
    """
    endpoints = []
    # An endpoint has about 80 fields, so ask only for FIELDS.
    for page in transfer.paginated.endpoint_search(
        filter_scope=filter_scope, query_params={"fields": ",".join(FIELDS)}
    ):
        # The SDK adds the number of endpoints received to its offset, so after an empty
        # page it would request the same page for ever.
        if page["has_next_page"] and not page["DATA"]:
            fail("Globus Transfer sent an empty page but promised another")
        for endpoint in page["DATA"]:
            if not isinstance(endpoint.get("id"), str):
                fail("Globus Transfer sent an endpoint without an ID")
            endpoints.append({field: endpoint.get(field) for field in FIELDS})
    return sorted(endpoints, key=sort_key)


def sort_key(endpoint: dict[str, Any]) -> tuple[str, str]:
    """Return a key to sort by name, ignoring case, and then by ID."""
    name = endpoint["display_name"]
    return (name.casefold() if isinstance(name, str) else "", endpoint["id"])


def text_line(endpoint: dict[str, Any]) -> str:
    """Return "[ID] name", or "[ID]" if there is no name, safe for a terminal."""
    name = f" {endpoint['display_name']}" if endpoint["display_name"] else ""
    return escape(f"[{endpoint['id']}]{name}")


def fail_if_incomplete(endpoints: list[dict[str, Any]]) -> None:
    """Fail if the list shows a sign of being incomplete."""
    # A search returns at most 1000 endpoints. At that limit, nothing documented says
    # whether there are more.
    if len(endpoints) >= 1000:
        fail("the list may be incomplete: Globus returns at most 1000 endpoints")
    # If an endpoint is created between two requests, the following ones move down: one
    # is received twice, and the new one may be missed. After a deletion, one may be
    # missed without any sign.
    if len({endpoint["id"] for endpoint in endpoints}) < len(endpoints):
        fail("the list may be incomplete: it changed while it was read; run this again")


def escape(text: str) -> str:
    """Escape what can end a line, control a terminal or override the text's direction.

    The marks U+061C, U+200E and U+200F stay, because right-to-left names need them.
    """
    unsafe = r"[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
    return re.sub(unsafe, lambda match: ascii(match[0]).strip("'"), text)


def write_stdout(text: str) -> None:
    """Write text to stdout, or fail.

    If the reader has gone (as with | head), exit with 1 and no message.
    """
    if sys.stdout is None:
        fail("cannot write to stdout: stdout is closed")
    try:
        # Write to a duplicate of stdout. After a failed sys.stdout.write, Python would
        # try again at exit and report a second error. Closing the duplicate also
        # reveals errors that come only then, such as a full disk on NFS.
        with open(os.dup(sys.stdout.fileno()), "wb") as duplicate:
            duplicate.write(text.encode(sys.stdout.encoding, "backslashreplace"))
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        fail(f"cannot write to stdout: {error}")


def fail(message: str, status: int = 1) -> NoReturn:
    """Print the message on stderr as one line, cut to 800 characters, and exit.

    The SystemExit passes through `except Exception`.
    """
    line = escape(" ".join(message.split()))[:800]
    sys.stderr.write(f"list_endpoints.py: error: {line}\n")
    sys.exit(status)


def hide_long_words(text: str) -> str:
    """Replace each word of 40 or more characters, because it could be a credential.

    A client secret has 44 characters and an access token has more, but a client ID has
    only 36, so it stays. Words end at white space, colons, @, <, > and quotes, which
    can surround a credential but are never part of one. Call this before fail(), which
    could cut a credential into a piece that is too short to be hidden.
    """
    return re.sub(r"[^\s:@<>\"']{40,}", "[hidden]", text)


def describe_network_error(error: Exception) -> str:
    """Say which host was asked, what to check and, if that is safe, why it failed.

    By then, the SDK has made up to six attempts. Each fails after 60 seconds without
    data, or after GLOBUS_SDK_HTTP_TIMEOUT seconds.
    """
    request = getattr(error, "request", None)
    host = urlsplit(request.url).hostname if request else "Globus"
    # Never quote an error of requests or urllib3, because its text can hold a header or
    # a password. Follow the chain down to the first cause. If that is an OSError, it is
    # from the system, TLS or a proxy, and so it is safe. Skip the error at the top,
    # because the errors of requests are OSErrors, too.
    cause = error.__context__
    while cause and cause.__context__:
        cause = cause.__context__
    reason = f": {hide_long_words(str(cause))}" if isinstance(cause, OSError) else ""
    return (
        f"connection to {host} failed; check the network, {PROXY_VARS} and"
        f" GLOBUS_SDK_VERIFY_SSL; the error was: {type(error).__name__}{reason}"
    )


def describe_api_error(error: globus_sdk.GlobusAPIError) -> str:
    """Say which service answered with an error, what to check, and what it said."""
    service = "Auth" if isinstance(error, globus_sdk.AuthAPIError) else "Transfer"
    message = f"request to Globus {service} failed"
    if service == "Auth" and error.http_status in (400, 401):
        message += "; perhaps GLOBUS_CLIENT_ID or GLOBUS_CLIENT_SECRET is wrong or in"
        message += " quotes, or the client is not a service account; the answer was"
    # Auth and Transfer put the reason in different places, so quote the body. Globus
    # sends UTF-8, so ignore the charset that a header names.
    body = error.binary_content.decode(errors="replace").strip() or error.http_reason
    return f"{message}: {error.http_status} {hide_long_words(body)}"


def describe_unexpected_error(error: BaseException) -> str:
    """Give the error's type, place and likely causes, but not its text."""
    path, line, *_ = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} at {os.path.basename(path)}:{line}; maybe a"
        f" login page or proxy answered instead, a variable is malformed ({PROXY_VARS},"
        " GLOBUS_SDK_*), globus-sdk is older than 4, or this has a bug; -v shows more"
    )


if __name__ == "__main__":
    raise SystemExit(main())
