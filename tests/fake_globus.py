"""Run a command against a stand-in for Globus, and exit with the command's status.

The command finds the credentials of a service account in its environment. A server on
this machine answers its requests for a token and for the account's handful of example
endpoints. If a signal ends the command, the status is 128 plus the signal's number.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import secrets
import signal
import subprocess
import uuid
from collections.abc import Callable, Sequence
from typing import Any

try:
    from pytest_httpserver import HTTPServer
    from werkzeug import Request, Response
except ImportError as err:
    raise SystemExit(f"fake_globus.py: error: {err}; see README.md") from None

Document = dict[str, Any]
Answer = Callable[[Request], Any]

CLIENT_ID = "5e0fa2d1-8a7c-4b6e-9f3d-2c1b0a998877"
CLIENT_SECRET = "example/secret+of+the+fake+service+account+="
TOKEN_MARK = "accesstokenofthefake"
SERVER_ID = "9b3c7d51-1f6e-4c2a-8d40-5a6b7c8d9e0f"
TRANSFER_SCOPE = "urn:globus:auth:scope:transfer.api.globus.org:all"
MAX_RESULTS = 1000
SCOPES = "all administered-by-me in-use my-endpoints my-gcp-endpoints recently-used"
SCOPES += " shared-by-me shared-with-me"


def endpoint(
    endpoint_id: str,
    display_name: str,
    entity_type: str = "GCP_mapped_collection",
    owner_id: str = CLIENT_ID,
) -> Document:
    """Return an endpoint document with five of the about 80 fields of a real one."""
    return {
        "DATA_TYPE": "endpoint",
        "id": endpoint_id,
        "display_name": display_name,
        "entity_type": entity_type,
        "owner_id": owner_id,
    }


def endpoints(count: int) -> list[Document]:
    """Return that many endpoint documents, each with its own ID and name, in order."""
    return [endpoint(str(uuid.UUID(int=n)), f"Collection {n:04}") for n in range(count)]


# fmt: off
OWNED = [
    endpoint("0d9f5d0e-3c1a-4a3e-9a0e-1b2c3d4e5f60", "Beamline 7 laptop", "GCP_mapped_collection"),
    endpoint("1b7c2f6a-52d4-4f0b-8f4e-6a5b4c3d2e10", "Beamline 7 results", "GCP_guest_collection"),
    endpoint("3d9e4b8c-74f6-4b2d-8b60-8c7d6e5f4a32", "Klimadaten Zürich", "GCP_mapped_collection"),
    endpoint("4eaf5c9d-8507-4c3e-9c71-9d8e7f6a5b43", "Field notes", "GCP_guest_collection"),
]
# On a Connect Server, the server itself is the owner.
ADMINISTERED = [
    *OWNED,
    endpoint("2c8d3a7b-63e5-4a1c-9a5f-7b6c5d4e3f21", "Beamline 7 data server", "GCSv5_endpoint", SERVER_ID),
    endpoint("6ac17eaf-a729-4e50-8e93-1f0a9b8c7d65", "Beamline 7 raw data", "GCSv5_mapped_collection", SERVER_ID),
]
SHARED = [
    endpoint("5fb06d9e-9618-4d4f-8d82-0e9f8a7b6c54", "Detector calibration", "GCSv5_guest_collection", SERVER_ID),
]
# fmt: on


def answer(status: int, body: Any) -> Response:
    """Return a JSON answer, as Auth and Transfer send it."""
    return Response(json.dumps(body), status, content_type="application/json")


class Fake:
    """Globus Auth and Globus Transfer on one server, for one service account.

    `url` is the base URL of both services, and `requests` has the requests so far.
    Every filter_scope lists `endpoints`, unless `by_scope` has another list. A test can
    change answers: `faults` maps the number of a request, counted from 0, to a function
    that answers it instead, and `token_answer` and `page_answer` get each document
    before it is sent, and return what to send in its place.
    """

    def __init__(self, server: HTTPServer, endpoints: Sequence[Document]) -> None:
        # Use a new path, so that no late request from an earlier test arrives here.
        path = f"/{secrets.token_hex(8)}"
        self.url = server.url_for(f"{path}/")
        self.requests: list[Request] = []
        self.endpoints = list(endpoints)
        self.by_scope: dict[str, list[Document]] = {}
        self.tokens: list[str] = []
        self.faults: dict[int, Answer] = {}
        self.token_answer: Callable[[Document], Any] = lambda document: document
        self.page_answer: Callable[[Document], Any] = lambda document: document
        for method, suffix, respond in (
            ("POST", "/v2/oauth2/token", self._token),
            ("GET", "/v0.10/endpoint_search", self._endpoint_search),
        ):
            server.expect_request(path + suffix, method=method).respond_with_handler(
                functools.partial(self._respond, respond)
            )

    @property
    def environ(self) -> dict[str, str]:
        """The environment that points the Globus SDK at this server."""
        return {
            "GLOBUS_CLIENT_ID": CLIENT_ID,
            "GLOBUS_CLIENT_SECRET": CLIENT_SECRET,
            "GLOBUS_SDK_SERVICE_URL_AUTH": self.url,
            "GLOBUS_SDK_SERVICE_URL_TRANSFER": self.url,
            "no_proxy": "localhost",
        }

    def _respond(self, respond: Answer, request: Request) -> Response:
        self.requests.append(request)
        body = self.faults.get(len(self.requests) - 1, respond)(request)
        return body if isinstance(body, Response) else answer(200, body)

    def _token(self, request: Request) -> Any:
        who = request.authorization
        if not who or (who.username, who.password) != (CLIENT_ID, CLIENT_SECRET):
            error = {"status": "401", "code": "UNAUTHORIZED"}
            error |= {"detail": "Basic auth failed", "id": str(uuid.UUID(int=7))}
            return answer(401, {"error": "invalid_client", "errors": [error]})
        grant = {"grant_type": "client_credentials", "scope": TRANSFER_SCOPE}
        if request.form.to_dict() != grant:
            return answer(400, {"error": "invalid_request"})
        self.tokens.append(TOKEN_MARK + secrets.token_hex(36))
        return self.token_answer(
            {
                "access_token": self.tokens[-1],
                "scope": TRANSFER_SCOPE,
                "expires_in": 172800,
                "token_type": "Bearer",
                "resource_server": "transfer.api.globus.org",
                "other_tokens": [],
            }
        )

    def _endpoint_search(self, request: Request) -> Any:
        who = request.authorization
        if not who or who.type != "bearer" or who.token not in self.tokens:
            return answer(401, {"code": "AuthenticationFailed", "request_id": "aBcDeF"})
        limit = int(request.args.get("limit", 25))
        offset = int(request.args.get("offset", 0))
        scope = request.args.get("filter_scope", "")
        known = scope in SCOPES.split()
        if not known or not 0 < limit <= 100 or offset + limit > MAX_RESULTS:
            return answer(400, {"code": "BadRequest", "request_id": "aBcDeFgHi"})
        found = self.by_scope.get(scope, self.endpoints)
        page = found[offset : offset + limit]
        if "fields" in request.args:
            fields = request.args["fields"].split(",")
            page = [{k: v for k, v in each.items() if k in fields} for each in page]
        return self.page_answer(
            {
                "DATA_TYPE": "endpoint_list",
                "offset": offset,
                "limit": limit,
                "has_next_page": offset + limit < len(found),
                "DATA": page,
            }
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", help="the command to run")
    parser.add_argument(
        "argument", nargs=argparse.REMAINDER, help="an argument for the command"
    )
    args = parser.parse_args(argv)
    # Otherwise werkzeug would log each request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # Leave Ctrl-C to the command, and wait for the command to end.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, frame: None)
    with HTTPServer(threaded=True) as server:
        fake = Fake(server, OWNED)
        fake.by_scope = {"administered-by-me": ADMINISTERED, "shared-with-me": SHARED}
        environ = {**os.environ, **fake.environ}
        command = [args.command, *args.argument]
        try:
            status = subprocess.run(command, env=environ, check=False).returncode
        except OSError as err:
            parser.exit(127, f"{parser.prog}: error: cannot run the command: {err}\n")
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    raise SystemExit(main())
