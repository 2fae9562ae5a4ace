"""What the script says when Globus refuses, or says no in its own way."""

from __future__ import annotations

import json

import pytest
from conftest import ERROR, Run, no_orjson
from fake_globus import CLIENT_SECRET, REQUEST_ID, FakeGlobus, refusal
from werkzeug import Request, Response


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(refusal(401, error="invalid_client"), "invalid_client", id="401"),
        pytest.param(
            refusal(
                401,
                error="invalid_client",
                errors=[
                    {"status": "401", "id": "4f1c", "detail": "Bad client credentials"}
                ],
            ),
            "invalid_client, Bad client credentials, request ID 4f1c",
            id="401 with errors",
        ),
        pytest.param(
            Response(
                json.dumps(
                    {
                        "errors": [
                            {
                                "status": "401",
                                "code": "UNAUTHORIZED",
                                "detail": "Basic auth failed",
                                "id": "4f1c",
                            }
                        ]
                    }
                ),
                401,
                content_type="application/vnd.api+json",
            ),
            "UNAUTHORIZED, Basic auth failed, request ID 4f1c",
            id="401 with errors alone",
        ),
        pytest.param(
            refusal(400, error="unauthorized_client"), "unauthorized_client", id="400"
        ),
        pytest.param(
            refusal(
                400,
                error="unauthorized_client",
                error_description="This client may not use the grant",
            ),
            "unauthorized_client, This client may not use the grant",
            id="400 with a description",
        ),
    ],
)
def test_a_refusal_of_globus_auth_says_what_to_check(
    fake: FakeGlobus, run: Run, answer: Response, said: str
) -> None:
    fake.faults[0] = lambda request: answer

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err == (
        f"{ERROR}Globus Auth ({fake.url}) refused: {answer.status}, {said}; "
        "check GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET, and that the client is "
        "registered as a service account\n"
    )


def test_a_wrong_secret_is_refused(
    fake: FakeGlobus, environ: dict[str, str], run: Run
) -> None:
    environ["GLOBUS_CLIENT_SECRET"] = "another+secret="

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err == (
        f"{ERROR}Globus Auth ({fake.url}) refused: 401 UNAUTHORIZED, invalid_client, "
        f"UNAUTHORIZED, Basic auth failed, request ID {REQUEST_ID}; check "
        "GLOBUS_CLIENT_ID and GLOBUS_CLIENT_SECRET, and that the client is registered "
        "as a service account\n"
    )


def test_a_refusal_of_globus_transfer_says_what_support_asks_for(
    fake: FakeGlobus, run: Run
) -> None:
    fake.faults[2] = lambda request: refusal(
        403,
        code="PermissionDenied",
        message="Not for you",
        request_id="aBcDeFgHi",
        resource="/endpoint_search",
    )

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err == (
        f"{ERROR}Globus Transfer ({fake.url}) refused: 403 FORBIDDEN, "
        "PermissionDenied, Not for you, request ID aBcDeFgHi\n"
    )


@pytest.mark.parametrize(
    ("number", "status"), [(0, 403), (0, 404), (1, 400), (1, 401), (1, 403)]
)
def test_the_credentials_are_blamed_for_nothing_but_a_400_or_401_of_auth(
    fake: FakeGlobus, run: Run, number: int, status: int
) -> None:
    fake.faults[number] = lambda request: refusal(status, code="No", message="No")

    err = run().err

    assert f" refused: {status} " in err
    assert "check" not in err


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("code", ["ExternalError.Gateway", "EndpointError"])
@pytest.mark.parametrize("status", [500, 502, 504])
def test_an_error_that_the_sdk_may_not_try_again_is_a_refusal(
    fake: FakeGlobus, run: Run, status: int, code: str
) -> None:
    fake.faults = dict.fromkeys(
        range(1, 99), lambda request: refusal(status, code=code, message="Down")
    )

    done = run()

    assert (done.status, done.out) == (1, "")
    assert f" refused: {status} " in done.err
    assert f", {code}, Down" in done.err


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            "one\ntwo\r\n\x1b[2J\x1b]0;title\x07",
            id="line breaks and escape sequences",
        ),
        pytest.param("\u202egnorw\u2028\x9b31m", id="bidi and C1"),
        pytest.param("\ud800", marks=no_orjson, id="surrogate"),
        pytest.param("long" * 999, id="long"),
    ],
)
@pytest.mark.parametrize("number", [0, 1], ids=["Auth", "Transfer"])
def test_what_a_server_says_is_one_short_line_that_drives_no_terminal(
    fake: FakeGlobus, run: Run, number: int, message: str
) -> None:
    fake.faults[number] = lambda request: refusal(
        418, code=message, message=message, error=message, request_id="aBcDeFgHi"
    )

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err[:-1].isprintable()
    assert len(err) < 1000
    assert "request ID aBcDeFgHi" in err


