"""Run a command against a stand-in for Globus, and exit with the command's status.

The command finds in its environment a service account that owns a handful of example
endpoints; its requests for a token and for its endpoints are answered on a loopback
socket.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import secrets
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
TRANSFER_SCOPE = "urn:globus:auth:scope:transfer.api.globus.org:all"
MAX_RESULTS = 1000
SCOPES = "all administered-by-me in-use my-endpoints my-gcp-endpoints recently-used"
SCOPES += " shared-by-me shared-with-me"


def endpoint(
    endpoint_id: str,
    display_name: str | None,
    entity_type: str = "GCSv5_mapped_collection",
) -> Document:
    """Return an endpoint document with a few of the 80 fields that real ones have."""
    return {
        "DATA_TYPE": "endpoint",
        "id": endpoint_id,
        "display_name": display_name,
        "entity_type": entity_type,
        "owner_id": CLIENT_ID,
    }


def endpoints(count: int) -> list[Document]:
    """Return that many endpoint documents, each with an ID and a name of its own."""
    return [endpoint(str(uuid.UUID(int=n)), f"Collection {n}") for n in range(count)]


# fmt: off
OWNED = [
    endpoint("0d9f5d0e-3c1a-4a3e-9a0e-1b2c3d4e5f60", "Beamline 7 data server", "GCSv5_endpoint"),
    endpoint("1b7c2f6a-52d4-4f0b-8f4e-6a5b4c3d2e10", "Beamline 7 raw data"),
    endpoint("3d9e4b8c-74f6-4b2d-8b60-8c7d6e5f4a32", "Klimadaten Zürich", "GCP_mapped_collection"),
    endpoint("4eaf5c9d-8507-4c3e-9c71-9d8e7f6a5b43", None, "GCP_guest_collection"),
]
ADMINISTERED = [
    *OWNED,
    endpoint("2c8d3a7b-63e5-4a1c-9a5f-7b6c5d4e3f21", "Beamline 7 results, for partners", "GCSv5_guest_collection"),
]
# fmt: on


def answer(status: int, body: Any) -> Response:
    """Return an answer as Auth and Transfer send it, in JSON."""
    return Response(json.dumps(body), status, content_type="application/json")


class Fake:
    """Both services on one server, for one service account.

    `url` is the base URL of both, `requests` what has come so far. Every scope lists
    `endpoints`, unless `by_scope` has a list of its own for it. A test can put a
    fault or an answer of its own in place of the documented one: `faults` maps a
    request's number, from 0 on, to what answers it instead; `token_answer` and
    `page_answer` make what is sent of the document that would be.
    """

    def __init__(self, server: HTTPServer, endpoints: Sequence[Document]) -> None:
        # a path of its own, so that no request of an earlier test can reach it
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
        scope = request.args.get("filter_scope")
        if (
            scope not in SCOPES.split()
            or not 0 < limit <= 100
            or offset + limit > MAX_RESULTS
        ):
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
    parser.add_argument("command", help="a program to run")
    parser.add_argument(
        "argument", nargs=argparse.REMAINDER, help="what to hand to the program"
    )
    args = parser.parse_args(argv)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
    with HTTPServer(threaded=True) as server:
        fake = Fake(server, OWNED)
        fake.by_scope["administered-by-me"] = ADMINISTERED
        environ = {**os.environ, **fake.environ}
        try:
            return subprocess.run(
                [args.command, *args.argument], env=environ, check=False
            ).returncode
        except OSError as err:
            parser.exit(127, f"{parser.prog}: error: cannot run a program: {err}\n")


if __name__ == "__main__":
    raise SystemExit(main())
