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
    raise SystemExit(
        f"fake_globus.py: error: {err}; install tests/requirements.txt"
    ) from None

CLIENT_ID = "5e0fa2d1-8a7c-4b6e-9f3d-2c1b0a998877"
CLIENT_SECRET = "example+secret/of+a+fake+service+account="
TRANSFER_SCOPE = "urn:globus:auth:scope:transfer.api.globus.org:all"
MAX_RESULTS = 1000
REQUEST_ID = "7a1e4c2b-9d3f-4e5a-8b6c-0f1e2d3c4b5a"
EXAMPLES = (
    (
        "0d9f5d0e-3c1a-4a3e-9a0e-1b2c3d4e5f60",
        "Beamline 7 data server",
        "GCSv5_endpoint",
    ),
    (
        "1b7c2f6a-52d4-4f0b-8f4e-6a5b4c3d2e10",
        "Beamline 7 raw data",
        "GCSv5_mapped_collection",
    ),
    (
        "2c8d3a7b-63e5-4a1c-9a5f-7b6c5d4e3f21",
        "Beamline 7 results, for partners",
        "GCSv5_guest_collection",
    ),
    (
        "3d9e4b8c-74f6-4b2d-8b60-8c7d6e5f4a32",
        "Klimadaten Zürich",
        "GCP_mapped_collection",
    ),
    ("4eaf5c9d-8507-4c3e-9c71-9d8e7f6a5b43", None, "GCP_guest_collection"),
)

Document = dict[str, Any]


def endpoint(
    endpoint_id: str,
    display_name: str | None,
    entity_type: str = "GCSv5_mapped_collection",
) -> Document:
    """Return an endpoint document with all the fields that Transfer's documents have."""
    null = """
        acl_max_expiration_period_mins authentication_assurance_timeout
        authentication_policy_id contact_email contact_info department expire_time
        gcp_connected gcp_paused globus_connect_setup_key host_endpoint
        host_endpoint_display_name host_endpoint_id host_path https_server info_link
        last_accessed_time local_user_info_available mapped_collection_display_name
        mapped_collection_id myproxy_dn oauth_server s3_url sharing_target_endpoint
        sharing_target_root_path storage_type subscription_id user_message
        user_message_link
    """
    false = """
        acl_available acl_editable activated disable_anonymous_writes disable_verify
        force_encryption force_verify french_english_bilingual high_assurance in_use
        is_globus_connect mfa_required non_functional requester_pays
        s3_owner_activated subscription_admin_verified
    """
    return {
        **dict.fromkeys(null.split()),
        **dict.fromkeys(false.split(), False),
        "DATA": [],
        "DATA_TYPE": "endpoint",
        "_rank": 1.0,
        "authentication_timeout_mins": 15840,
        "canonical_name": f"example#{endpoint_id}",
        "default_directory": "/{server_default}/",
        "description": "An example collection of the fake Globus. " * 4,
        "display_name": display_name,
        "entity_type": entity_type,
        "expires_in": -1,
        "gcs_manager_url": "https://abc123.0001.data.globus.example",
        "gcs_version": "5.4.90",
        "id": endpoint_id,
        "keywords": "example, fake",
        "location": "Automatic",
        "max_concurrency": 4,
        "max_parallelism": 8,
        "my_effective_roles": ["administrator"],
        "myproxy_server": "myproxy.globus.example",
        "name": endpoint_id,
        "network_use": "normal",
        "non_functional_endpoint_display_name": "Example endpoint",
        "non_functional_endpoint_id": "9b2c3d4e-5f60-4718-a293-b4c5d6e7f801",
        "organization": "Example University",
        "owner_id": CLIENT_ID,
        "owner_string": f"{CLIENT_ID}@clients.auth.globus.org",
        "preferred_concurrency": 2,
        "preferred_parallelism": 4,
        "public": True,
        "shareable": True,
        "tlsftp_server": "tlsftp://m-0001.abc123.0001.data.globus.example:443",
        "username": "u_example",
    }


