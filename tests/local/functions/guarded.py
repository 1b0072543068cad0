"""An API's function, and its authorizers."""

import base64
import json


def handler(event, _context):
    """Answer with what API Gateway made of the request, or with a picture."""
    if event.get("path", event.get("rawPath", "")).endswith("/picture"):
        body = base64.b64encode(b"\x89PNG").decode()
        return {
            "statusCode": 200,
            "headers": {"Content-Type": "image/png"},
            "body": body,
            "isBase64Encoded": True,
        }
    body = json.dumps(event)
    headers = {"Access-Control-Allow-Origin": "https://its-own.example", "X-Mine": "1"}
    return {"statusCode": 200, "headers": headers, "body": body}


def policy(event, _context):
    """Decide by a token or a query as tutorials do, with a policy; each call has a number."""
    policy.calls += 1
    token = event.get("authorizationToken") or (event.get("queryStringParameters") or {}).get("token")
    if token == "unknown":
        raise Exception("Unauthorized")  # noqa: TRY002 - the documented way to answer 401
    if token == "broken":
        return "nonsense"
    arn = event["methodArn"]
    effect = "Allow" if token.startswith("allow") else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn}
    if token == "allow other":
        statement["Resource"] = arn.replace("/GET/", "/POST/")
    return {
        "principalId": "me",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"calls": policy.calls, "admin": True, "type": event["type"]},
    }


policy.calls = 0


def simple(event, _context):
    """Decide with a simple response, and pass on what the event says."""
    return {
        "isAuthorized": event["identitySource"] == ["yes"],
        "context": {"arn": event["routeArn"], "has_body": "body" in event, "type": event["type"]},
    }
