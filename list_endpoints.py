#!/usr/bin/env python3
# /// script
# requires-python = ">=3.9"
# dependencies = ["globus-sdk>=4.2,<5"]
# ///
"""List the Globus endpoints (collections) that a service account owns.

GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET come from the environment. The exit status is 0
if the list is whole, 1 if it is not, and 2 if the call or the set-up is wrong.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import logging
import os
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

try:
    import globus_sdk
except ImportError as err:
    sys.stderr.write(f"list_endpoints.py: error: {err}; install requirements.txt\n")
    raise SystemExit(2) from None

TEXT_FIELDS = ("id", "display_name", "canonical_name")
JSON_FIELDS = ("id", "display_name", "entity_type")
log = logging.getLogger("list_endpoints")


def read_credentials() -> tuple[str, str]:
    """Return client ID and client secret; ValueError names a variable, never its value."""
    names = ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET")
    client_id, client_secret = (os.getenv(name, "").strip() for name in names)
    if missing := [n for n, v in zip(names, (client_id, client_secret)) if not v]:
        raise ValueError(f"{' and '.join(missing)} missing")
    if not re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", client_id.lower()):
        raise ValueError("GLOBUS_CLIENT_ID is not a UUID")
    return client_id.lower(), client_secret


def get_access_token(auth_client: globus_sdk.ConfidentialAppAuthClient) -> str:
    """Return an access token for Transfer alone, from the client-credentials grant."""
    scopes = globus_sdk.TransferClient.scopes
    tokens = auth_client.oauth2_client_credentials_tokens(requested_scopes=scopes.all)
    token = tokens.by_resource_server[scopes.resource_server]
    authorization = token["token_type"] + " " + token["access_token"]
    # requests would quote a header that it refuses, token and all, in its error
    if not re.fullmatch("Bearer [!-~]+", authorization):
        raise ValueError("not a bearer token")
    expires = datetime.now(timezone.utc) + timedelta(seconds=tokens["expires_in"])
    log.info("access token expires at %s", expires.isoformat(timespec="seconds"))
    return str(token["access_token"])


def page_lines(page: globus_sdk.GlobusHTTPResponse, fields: Sequence[str]) -> list[str]:
    """Return a line for each endpoint of a page, or raise if Globus cannot have sent it."""
    endpoints, more = page["DATA"], page["has_next_page"]
    # after an empty page that promises another, the SDK would ask for ever
    if [type(endpoints), type(more)] != [list, bool] or (more and not endpoints):
        raise ValueError("not a page of endpoints")
    rows = [[endpoint[field] for field in fields] for endpoint in endpoints]
    for field, value in (pair for row in rows for pair in zip(fields, row)):
        if not isinstance(value, str) and (field, value) != ("display_name", None):
            raise TypeError(f"an endpoint's {field} is not text")
    if fields == JSON_FIELDS:
        return [json.dumps(dict(zip(fields, row))) for row in rows]
    return [printable(f"[{id_}] {name or canonical}") for id_, name, canonical in rows]


def printable(text: str) -> str:
    """Escape what could end the line, turn it around or drive the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def explain(err: Exception, service: str) -> str:
    """Say what failed, what Globus said and what to do; without a service, the set-up."""
    if not service:
        return f"{err}; see .env.example"
    if isinstance(err, globus_sdk.GlobusAPIError):
        body = err.raw_json if isinstance(err.raw_json, dict) else {}
        words = [err.http_reason, body.get("error"), err.code, err.message]
        words += [f"request ID {err.request_id}"] if err.request_id else []
        said = ", ".join(word for word in words if isinstance(word, str))
        if isinstance(err, globus_sdk.AuthAPIError) and err.http_status in (400, 401):
            said += "; check GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET, and that the "
            said += "client is registered as a service account"
        return f"{service} refused: {err.http_status} {said}"
    if isinstance(err, globus_sdk.NetworkError):
        err = err.underlying_exception
        # the reason of a failed connection is in urllib3's error, inside that of requests
        err = getattr(next(iter(err.args), None), "reason", err)
    return f"no usable answer from {service}: {type(err).__name__}: {err}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the list and return the exit status; every failure ends up here."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print JSON Lines instead")
    parser.add_argument("-v", "--verbose", action="store_true", help="log to stderr")
    status, received = 2, 0
    service = client_secret = basic = access_token = ""
    try:
        if sys.stdout is None:
            raise OSError("cannot write to stdout: it is closed")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            args = parser.parse_args(argv)
        finally:
            sys.stdout.flush()  # or what --help printed would fail beyond this boundary
        if args.verbose:
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
            logging.getLogger("globus_sdk").setLevel(logging.DEBUG)
        client_id, client_secret = read_credentials()
        basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        with globus_sdk.ConfidentialAppAuthClient(client_id, client_secret) as auth:
            if (wait := auth.transport.http_timeout) is not None and not 0 < wait < 1e9:
                raise ValueError("GLOBUS_SDK_HTTP_TIMEOUT is not a number of seconds")
            status, service = 1, f"Globus Auth ({auth.base_url})"
            access_token = get_access_token(auth)
        authorizer = globus_sdk.AccessTokenAuthorizer(access_token)
        fields = JSON_FIELDS if args.json else TEXT_FIELDS
        heading = f"Endpoints Belonging to {client_id}@clients.auth.globus.org:"
        lines = [] if args.json else [heading]
        with globus_sdk.TransferClient(authorizer=authorizer) as transfer:
            service = f"Globus Transfer ({transfer.base_url})"
            for page in transfer.paginated.endpoint_search(
                filter_scope="my-endpoints", query_params={"fields": ",".join(fields)}
            ):
                lines += page_lines(page, fields)
                sys.stdout.writelines(f"{line}\n" for line in lines)
                sys.stdout.flush()
                received += len(page["DATA"])
                lines = []
        if received < 1000:
            return 0
        message = "the list may be incomplete: Globus returns at most 1000 for a search"
    except KeyboardInterrupt:
        return 130
    except OSError as err:
        # Python flushes stdout once more on its way out, and would complain itself
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(err, BrokenPipeError):
            return 1
        status, message = 1, f"cannot write to stdout: {err}" if err.errno else str(err)
    except Exception as err:  # noqa: BLE001
        message = explain(err, service)
    for secret in filter(None, (client_secret, basic, access_token)):
        message = message.replace(secret, "[hidden]")
    message = re.sub(r"(?s)^(.{500}).+(.{300})$", r"\1 ... \2", printable(message))
    sys.stderr.write(f"list_endpoints.py: error: {message}\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
