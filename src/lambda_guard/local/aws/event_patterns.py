"""In moto's process: patterns of events, as moto's EventBridge matches them, for rules and event sources alike.

A filter of an event source is a pattern of EventBridge's:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax
"""

import json
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.core.exceptions import JsonRESTError
from moto.events.models import UNDEFINED, EventPattern
from werkzeug.wrappers import Request, Response

from lambda_guard.local.aws.replacing import replaces
from lambda_guard.local.runtime.callers import FILTER


def objects_in_arrays() -> None:
    """AWS: "If the value in the event is an array, then the event pattern matches if the intersection … is non-empty".

    An object in an array matches as one that stands by itself; moto doesn't look into arrays, and takes a key with
    a dot for two.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns-arrays.html
    """

    @replaces(EventPattern, "matches_event")
    def matches_event(_original: Any, self: Any, event: Any) -> bool:
        return _matches(self, json.loads(json.dumps(event)), self.get_pattern())


def _matches(pattern: Any, node: Any, rules: dict[str, Any]) -> bool:
    if isinstance(node, list):
        return any(_matches(pattern, each, rules) for each in node)
    fields = node if isinstance(node, dict) else {}
    return all(_holds(pattern, fields, key, rule) for key, rule in rules.items())


def _holds(pattern: Any, fields: dict[str, Any], key: str, rule: Any) -> bool:
    if key == "$or":
        return any(_matches(pattern, fields, each) for each in rule)
    value = fields.get(key, UNDEFINED)
    if isinstance(rule, dict):
        return _matches(pattern, value, rule)
    leaf = UNDEFINED if isinstance(value, dict) and value else value  # rules look at leaves alone
    leaves = leaf if isinstance(leaf, list) else [leaf]
    return any(
        # the part of moto's that is right: it takes 1 for true
        pattern._does_item_match_named_filter(leaf, each)  # noqa: SLF001 - moto has no public one
        if isinstance(each, dict)
        else any(isinstance(it, bool) is isinstance(each, bool) and it == each for it in leaves)
        for each in rule
    )


def answering_filters(application: WSGIApplication) -> WSGIApplication:
    """Answer which of `documents` match any of `patterns`, as a list of booleans; 400 and why for a wrong pattern."""

    def front(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        if environ["PATH_INFO"] != FILTER:
            return application(environ, start_response)
        asked = json.loads(Request(environ).get_data())
        try:
            patterns = [EventPattern.load(text) for text in asked["patterns"]]
        except (JsonRESTError, AttributeError) as error:  # AttributeError: JSON, and no object
            reason = getattr(error, "message", "a pattern must be a JSON object")
            return Response(str(reason), HTTPStatus.BAD_REQUEST)(environ, start_response)
        kept = [any(it.matches_event(document) for it in patterns) for document in asked["documents"]]
        return Response(json.dumps(kept))(environ, start_response)

    return front