@pytest.mark.parametrize("number", [0, 1], ids=["Auth", "Transfer"])
def test_a_long_message_keeps_both_its_ends(
    fake: FakeGlobus, run: Run, number: int
) -> None:
    message = "begins" + "long" * 999 + "ends"
    fake.faults[number] = lambda request: refusal(
        418, code="Teapot", message=message, request_id="aBcDeFgHi"
    )

    err = run().err

    assert " refused: 418 I'M A TEAPOT, Teapot, beginslonglong" in err
    assert "long ... " in err
    assert err.endswith("longends, request ID aBcDeFgHi\n")
    assert len(err) == len(ERROR) + 500 + len(" ... ") + 300 + len("\n")


@pytest.mark.parametrize("number", [0, 1], ids=["Auth", "Transfer"])
def test_a_message_is_cut_after_secrets_are_hidden_and_marks_are_escaped(
    fake: FakeGlobus, run: Run, number: int
) -> None:
    message = f"{CLIENT_SECRET} \n" * 99
    fake.faults[number] = lambda request: refusal(418, code="Teapot", message=message)

    err = run().err

    assert "[hidden] \\n[hidden] \\n" in err
    assert len(err) < 1000


@pytest.mark.parametrize("number", [0, 1], ids=["Auth", "Transfer"])
@pytest.mark.parametrize("end", ["", "\r"], ids=["Unix", "Windows"])
def test_a_server_that_echoes_the_request_gives_no_secret_away(
    fake: FakeGlobus, environ: dict[str, str], run: Run, number: int, end: str
) -> None:
    environ["GLOBUS_CLIENT_SECRET"] += end

    def echo(request: Request) -> Response:
        words = f"got {request.headers['Authorization']}, I know {CLIENT_SECRET}"
        return refusal(400, code="Echo", message=words, error=words)

    fake.faults[number] = echo

    status, _, err = run()

    assert status == 1
    assert "[hidden], I know [hidden]" in err


@pytest.mark.parametrize("number", [0, 1], ids=["Auth", "Transfer"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<html>Room number?</html>", id="a login page"),
        pytest.param("", id="empty"),
        pytest.param("null", id="null"),
        pytest.param("[[]]", id="a list"),
        pytest.param('{"code": 7, "message": [], "error": {}, "errors": 7}', id="odd"),
        pytest.param('{"error": {"a": 7}, "error_description": [7]}', id="odd words"),
        pytest.param('{"error": "", "error_description": ""}', id="empty words"),
        pytest.param('{"errors": [{"id": 7, "detail": null}, {}]}', id="odd within"),
        pytest.param('{"code": "No"', id="cut short"),
    ],
)
def test_an_odd_refusal_is_a_refusal_too(
    fake: FakeGlobus, run: Run, number: int, body: str
) -> None:
    fake.faults[number] = lambda request: Response(
        body, 403, content_type="application/json"
    )

    status, out, err = run()

    assert (status, out) == (1, "")
    assert err.endswith(" refused: 403 FORBIDDEN\n")
    assert len(fake.requests) == number + 1


def test_a_token_in_a_refusal_is_not_shown(fake: FakeGlobus, run: Run) -> None:
    fake.token_answer = lambda document: refusal(400, **document)

    status, _, err = run()

    assert status == 1
    assert err.startswith(f"{ERROR}Globus Auth ({fake.url}) refused: 400 BAD REQUEST; ")
