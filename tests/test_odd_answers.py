"""What the script does with answers that are not Globus's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import ERROR, Run
from fake_globus import Document, FakeGlobus, endpoints
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug import Response

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
TOKEN_KEYS = (
    "access_token",
    "expires_in",
    "other_tokens",
    "resource_server",
    "scope",
    "token_type",
)


def altered(document: Document, key: str, value: Any) -> Document:
    """Return the document with that value, or without the key if the value is ...."""
    rest = {name: each for name, each in document.items() if name != key}
    return rest if value is ... else {**rest, key: value}


def assert_no_usable_answer(fake: FakeGlobus, run: Run, service: str) -> None:
    """Whatever the answer was: a message of its sender, and no request after it."""
    status, out, err = run()

    assert (status, out) == (1, "")
    where = f"{service} ({fake.url})"
    assert err.startswith(f"{ERROR}no usable answer from {where}: ")
    assert err[:-1].isprintable()
    assert len(fake.requests) == (1 if service == "Globus Auth" else 2)


@pytest.mark.parametrize("answer", ODD_BODIES)
@pytest.mark.parametrize("args", [[], ["--json"]], ids=["text", "JSON"])
def test_what_is_not_a_page_is_said(
    fake: FakeGlobus, run: Run, answer: str, args: list[str]
) -> None:
    fake.page_answer = lambda document: ODD_BODIES[answer]

    assert_no_usable_answer(fake, lambda: run(*args), "Globus Transfer")


@pytest.mark.parametrize("answer", ODD_BODIES)
def test_what_is_not_a_token_answer_is_said(
    fake: FakeGlobus, run: Run, answer: str
) -> None:
    fake.token_answer = lambda document: ODD_BODIES[answer]

    assert_no_usable_answer(fake, run, "Globus Auth")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(TOKEN_KEYS, (..., None, [None], {"a": 1})),
        *((key, 7) for key in TOKEN_KEYS if key != "expires_in"),
        ("access_token", ""),
        ("access_token", "to\nken"),
        ("access_token", "to\rken"),
        ("access_token", "to ken"),
        ("access_token", "tøken"),
        ("access_token", "to\ud800ken"),
        ("expires_in", "172800"),
        ("expires_in", 10**12),
        ("expires_in", 10**18),
        ("expires_in", 10**400),
        ("expires_in", float("inf")),
        ("expires_in", float("nan")),
        ("resource_server", "groups.api.globus.org"),
        ("token_type", "mac"),
    ],
    ids=repr,
)
def test_an_odd_token_answer_is_said(
    fake: FakeGlobus, run: Run, key: str, value: Any
) -> None:
    fake.token_answer = lambda document: altered(document, key, value)

    assert_no_usable_answer(fake, run, "Globus Auth")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *itertools.product(("DATA", "has_next_page"), (..., None, 7, "text", [None])),
        ("DATA", {}),
        ("DATA", ""),
        ("DATA", [[]]),
        ("DATA", ["id"]),
        ("DATA", []),  # although the first page is to be followed by more
        ("has_next_page", 0),
        ("has_next_page", "false"),
    ],
    ids=repr,
)
def test_an_odd_page_is_said(fake: FakeGlobus, run: Run, key: str, value: Any) -> None:
    fake.page_answer = lambda document: altered(document, key, value)

    assert_no_usable_answer(fake, run, "Globus Transfer")


@pytest.mark.parametrize("value", [..., 7, 0, False, [], {}, ["text"]], ids=repr)
@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("", "id"),
        ("", "display_name"),
        ("", "canonical_name"),
        ("--json", "id"),
        ("--json", "display_name"),
        ("--json", "entity_type"),
    ],
)
def test_an_odd_endpoint_is_said(
    fake: FakeGlobus, run: Run, option: str, key: str, value: Any
) -> None:
    fake.endpoints[99] = altered(fake.endpoints[99], key, value)

    assert_no_usable_answer(fake, lambda: run(*option.split()), "Globus Transfer")


@pytest.mark.parametrize(
    ("option", "key"),
    [("", "id"), ("", "canonical_name"), ("--json", "id"), ("--json", "entity_type")],
)
def test_a_null_is_said_where_globus_has_none(
    fake: FakeGlobus, run: Run, option: str, key: str
) -> None:
    fake.endpoints[99] = altered(fake.endpoints[99], key, None)

    assert_no_usable_answer(fake, lambda: run(*option.split()), "Globus Transfer")


def test_an_endpoint_with_no_name_at_all_is_said(fake: FakeGlobus, run: Run) -> None:
    fake.endpoints = [{**endpoints(1)[0], "display_name": None, "canonical_name": None}]

    assert_no_usable_answer(fake, run, "Globus Transfer")


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
    assert result.err[:-1].isprintable()
    assert MARK not in result.out + result.err
    assert len(fake.requests) <= 1 + 10 * 6
