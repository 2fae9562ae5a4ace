"""What the script prints and what it asks Globus for, when all is well."""

from __future__ import annotations

import math
import re
import threading
from datetime import datetime, timedelta, timezone

import pytest
from conftest import ERROR, Run, start
from fake_globus import (
    CLIENT_ID,
    CLIENT_SECRET,
    TRANSFER_SCOPE,
    FakeGlobus,
    endpoint,
    endpoints,
)
from werkzeug import Request, Response

HEADING = f"Endpoints Belonging to {CLIENT_ID}@clients.auth.globus.org:\n"


def text(count: int) -> str:
    lines = (f"[{e['id']}] {e['display_name']}\n" for e in endpoints(count))
    return HEADING + "".join(lines)


def test_text_is_a_heading_and_a_line_for_each_endpoint(
    fake: FakeGlobus, run: Run
) -> None:
    fake.endpoints = [
        endpoint("0d9f5d0e-3c1a-4a3e-9a0e-1b2c3d4e5f60", "Beamline 7 raw data"),
        endpoint("1b7c2f6a-52d4-4f0b-8f4e-6a5b4c3d2e10", "Klimadaten Zürich"),
    ]

    status, out, err = run()

    assert (status, err) == (0, "")
    assert out == (
        "Endpoints Belonging to "
        "5e0fa2d1-8a7c-4b6e-9f3d-2c1b0a998877@clients.auth.globus.org:\n"
        "[0d9f5d0e-3c1a-4a3e-9a0e-1b2c3d4e5f60] Beamline 7 raw data\n"
        "[1b7c2f6a-52d4-4f0b-8f4e-6a5b4c3d2e10] Klimadaten Zürich\n"
    )


def test_json_is_an_object_a_line_with_three_fields_and_no_heading(
    fake: FakeGlobus, run: Run
) -> None:
    fake.endpoints = [
        endpoint("0d9f5d0e-3c1a-4a3e-9a0e-1b2c3d4e5f60", "Beamline 7\nraw data"),
        endpoint("1b7c2f6a-52d4-4f0b-8f4e-6a5b4c3d2e10", None),
    ]

    status, out, err = run("--json")

    assert (status, err) == (0, "")
    assert out == (
        '{"id": "0d9f5d0e-3c1a-4a3e-9a0e-1b2c3d4e5f60", "display_name": '
        '"Beamline 7\\nraw data", "entity_type": "GCSv5_mapped_collection"}\n'
        '{"id": "1b7c2f6a-52d4-4f0b-8f4e-6a5b4c3d2e10", "display_name": '
        'null, "entity_type": "GCSv5_mapped_collection"}\n'
    )


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250, 999])
def test_every_endpoint_is_listed_in_order_in_the_fewest_requests(
    fake: FakeGlobus, run: Run, count: int
) -> None:
    fake.endpoints = endpoints(count)

    assert run() == (0, text(count), "")
    assert len(fake.requests) == 1 + max(1, math.ceil(count / 100))


def test_999_endpoints_are_listed_whole_by_a_process_in_11_requests(
    fake: FakeGlobus, run_script: Run
) -> None:
    fake.endpoints = endpoints(999)

    assert run_script() == (0, text(999), "")
    assert len(fake.requests) == 11


def test_json_of_no_endpoints_is_empty(fake: FakeGlobus, run: Run) -> None:
    fake.endpoints = []

    assert run("--json") == (0, "", "")


@pytest.mark.parametrize("count", [1000, 1500])
def test_a_list_that_globus_may_have_cut_is_printed_and_says_so(
    fake: FakeGlobus, run: Run, count: int
) -> None:
    fake.endpoints = endpoints(count)

    status, out, err = run()

    assert (status, out) == (1, text(1000))
    assert err == (
        f"{ERROR}the list may be incomplete: Globus returns at most 1000 for a search\n"
    )
    assert len(fake.requests) == 11


