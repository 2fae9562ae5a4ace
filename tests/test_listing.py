"""What the script prints and what it asks Globus for, when all is well."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from conftest import (
    COMMAND,
    ERROR,
    FIELDS,
    HEADING,
    HELP,
    MODES,
    Environ,
    Run,
    altered,
    sh,
    text,
)
from fake_globus import (
    ADMINISTERED,
    OWNED,
    Document,
    Fake,
    answer,
    endpoint,
    endpoints,
)

NEW_ID = "ffffffff-0000-4000-8000-000000000000"


def test_json_is_an_ascii_object_a_line(fake: Fake, run: Run) -> None:
    fake.endpoints = OWNED[2:]

    status, out, err = run("--json")

    assert (status, err) == (0, "")
    assert out == (
        '{"id": "3d9e4b8c-74f6-4b2d-8b60-8c7d6e5f4a32", "display_name": '
        '"Klimadaten Z\\u00fcrich", "entity_type": "GCP_mapped_collection"}\n'
        '{"id": "4eaf5c9d-8507-4c3e-9c71-9d8e7f6a5b43", "display_name": '
        'null, "entity_type": "GCP_guest_collection"}\n'
    )


def test_administered_lists_what_is_not_owned_too(fake: Fake, run: Run) -> None:
    fake.endpoints = endpoints(1)
    fake.by_scope["administered-by-me"] = [*endpoints(1), ADMINISTERED[-1]]
    heading = HEADING.replace("Belonging to", "Administered by")

    listed = text(fake.by_scope["administered-by-me"], heading)
    assert run("--administered") == (0, listed, "")
    assert run("--administered", "--json").out.count("\n") == 2
    assert run() == (0, text(endpoints(1)), "")


@pytest.mark.parametrize("count", [0, 1, 100, 101, 999])
def test_all_are_listed_in_fewest_requests(fake: Fake, run: Run, count: int) -> None:
    fake.endpoints = endpoints(count)[::-1]

    assert run() == (0, text(endpoints(count)[::-1]), "")
    assert len(fake.requests) == 1 + max(1, math.ceil(count / 100))


@pytest.mark.parametrize(
    ("args", "count"), [([], 1000), *((args, 1500) for args in MODES)], ids=repr
)
def test_a_list_that_globus_may_have_cut_is_printed_and_says_so(
    fake: Fake, run: Run, args: list[str], count: int
) -> None:
    fake.endpoints = endpoints(count)

    status, out, err = run(*args)

    assert (status, out.count("\n")) == (1, 1000 + (args != ["--json"]))
    assert str(fake.endpoints[999]["id"]) in out
    assert re.fullmatch(f"{ERROR}the list may be incomplete: .*at most 1000.*\n", err)
    assert len(fake.requests) == 11


@pytest.mark.parametrize("args", MODES, ids=repr)
def test_a_list_that_shifted_while_it_was_read_is_printed_and_says_so(
    fake: Fake, run: Run, args: list[str]
) -> None:
    shifted = [*fake.endpoints[:100], *fake.endpoints[99:]]

    def create(document: Document) -> Document:
        if document["offset"] == 0:
            fake.endpoints.insert(0, endpoint(NEW_ID, "created"))
        return document

    fake.page_answer = create

    status, out, err = run(*args)

    assert status == 1
    ids = re.findall(r'(?m)^(?:\[|{"id": ")([\w-]*)', out)
    assert ids == [each["id"] for each in shifted]
    assert re.fullmatch(f"{ERROR}the list may be incomplete: .*changed.* again\n", err)


@pytest.mark.parametrize("value", [..., "", 7], ids=repr)
@pytest.mark.parametrize("key", FIELDS[1:])
def test_an_odd_field_costs_no_endpoint_and_is_in_json_as_it_came(
    fake: Fake, run: Run, key: str, value: Any
) -> None:
    fake.endpoints = [altered(endpoint(NEW_ID, "new"), key, value)]
    name = "new" if key != "display_name" else value
    shown = f" {name}" if name and name is not ... else ""

    assert run() == (0, f"{HEADING}[{NEW_ID}]{shown}\n", "")
    line = json.loads(run("--json").out)
    assert tuple(line) == FIELDS
    assert line[key] == (None if value is ... else value)


def test_a_run_asks_for_a_new_token_and_for_what_is_owned_in_no_field_in_vain(
    fake: Fake, run: Run
) -> None:
    search = {"filter_scope": "my-endpoints", "fields": ",".join(FIELDS)}
    search["limit"] = "100"

    run()
    grant, *searches = fake.requests
    run()

    assert (grant.method, grant.url) == ("POST", f"{fake.url}v2/oauth2/token")
    assert len(set(fake.tokens)) == 2
    assert [request.args.to_dict() for request in searches] == [
        search,
        {**search, "offset": "100"},
        {**search, "offset": "200"},
    ]


def test_help_names_the_variables_and_the_exit_statuses() -> None:
    words = ("GLOBUS_CLIENT_ID", "GLOBUS_CLIENT_SECRET", "--verbose")
    for each in (*words, "0 if", "1 for", "2 if", "130 after"):
        assert each in " ".join(HELP.split())


def test_verbose_logs_requests_and_retries(fake: Fake, environ: Environ) -> None:
    fake.faults[1] = lambda request: answer(503, {"code": "Busy"})

    status, out, err = sh(f"{COMMAND} -v", environ)

    assert (status, out) == (0, text(endpoints(250)))
    assert "/v2/oauth2/token" in err
    assert "/v0.10/endpoint_search" in err
    assert re.search(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:.*retry", err)
