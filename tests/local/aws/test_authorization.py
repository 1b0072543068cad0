"""A refusal as each protocol has it, read by the client that the SDK has for it."""

import botocore.parsers
import botocore.session
import pytest

from lambda_guard.local.aws.authorization import refusal

MESSAGE = (
    'User: arn:aws:sts::1:assumed-role/r/f is not authorized to perform: a:b on resource: "x" <&> because'
)
PROTOCOLS = [
    ("dynamodb", "json", "AccessDeniedException", 400),
    ("sqs", "json", "AccessDenied", 403),
    ("sqs", "query", "AccessDenied", 403),
    ("sns", "query", "AuthorizationError", 403),
    ("sts", "query", "AccessDenied", 403),
    ("ec2", "ec2", "UnauthorizedOperation", 403),
    ("s3", "rest-xml", "AccessDenied", 403),
    ("route53", "rest-xml", "AccessDenied", 403),
    ("lambda", "rest-json", "AccessDeniedException", 403),
    ("iot-data", "rest-json", "ForbiddenException", 403),
    ("apigatewaymanagementapi", "rest-json", "ForbiddenException", 403),
]


@pytest.mark.parametrize(("service", "protocol", "code", "status"), PROTOCOLS)
def test_the_sdk_reads_code_status_and_message(service, protocol, code, status):
    """Characters that XML would take for its own come through."""
    model = botocore.session.Session().get_service_model(service)
    response = refusal(model, protocol, MESSAGE)
    read = botocore.parsers.create_parser(protocol)
    given = {
        "status_code": response.status_code,
        "headers": dict(response.headers),
        "body": response.get_data(),
    }
    parsed = read.parse(given, model.operation_model(model.operation_names[0]).output_shape)
    assert (parsed["Error"]["Code"], parsed["Error"]["Message"]) == (code, MESSAGE)
    assert response.status_code == status


def test_what_other_sdks_read():
    """S3's error is the document itself; a service that spoke the query protocol names its older code in a header."""
    session = botocore.session.Session()
    assert refusal(session.get_service_model("s3"), "rest-xml", MESSAGE).get_data().startswith(b"<Error>")
    headers = refusal(session.get_service_model("sqs"), "json", MESSAGE).headers
    assert headers["x-amzn-query-error"] == "AccessDenied;Sender"
