"""A handler of API requests that answers with what it got, or as it is told."""

import json

ANSWERS = {
    "several": {
        "statusCode": 200,
        "headers": {"X-Own": "1", "X-Other": "3"},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"], "x-own": ["1", "2"]},
        "cookies": ["c=3"],
    },
    "no-list": {"statusCode": 200, "headers": {}, "multiValueHeaders": {"x-own": "1"}, "cookies": "a=1"},
    "no-headers": {"statusCode": 200, "headers": "none"},
    "binary": {"statusCode": 200, "body": "AP8=", "isBase64Encoded": True},
    "bare": {"body": "bare"},
    "unknown": {"statusCode": 200, "status": 200},
    "malformed": {"statusCode": "none", "body": 7},
}


def handler(event, context):
    answer = answered(event)
    if isinstance(answer, dict) and "version" not in event:  # a REST API's answer can't have them
        answer = {key: value for key, value in answer.items() if key != "cookies"}
    return answer


def answered(event):
    path = event.get("rawPath") or event.get("path")
    if path.endswith("/echo"):
        headers = {"Content-Type": "application/json", "X-Own": "1"}
        return {"statusCode": 201, "headers": headers, "body": json.dumps(event), "cookies": ["a=1", "b=2"]}
    if path.endswith("/raise"):
        raise ValueError("no")
    return ANSWERS.get(path.rpartition("/")[2], {"inferred": True})


def tick(event, context):
    return "tick"
