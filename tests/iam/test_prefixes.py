"""Under which prefix the reference has a service's actions."""

import botocore.session
import pytest

from lambda_guard.iam.actions import asked_by, prefix_of
from lambda_guard.iam.service_reference import actions_of

OTHERWISE = {"cloudwatch", "iot-data-plane", "resource-groups-tagging-api"}
"""Services whose requests are signed for another name than that of their actions: monitoring, iotdata, tagging."""


@pytest.mark.slow
def test_a_prefix_is_what_requests_are_signed_for():
    """Of every service of which the reference has any operation under that name; a new one shows here."""
    session, wrong = botocore.session.Session(), {}  # which keeps 360 MB of models
    for name in session.get_available_services():
        model = session.get_service_model(name)
        service = str(model.service_id.hyphenize())
        known = actions_of(model.signing_name)
        signed = any(operation in known for operation in model.operation_names)
        if signed and service not in OTHERWISE and prefix_of(service) != model.signing_name:
            wrong[service] = model.signing_name
    assert wrong == {}


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("auto-scaling", "DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingGroups"),
        ("cost-explorer", "GetCostAndUsage", "ce:GetCostAndUsage"),
        ("elastic-load-balancing-v2", "DescribeTargetHealth", "elasticloadbalancing:DescribeTargetHealth"),
        ("location", "SearchPlaceIndexForText", "geo:SearchPlaceIndexForText"),
        ("opensearch", "DescribeDomain", "es:DescribeDomain"),
        ("resource-groups-tagging-api", "GetResources", "tag:GetResources"),
        ("route-53", "ChangeResourceRecordSets", "route53:ChangeResourceRecordSets"),
        ("timestream-write", "WriteRecords", "timestream:WriteRecords"),
    ],
)
def test_services_whose_id_is_not_their_prefix(service, operation, action):
    """They are known by name."""
    assert asked_by(service, operation).actions == (action,)