@pytest.mark.parametrize("display_name", [None, ""])
def test_an_endpoint_with_no_display_name_shows_its_canonical_name(
    fake: FakeGlobus, run: Run, display_name: str | None
) -> None:
    fake.endpoints = [endpoint("4eaf5c9d-8507-4c3e-9c71-9d8e7f6a5b43", display_name)]

    assert run().out == HEADING + (
        "[4eaf5c9d-8507-4c3e-9c71-9d8e7f6a5b43] "
        "example#4eaf5c9d-8507-4c3e-9c71-9d8e7f6a5b43\n"
    )


def test_the_grant_asks_for_the_transfer_scope_alone(
    fake: FakeGlobus, run: Run
) -> None:
    run()

    grant = fake.requests[0]
    assert (grant.method, grant.url) == ("POST", f"{fake.url}v2/oauth2/token")
    assert grant.form.to_dict() == {
        "grant_type": "client_credentials",
        "scope": TRANSFER_SCOPE,
    }


@pytest.mark.parametrize(
    ("args", "fields"),
    [
        pytest.param([], "id,display_name,canonical_name", id="text"),
        pytest.param(["--json"], "id,display_name,entity_type", id="JSON"),
    ],
)
def test_the_search_asks_for_nothing_that_is_not_printed(
    fake: FakeGlobus, run: Run, args: list[str], fields: str
) -> None:
    run(*args)

    assert [search.args.to_dict() for search in fake.requests[1:]] == [
        {"filter_scope": "my-endpoints", "fields": fields, "limit": "100"},
        {
            "filter_scope": "my-endpoints",
            "fields": fields,
            "limit": "100",
            "offset": "100",
        },
        {
            "filter_scope": "my-endpoints",
            "fields": fields,
            "limit": "100",
            "offset": "200",
        },
    ]


def test_every_run_gets_a_token_of_its_own(fake: FakeGlobus, run: Run) -> None:
    run()
    run()

    sent = [search.authorization for search in fake.requests if search.method == "GET"]
    assert [who and who.token for who in sent] == [
        token for token in fake.tokens for _ in range(3)
    ]
    assert len(set(fake.tokens)) == 2


def test_a_page_is_printed_into_a_pipe_before_the_next_one_comes(
    fake: FakeGlobus, environ: dict[str, str]
) -> None:
    first_page_is_read = threading.Event()
    was_read_first = []

    def wait(request: Request) -> Response:
        was_read_first.append(first_page_is_read.wait(10))
        return Response(status=404)

    fake.faults[2] = wait
    with start(environ) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(101)]
        first_page_is_read.set()
        process.communicate()

    assert "".join(lines) == text(100)
    assert was_read_first == [True]


def test_help_names_the_variables_and_the_exit_statuses(run_script: Run) -> None:
    status, out, err = run_script("--help")

    assert (status, err) == (0, "")
    for words in ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET", "0 if", "1 if", "2 if"):
        assert words in " ".join(out.split())
    options = re.findall(r"^  (?:-\w, )?(--\w+)", out, re.MULTILINE)
    assert options == ["--help", "--json", "--verbose"]


def test_verbose_logs_requests_retries_and_expiry_and_no_secret(
    fake: FakeGlobus, run_script: Run
) -> None:
    fake.faults[1] = lambda request: Response(status=503, headers={"Retry-After": "1"})
    before = datetime.now(timezone.utc)

    status, out, err = run_script("-v")

    assert (status, out) == (0, text(250))
    assert "/v2/oauth2/token" in err
    assert "/v0.10/endpoint_search" in err
    assert "request retry_sleep(1.0)" in err
    found = re.search(r"access token expires at (\S+)", err)
    assert found
    lifetime = datetime.fromisoformat(found[1]) - before
    assert abs(lifetime - timedelta(days=2)) < timedelta(minutes=1)
    assert found[1].endswith("+00:00")
    assert CLIENT_SECRET not in err
    assert fake.tokens[0] not in err


def test_quiet_says_nothing_of_a_retry(fake: FakeGlobus, run_script: Run) -> None:
    fake.faults[1] = lambda request: Response(status=503, headers={"Retry-After": "1"})

    assert run_script() == (0, text(250), "")
