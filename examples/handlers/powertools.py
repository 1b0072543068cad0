"""Own Powertools objects go on working; the lines of the own Logger gain the invocation's keys."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2, event_source
from aws_lambda_powertools.utilities.parameters import get_parameter
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambda_guard import production

logger = Logger(service="greetings")


@production(service="greetings")
@event_source(data_class=APIGatewayProxyEventV2)
def handler(event: APIGatewayProxyEventV2, context: LambdaContext) -> dict[str, object]:
    name = event.query_string_parameters.get("name", "world")
    logger.info("greeting", extra={"guest": name})
    return {"statusCode": 200, "body": f"{greeting()}, {name}!"}


def greeting() -> str:
    return get_parameter("/greetings/word", max_age=300)