def endpoints(count: int) -> list[Document]:
    """Return that many endpoint documents, each with an ID and a name of its own."""
    return [endpoint(str(uuid.UUID(int=n)), f"Collection {n}") for n in range(count)]


def refusal(status: int, **body: Any) -> Response:
    """Return an error as Auth and Transfer send it: JSON with a status of 4xx or 5xx."""
    return Response(json.dumps(body), status, content_type="application/json")


class FakeGlobus:
    """Both services on one server, for one service account.

    `url` is the base URL of both, `requests` what has come so far. A test can put a
    fault or an answer of its own in place of the documented one: `faults` maps a
    request's number, from 0 on, to what answers it instead; `token_answer` and
    `page_answer` make what is sent of the document that would be.
    """

    def __init__(self, server: HTTPServer, owned: Sequence[Document]) -> None:
        # a path of its own, so that no request of an earlier test can reach it
        path = f"/{secrets.token_hex(8)}"
        self.url = server.url_for(f"{path}/")
        self.requests: list[Request] = []
        self.endpoints = list(owned)
        self.tokens: list[str] = []
        self.faults: dict[int, Callable[[Request], Response]] = {}
        self.token_answer: Callable[[Document], Any] = lambda document: document
        self.page_answer: Callable[[Document], Any] = lambda document: document
        for method, suffix, answer in (
            ("POST", "/v2/oauth2/token", self._token),
            ("GET", "/v0.10/endpoint_search", self._endpoint_search),
        ):
            server.expect_request(path + suffix, method=method).respond_with_handler(
                functools.partial(self._respond, answer)
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

    def _respond(self, answer: Callable[[Request], Any], request: Request) -> Response:
        self.requests.append(request)
        fault = self.faults.get(len(self.requests) - 1)
        body = fault(request) if fault else answer(request)
        if isinstance(body, Response):
            return body
        return Response(json.dumps(body), content_type="application/json")

    def _token(self, request: Request) -> Any:
        who = request.authorization
        if (
            who is None
            or who.type != "basic"
            or (who.username, who.password) != (CLIENT_ID, CLIENT_SECRET)
        ):
            return refusal(
                401,
                error="invalid_client",
                errors=[
                    {
                        "status": "401",
                        "code": "UNAUTHORIZED",
                        "detail": "Basic auth failed",
                        "id": REQUEST_ID,
                    }
                ],
            )
        if request.form.get("grant_type") != "client_credentials":
            return refusal(400, error="unsupported_grant_type")
        if request.form.get("scope") != TRANSFER_SCOPE:
            return refusal(400, error="unknown_scope")
        self.tokens.append(secrets.token_urlsafe(48))
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
        if who is None or who.type != "bearer" or who.token not in self.tokens:
            return refusal(
                401,
                code="AuthenticationFailed",
                message="Token is not active",
                request_id="aBcDeFgHi",
                resource="/endpoint_search",
            )
        limit = int(request.args.get("limit", 25))
        offset = int(request.args.get("offset", 0))
        if (
            request.args.get("filter_scope") != "my-endpoints"
            or not 0 < limit <= 100
            or offset + limit > MAX_RESULTS
        ):
            return refusal(
                400,
                code="BadRequest",
                message="Invalid search",
                request_id="aBcDeFgHi",
                resource="/endpoint_search",
            )
        page = self.endpoints[offset : offset + limit]
        if "fields" in request.args:
            fields = request.args["fields"].split(",")
            page = [{k: v for k, v in each.items() if k in fields} for each in page]
        return self.page_answer(
            {
                "DATA_TYPE": "endpoint_list",
                "offset": offset,
                "limit": limit,
                "has_next_page": offset + limit < len(self.endpoints),
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
        fake = FakeGlobus(server, [endpoint(*example) for example in EXAMPLES])
        environ = {**os.environ, **fake.environ}
        try:
            return subprocess.run(
                [args.command, *args.argument], env=environ, check=False
            ).returncode
        except OSError as err:
            parser.exit(127, f"{parser.prog}: error: cannot run a program: {err}\n")


if __name__ == "__main__":
    raise SystemExit(main())
