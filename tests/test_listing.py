"""What the script prints and what it asks Globus for, when all is well."""

from __future__ import annotations

import math
import re

import pytest
from conftest import ERROR, Run
from fake_globus import (
    CLIENT_ID,
    CLIENT_SECRET,
    TRANSFER_SCOPE,
    Document,
    FakeGlobus,
    endpoint,
    endpoints,
    refusal,
)
from werkzeug import Response

NEW_ID = "ffffffff-0000-4000-8000-000000000000"
HEADING = f"Endpoints Belonging to {CLIENT_ID}@clients.auth.globus.org:\n"


def text(count: int) -> str:
    return text_of(endpoints(count))


def text_of(owned: list[Document]) -> str:
    return HEADING + "".join(f"[{e['id']}] {e['display_name']}\n" for e in owned)


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


@pytest.mark.parametrize("shift", ["created", "created twice", "moved"])
def test_a_list_that_shifted_while_it_was_read_is_printed_and_says_so(
    fake: FakeGlobus, run: Run, shift: str
) -> None:
    first, second, third = (fake.endpoints[n : n + 100] for n in (0, 100, 200))

    def change(document: Document) -> Document:
        if document["offset"] == 0 and shift != "moved":
            fake.endpoints.insert(0, endpoint(NEW_ID, "created"))
        if document["offset"] == 100 and shift == "created twice":
            fake.endpoints.insert(0, endpoint(NEW_ID, "created"))
        if document["offset"] == 100 and shift == "moved":
            fake.endpoints.append(fake.endpoints[0])
        return document

    fake.page_answer = change
    twice = {
        "created": [*first, first[-1], *second, *third],
        "created twice": [*first, first[-1], *second[:-1], *second[-2:], *third],
        "moved": [*first, *second, *third, first[0]],
    }

    status, out, err = run()

    assert (status, out) == (1, text_of(twice[shift]))
    assert err == (
        f"{ERROR}the list may be incomplete: it changed while it was read; "
        "run this again\n"
    )


def test_a_shifted_list_in_json_is_printed_and_says_so(
    fake: FakeGlobus, run: Run
) -> None:
    fake.endpoints = [*endpoints(3), *endpoints(1)]

    status, out, err = run("--json")

    assert (status, out.count("\n")) == (1, 4)
    assert "may be incomplete: it changed" in err


@pytest.mark.parametrize("args", [[], ["--json"]], ids=["text", "JSON"])
@pytest.mark.parametrize("number", range(4))
def test_a_run_that_fails_prints_nothing_whatever_came_before(
    fake: FakeGlobus, run: Run, number: int, args: list[str]
) -> None:
    fake.faults[number] = lambda request: refusal(403, code="No")

    status, out, err = run(*args)

    assert (status, out) == (1, "")
    assert "refused: 403 " in err


@pytest.mark.parametrize("display_name", [None, ""])
def test_an_endpoint_with_no_display_name_is_its_id_alone(
    fake: FakeGlobus, run: Run, display_name: str | None
) -> None:
    fake.endpoints = [endpoint("4eaf5c9d-8507-4c3e-9c71-9d8e7f6a5b43", display_name)]

    assert run().out == HEADING + "[4eaf5c9d-8507-4c3e-9c71-9d8e7f6a5b43]\n"


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


@pytest.mark.parametrize("args", [[], ["--json"]], ids=["text", "JSON"])
def test_the_search_asks_for_three_fields_and_no_more(
    fake: FakeGlobus, run: Run, args: list[str]
) -> None:
    fields = "id,display_name,entity_type"

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

    status, out, err = run_script("-v")

    assert (status, out) == (0, text(250))
    assert "/v2/oauth2/token" in err
    assert "/v0.10/endpoint_search" in err
    assert "request retry_sleep(1.0)" in err
    assert "access token expires in 172800 seconds" in err
    assert CLIENT_SECRET not in err
    assert fake.tokens[0] not in err


def test_quiet_says_nothing_of_a_retry(fake: FakeGlobus, run_script: Run) -> None:
    fake.faults[1] = lambda request: Response(status=503, headers={"Retry-After": "1"})

    assert run_script() == (0, text(250), "")
