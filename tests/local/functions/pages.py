"""A handler that answers pages: preflights and requests, for any origin."""

import json

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "content-type,x-own",
    "Access-Control-Allow-Methods": "GET,POST,PUT",
}


def handler(event, context):
    method = event["requestContext"]["http"]["method"]
    print("for", method, event["rawPath"])
    return {
        "statusCode": 200,
        "headers": CORS,
        "body": json.dumps({"method": method, "body": event.get("body")}),
    }
