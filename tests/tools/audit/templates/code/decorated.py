"""A handler that is decorated."""

import lambda_guard


@lambda_guard.production
def handler(event, context):
    return {"statusCode": 200}
