"""Frameworks that make a response of an exception: the real packages, and the record tells it for a server error."""

import contextlib
import logging

import fastapi
import flask
import pytest
import serverless_wsgi
from aws_lambda_powertools.event_handler import (
    ALBResolver,
    APIGatewayHttpResolver,
    APIGatewayRestResolver,
    LambdaFunctionUrlResolver,
    Response,
)
from aws_lambda_powertools.event_handler.exceptions import InternalServerError, ServiceError
from mangum import Mangum

from lambda_guard import production
from lambda_guard.testing import capture, events, make_context

PATH = "/orders/4711"
REST = events.api_gateway("GET", PATH, resource="/{proxy+}")
V2 = events.http_api("GET", PATH, route_key="ANY /{proxy+}")
URL = events.function_url("GET", PATH)
ALB = events.alb("GET", PATH)
PROXY = {"method": "GET", "route": "/{proxy+}"}
UNROUTED = {"method": "GET"}
pytestmark = pytest.mark.usefixtures("own_loop")

CALLERS = {
    "REST": (REST, PROXY),
    "HTTP API": (V2, PROXY),
    "function URL": (URL, UNROUTED),
    "ALB": (ALB, UNROUTED),
}
RESOLVERS = {
    "REST": APIGatewayRestResolver,
    "HTTP API": APIGatewayHttpResolver,
    "function URL": LambdaFunctionUrlResolver,
    "ALB": ALBResolver,
}


class RefusedError(Exception):
    """What the application raises."""


def refuse(*_, **__):
    """Raise it."""
    raise RefusedError


def invoke(handler, event):
    """Return the record, and what Lambda gets: an answer or an exception."""
    with capture() as captured:
        try:
            answer = production(handler)(event, make_context())
        except RefusedError as error:
            answer = error
    assert "GuardErrors" not in captured.record
    return captured.record, answer


def assert_server_error(record, answer, known, status):
    """Hold that a record tells what the caller gets."""
    assert int(answer["statusCode"]) == status
    assert record["http"] == known | {"status": status}
    assert (record["outcome"], record["level"], record["ServerErrors"]) == ("success", "ERROR", 1)


@contextlib.contextmanager
def quiet(name):
    """Keep a framework's own traceback out of the test's output."""
    log = logging.getLogger(name)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


@pytest.mark.parametrize("caller", CALLERS)
def test_a_resolver_of_powertools_that_handles_an_exception(caller):
    """An exception handler of the application's answers with 500."""
    app = RESOLVERS[caller]()
    app.get("/orders/<id>")(refuse)

    @app.exception_handler(RefusedError)
    def answer(error):
        return Response(500, "application/json", "{}")

    event, known = CALLERS[caller]
    assert_server_error(*invoke(app.resolve, event), known, 500)


@pytest.mark.parametrize(
    ("error", "status"), [(InternalServerError("down"), 500), (ServiceError(503, "down"), 503)]
)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_resolver_of_powertools_whose_route_raises_a_response(caller, error, status):
    """Powertools' own exceptions become responses."""
    app = RESOLVERS[caller]()

    @app.get("/orders/<id>")
    def get(id):  # noqa: A002 - the route's variable
        raise error

    event, known = CALLERS[caller]
    assert_server_error(*invoke(app.resolve, event), known, status)


@pytest.mark.parametrize("caller", CALLERS)
def test_a_resolver_of_powertools_that_lets_an_exception_out(caller):
    """What nobody handles fails the invocation, as without a resolver."""
    app = RESOLVERS[caller]()
    app.get("/orders/<id>")(refuse)
    event, known = CALLERS[caller]
    record, raised = invoke(app.resolve, event)
    assert type(raised) is RefusedError
    assert (record["outcome"], record["http"], record["Errors"]) == ("error", known, 1)
    assert "ServerErrors" not in record


@pytest.mark.parametrize("caller", CALLERS)
def test_a_resolver_of_powertools_that_finds_no_route(caller):
    """A client's mistake is none of the server's."""
    event, known = CALLERS[caller]
    record, _ = invoke(RESOLVERS[caller]().resolve, event)
    assert (record["http"], record["level"]) == (known | {"status": 404}, "INFO")


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
@pytest.mark.parametrize("caller", CALLERS)
def test_fastapi_through_mangum(caller, is_async):
    """Mangum logs what FastAPI lets out, and answers with 500."""
    app = fastapi.FastAPI()

    def in_a_thread():
        refuse()

    async def on_the_loop():
        refuse()

    app.get("/orders/{id}")(on_the_loop if is_async else in_a_thread)
    event, known = CALLERS[caller]
    with quiet("mangum.http"):
        assert_server_error(*invoke(Mangum(app, lifespan="off"), event), known, 500)


@pytest.mark.parametrize("caller", CALLERS)
def test_fastapi_that_answers(caller):
    """A response below 500 is a success, whatever else it says."""
    app = fastapi.FastAPI()
    app.get("/orders/{id}", status_code=202)(lambda id: {"id": id})  # noqa: A006 - the route's variable
    event, known = CALLERS[caller]
    record, _ = invoke(Mangum(app, lifespan="off"), event)
    assert (record["http"], record["level"]) == (known | {"status": 202}, "INFO")


@pytest.mark.parametrize("caller", CALLERS)
def test_flask_through_serverless_wsgi(caller):
    """Flask logs what a view raises, and answers with 500."""
    app = flask.Flask("orders")
    app.get("/orders/<id>")(refuse)
    event, known = CALLERS[caller]
    with quiet("orders"):
        record, answer = invoke(lambda event, context: serverless_wsgi.handle_request(app, event, context), event)  # fmt: skip
    assert_server_error(record, answer, known, 500)
