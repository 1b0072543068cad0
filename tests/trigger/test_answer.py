"""The status of an answer: what the service that asked makes of it, where the answer tells."""

from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus

import pytest

from lambda_guard.trigger.answer import status_of
from lambda_guard.trigger.read import Request

REST = ("apigateway", None)
FORMAT_1 = ("apigateway", "1.0")
V2 = ("apigateway-v2", "2.0")
URL = ("function-url", "2.0")
ALB = ("alb", None)
EACH = (REST, FORMAT_1, V2, URL, ALB)


def status(caller, answer):
    """Return what a caller makes of an answer."""
    trigger, version = caller
    return status_of(trigger, Request("GET", None, version), answer)


class Text(StrEnum):
    """A status as a member of an enumeration of texts."""

    TEAPOT = "418"


class Answer(dict):
    """An answer of a class of the user's, none of whose methods may be called."""

    def get(self, *_):
        """Fail."""
        raise AssertionError("an answer's own method was called")

    __contains__ = __getitem__ = __iter__ = __len__ = __missing__ = keys = items = values = get

    @property
    def __class__(self):
        raise SystemExit("asked for its class")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (200, 200),
        (503, 503),
        (100, 100),
        (599, 599),
        ("404", 404),
        (HTTPStatus.BAD_GATEWAY, 502),
        (Text.TEAPOT, 418),
        (99, None),
        (600, None),
        (True, None),
        (None, None),
        (200.0, None),
        (Decimal(200), None),
        ("99", None),
        ("0500", None),
        ("5e2", None),
        ("\u0665\u0660\u0660", None),  # digits, but none that a service reads
        (" 500", None),
        ("internal server error", None),
        ([500], None),
        (2**70, None),
    ],
)
@pytest.mark.parametrize("caller", EACH)
def test_the_status_is_the_answers(caller, said, expected):
    """A number from 100 to 599, or three digits; anything else tells nothing."""
    assert status(caller, {"statusCode": said, "body": "secret"}) == expected
    assert status(caller, {"statusCode": said, "headers": {"a": "b"}, "isBase64Encoded": False}) == expected


@pytest.mark.parametrize("caller", [V2, URL])
@pytest.mark.parametrize("answer", [{"id": 1}, {}, [1], (1,), "text", 7, 1.5, True, None])
def test_format_2_infers_ok(caller, answer):
    """An answer without a status is the body of a response with status 200."""
    assert status(caller, answer) == 200


@pytest.mark.parametrize("caller", [V2, URL])
@pytest.mark.parametrize("answer", [object(), {1}, b"a", Decimal(1)])
def test_what_isnt_json_has_no_status(caller, answer):
    """It never becomes an answer of Lambda's."""
    assert status(caller, answer) is None


@pytest.mark.parametrize("answer", [None, "text", [{"statusCode": 200}], 7, object()])
@pytest.mark.parametrize(("caller", "expected"), [(REST, 502), (FORMAT_1, 500), (ALB, 502)])
def test_the_others_refuse_what_isnt_an_object(caller, answer, expected):
    """API Gateway and the load balancer answer by themselves, each as it documents."""
    assert status(caller, answer) == expected


@pytest.mark.parametrize(
    ("caller", "answer", "expected"),
    [
        (REST, {"Hello": "World"}, 502),
        (REST, {"statusCode": 200, "body": "", "cookies": []}, 502),
        (REST, {"body": "a"}, None),  # 200 as far as anybody has seen, but it isn't documented
        (REST, {}, None),
        (FORMAT_1, {"Hello": "World"}, None),
        (FORMAT_1, {"statusCode": 201, "cookies": []}, 201),
        (ALB, {"body": "a"}, 502),
        (ALB, {"statusCode": 201, "statusDescription": "201 Created"}, 201),
    ],
)
def test_what_else_is_malformed(caller, answer, expected):
    """A REST API refuses keys that it doesn't know, a load balancer an answer without a status."""
    assert status(caller, answer) == expected


@pytest.mark.parametrize("caller", EACH)
def test_an_answers_own_methods_are_never_called(caller):
    """It's read as the dict that it is; nothing of the user's runs, and nothing is changed."""
    answer = Answer(statusCode=503, body="a")
    assert status(caller, answer) == 503
    assert dict.__eq__(answer, {"statusCode": 503, "body": "a"})
