"""A handler of API requests that answers with what it got, or as it is told."""

import json


def handler(event, context):
    path = event.get("rawPath") or event.get("path")
    if path.endswith("/echo"):
        headers = {"Content-Type": "application/json", "X-Own": "1"}
        return {"statusCode": 201, "headers": headers, "body": json.dumps(event), "cookies": ["a=1", "b=2"]}
    if path.endswith("/raise"):
        raise ValueError("no")
    if path.endswith("/binary"):
        return {"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}
    if path.endswith("/malformed"):
        return {"statusCode": "none", "body": 7}
    return {"inferred": True}


def tick(event, context):
    return "tick"
