"""What the script does with answers that are not Globus's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import ERROR, Run, no_orjson
from fake_globus import Document, FakeGlobus, endpoints
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_listing import text
from werkzeug import Request, Response
from werkzeug.utils import redirect

pytestmark = pytest.mark.usefixtures("pauses")

ODD_BODIES: dict[str, Any] = {
    "a login page": Response("<html>Room number?</html>", content_type="text/html"),
    "an empty body": Response(""),
    "no content": Response(status=204),
    "cut short": Response('{"DATA": [{"id"', content_type="application/json"),
    "deeply nested": Response("[" * 100_000, content_type="application/json"),
    "null": None,
    "a number": 7,
    "text": "DATA",
    "a list": [],
    "an empty object": {},
    "an object in a list": [{"DATA": []}],
}
CONTENT_TYPES = {
    "a login page": "text/html",
    "an empty body": "text/plain; charset=utf-8",
    "no content": "text/plain; charset=utf-8",
}
NO_ID = f"{ERROR}Globus Transfer sent an endpoint without an ID\n"


def altered(document: Document, key: str, value: Any) -> Document:
    """Return the document with that value, or without the key if the value is ...."""
    rest = {name: each for name, each in document.items() if name != key}
    return rest if value is ... else {**rest, key: value}


def assert_not_globus(
    fake: FakeGlobus, run: Run, service: str, content_type: str = "application/json"
) -> None:
    """Whatever the answer was: a message of its sender, and no request after it."""
    message = (
        f"{ERROR}no usable answer from {service} ({fake.url}): this ({content_type}) "
        "is not Globus's; a proxy or login page may be in between\n"
    )

    assert run() == (1, "", message)
    assert len(fake.requests) == (1 if service == "Globus Auth" else 2)
    assert len(fake.requests) == (1 if service == "Globus Auth" else 2)


@pytest.mark.parametrize("answer", ODD_BODIES)
@pytest.mark.parametrize("args", [[], ["--json"]], ids=["text", "JSON"])
def test_what_is_not_a_page_is_said(
    fake: FakeGlobus, run: Run, answer: str, args: list[str]
) -> None:
    fake.page_answer = lambda document: ODD_BODIES[answer]

    content_type = CONTENT_TYPES.get(answer, "application/json")
    assert_not_globus(fake, lambda: run(*args), "Globus Transfer", content_type)


@pytest.mark.parametrize("answer", ODD_BODIES)
def test_what_is_not_a_token_answer_is_said(
    fake: FakeGlobus, run: Run, answer: str
) -> None:
    fake.token_answer = lambda document: ODD_BODIES[answer]

    content_type = CONTENT_TYPES.get(answer, "application/json")
    assert_not_globus(fake, run, "Globus Auth", content_type)


@pytest.mark.parametrize("number", [0, 1], ids=["Auth", "Transfer"])
def test_an_answer_of_no_type_is_said(fake: FakeGlobus, run: Run, number: int) -> None:
    def untyped(request: Request) -> Response:
        answer = Response("Room number?")
        del answer.headers["Content-Type"]
        return answer

    fake.faults[number] = untyped

    service = ("Globus Auth", "Globus Transfer")[number]
    assert_not_globus(fake, run, service, "of no type")


def test_a_redirection_to_a_login_page_is_said(fake: FakeGlobus, run: Run) -> None:
    fake.faults[0] = lambda request: redirect(f"{fake.url}v0.10/endpoint_search")
    fake.faults[1] = lambda request: Response("Room number?", content_type="text/html")

    status, out, err = run()

    assert (status, out) == (1, "")
    assert ": this (text/html) is not Globus's; a proxy or login page may be" in err


def test_a_content_type_is_quoted_in_one_short_line(fake: FakeGlobus, run: Run) -> None:
    content_type = f"text/\x1b[2J{'long' * 999}"
    fake.faults[0] = lambda request: Response(
        "", headers={"Content-Type": content_type}
    )

    status, out, err = run()

    assert (status, out) == (1, "")
    assert r"this (text/\x1b[2Jlonglong" in err
    assert len(err) < 1000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("access_token", ...),
        *itertools.product(
            ("other_tokens", "resource_server", "scope"),
            (..., None, 7, [None], {"a": 1}),
        ),
        ("expires_in", None),
        ("expires_in", [None]),
        ("expires_in", "172800"),
        ("expires_in", 10**400),
        ("expires_in", float("inf")),
        ("expires_in", float("nan")),
        ("resource_server", "groups.api.globus.org"),
    ],
    ids=repr,
)
def test_an_odd_token_answer_is_said(
    fake: FakeGlobus, run: Run, key: str, value: Any
) -> None:
    fake.token_answer = lambda document: altered(document, key, value)

    assert_not_globus(fake, run, "Globus Auth")


@pytest.mark.parametrize(
    "token",
    [
        *(None, 7, [None], {"a": 1}, "", "to\nken", "to\rken", "to ken", "tøken"),
        pytest.param("to\ud800ken", marks=no_orjson),
    ],
    ids=repr,
)
def test_a_token_that_no_header_can_carry_is_said_and_not_shown(
    fake: FakeGlobus, run: Run, token: Any
) -> None:
    fake.token_answer = lambda document: altered(document, "access_token", token)

    assert run() == (
        1,
        "",
        f"{ERROR}Globus Auth sent an access token that no header can carry\n",
    )
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(
            ["token_type"], (..., None, 7, [None], {"a": 1}, "bearer", "mac")
        ),
        *itertools.product(
            ["expires_in"], (..., 0, -1, 0.5, True, 172800.0, 10**12, 10**18)
        ),
    ],
    ids=repr,
)
@pytest.mark.parametrize("args", [[], ["-v"]], ids=["quiet", "verbose"])
def test_an_odd_word_about_a_token_that_works_costs_no_endpoint(
    fake: FakeGlobus, run: Run, key: str, value: Any, args: list[str]
) -> None:
    fake.token_answer = lambda document: altered(document, key, value)

    status, out, err = run(*args)

    assert (status, out) == (0, text(250))
    assert ERROR not in err


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(("DATA", "has_next_page"), (..., None, 7, {}, "")),
        ("DATA", "text"),
        ("has_next_page", []),
        ("has_next_page", "false"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("count", [3, 250])
def test_an_odd_page_is_said(
    fake: FakeGlobus, run: Run, key: str, value: Any, count: int
) -> None:
    fake.endpoints = endpoints(count)
    fake.page_answer = lambda document: altered(document, key, value)

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err.startswith((f"{ERROR}Globus Transfer ", f"{ERROR}no usable answer from"))


@pytest.mark.parametrize("number", [1, 2], ids=["first", "second"])
def test_an_empty_page_that_promises_another_is_said_and_ends_the_search(
    fake: FakeGlobus, run: Run, number: int
) -> None:
    fake.page_answer = lambda document: altered(
        document, "DATA", document["DATA"] if len(fake.requests) == number else []
    )

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err == f"{ERROR}Globus Transfer sent a malformed page of endpoints\n"
    assert len(fake.requests) == number + 1


@pytest.mark.parametrize("item", [None, 7, "id", [], ["id"], {}], ids=repr)
@pytest.mark.parametrize("args", [[], ["--json"]], ids=["text", "JSON"])
def test_what_is_not_an_endpoint_is_said(
    fake: FakeGlobus, run: Run, args: list[str], item: Any
) -> None:
    fake.page_answer = lambda document: {
        **document,
        "DATA": [*document["DATA"][1:], item],
    }

    assert run(*args) == (1, "", NO_ID)


@pytest.mark.parametrize("value", [..., None, 7, 0, False, [], {}, ["text"]], ids=repr)
@pytest.mark.parametrize("args", [[], ["--json"]], ids=["text", "JSON"])
def test_an_endpoint_without_an_id_is_said(
    fake: FakeGlobus, run: Run, args: list[str], value: Any
) -> None:
    fake.endpoints[99] = altered(fake.endpoints[99], "id", value)

    assert run(*args) == (1, "", NO_ID)


ODD_FIELDS = [..., None, "", 7, 0, False, [], {}, ["text"], {"a": None}]


@pytest.mark.parametrize("value", ODD_FIELDS, ids=repr)
@pytest.mark.parametrize("key", ["display_name", "entity_type"])
def test_an_odd_field_costs_no_endpoint_and_is_in_json_as_it_came(
    fake: FakeGlobus, run: Run, key: str, value: Any
) -> None:
    fake.endpoints[99] = altered(fake.endpoints[99], key, value)

    status, out, err = run("--json")

    assert (status, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["id"] for line in lines] == [e["id"] for e in endpoints(250)]
    assert list(lines[99]) == ["id", "display_name", "entity_type"]
    assert lines[99][key] == (None if value is ... else value)


@pytest.mark.parametrize("value", ODD_FIELDS, ids=repr)
@pytest.mark.parametrize("key", ["display_name", "entity_type"])
def test_an_odd_field_costs_no_endpoint_in_text(
    fake: FakeGlobus, run: Run, key: str, value: Any
) -> None:
    fake.endpoints[99] = altered(fake.endpoints[99], key, value)
    lines = text(250).splitlines()
    if key == "display_name":
        named = isinstance(value, (int, list, dict)) and value
        lines[100] = lines[100].partition(" ")[0] + (f" {value}" if named else "")

    status, out, err = run()

    assert (status, err) == (0, "")
    assert out.splitlines() == lines


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-8") | st.characters(categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
MARK = "a-token-that-nobody-may-see"


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a document, as what it is in and its key or index there."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], (dict, list)):
            yield from places(node[key])


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[Document], Document]:
    """Draw a change: some place in a document gets another value, or goes."""
    choice, value, remove = draw(st.integers(0, 99)), draw(JSON), draw(st.booleans())

    def mutate(document: Document) -> Document:
        mutant: Document = json.loads(json.dumps(document))
        where = list(places(mutant))
        node, key = where[choice % len(where)]
        if remove:
            del node[key]
        elif key == "access_token" and isinstance(value, str):
            node[key] = MARK + value
        else:
            node[key] = value
        return mutant

    return mutate


@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    token_answer=st.just(lambda document: document) | mutations(),
    mutate_page=mutations(),
    status=st.sampled_from([200, 200, 200, 201, 304, 400, 401, 403, 404, 500]),
    args=st.sampled_from([[], ["--json"]]),
)
def test_no_mutation_of_the_documented_answers_breaks_the_rule(
    fake: FakeGlobus,
    run: Run,
    token_answer: Callable[[Document], Document],
    mutate_page: Callable[[Document], Document],
    status: int,
    args: list[str],
) -> None:
    fake.requests.clear()
    fake.endpoints = endpoints(150)
    fake.token_answer = token_answer
    fake.page_answer = lambda document: Response(
        json.dumps(mutate_page(document)), status, content_type="application/json"
    )

    result = run(*args)

    assert result.status in (0, 1)
    assert (result.status == 1) == result.err.startswith(ERROR)
    assert result.status == 0 or not result.out or "incomplete" in result.err
    assert result.err[:-1].isprintable()
    assert MARK not in result.out + result.err
    assert len(fake.requests) <= 1 + 10 * 6
