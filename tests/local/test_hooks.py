"""The hooks of examples/hooks in the local cloud: what they say to CodeDeploy, of which moto has no hooks."""

import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lambda_guard.local import Cloud
from lambda_guard.templates.document import Location
from lambda_guard.templates.marks import written
from lambda_guard.templates.template import Template

HOOKS = Path(__file__).parents[2] / "examples/hooks"
EVENT = {"DeploymentId": "d-ABCDEF123", "LifecycleEventHookExecutionId": "execution-1"}


class CodeDeploy(BaseHTTPRequestHandler):
    """CodeDeploy's one call: https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_PutLifecycleEventHookExecutionStatus.html."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append((self.headers["X-Amz-Target"].rpartition(".")[2], body))
        answer = json.dumps({"lifecycleEventHookExecutionId": body["lifecycleEventHookExecutionId"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def codedeploy():
    """Run a stand-in for CodeDeploy, whose `calls` are the names and bodies of the calls so far."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), CodeDeploy)
    server.calls = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def deployed(tmp_path, codedeploy):
    """Start the example in the local cloud, with other code where a test has some; its CodeDeploy is the stand-in."""
    running = []

    def go(shipping=None, samples=None, **variables):
        root = tmp_path / "hooks"
        shutil.copytree(HOOKS, root)
        if shipping is not None:
            (root / "shipping/shipping.py").write_text(shipping)
        if samples is not None:
            shutil.rmtree(root / "checks/samples")
            (root / "checks/samples").mkdir()
            for name, text in samples.items():
                (root / "checks/samples" / name).write_text(text)
        document = written("template.yaml", (root / "template.yaml").read_text()).document
        address = "http://{}:{}".format(*codedeploy.server_address)
        for name in ("BeforeTraffic", "AfterTraffic"):
            given = document["Resources"][name]["Properties"]["Environment"]["Variables"]
            given |= {"AWS_ENDPOINT_URL_CODEDEPLOY": address, "PAUSE_SECONDS": "0", **variables}
        cloud = Cloud(document, root=root)
        running.append(cloud)
        return cloud.__enter__()

    yield go
    for cloud in running:
        cloud.__exit__(None, None, None)


def told(codedeploy):
    """Return the status that CodeDeploy was told, once and for this hook."""
    ((call, body),) = codedeploy.calls
    assert call == "PutLifecycleEventHookExecutionStatus"
    assert (
        body.items()
        >= {"deploymentId": "d-ABCDEF123", "lifecycleEventHookExecutionId": "execution-1"}.items()
    )
    return body["status"]


def before(cloud):
    """Call the hook before traffic as CodeDeploy does; return what was wrong with the new version."""
    result = cloud.invoke("BeforeTraffic", EVENT)
    lines = (json.loads(line) for line in result.lines if '"fault"' in line)
    return [line["fault"] for line in lines]


def test_a_version_that_passes_its_samples_gets_traffic(deployed, codedeploy):
    """Of each sample the version wrote a record without any failure."""
    cloud = deployed()
    assert before(cloud) == []
    assert told(codedeploy) == "Succeeded"
    assert [it.status for it in cloud.results("Shipping")] == ["success", "success"]


WITHOUT_ITEMS_IT_FAILS = """
import json
from lambda_guard import production

@production(each_record=True, report_batch_item_failures=True)
def handler(record):
    if not json.loads(record.body)["items"]:
        raise ValueError("nothing to pack")
"""
A_PART_OF_OURS_FAILS = """
def handler(event, context):
    print('{"record":"invocation","outcome":"success","GuardErrors":1}')
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (WITHOUT_ITEMS_IT_FAILS, ["two_parcels.json: RecordFailures 1"]),
        (A_PART_OF_OURS_FAILS, ["one_parcel.json: GuardErrors 1", "two_parcels.json: GuardErrors 1"]),
        (
            "import gone\n",
            ["one_parcel.json: Runtime.ImportModuleError", "two_parcels.json: Runtime.ImportModuleError"],
        ),
        (
            "def handler(event, context):\n    return {}\n",
            ["one_parcel.json: no invocation record", "two_parcels.json: no invocation record"],
        ),
    ],
)
def test_a_version_that_fails_gets_none(deployed, codedeploy, code, expected):
    """Though the invocation itself may succeed: failed messages, parts of lambda_guard that fail, no record."""
    found = before(deployed(code))
    assert len(found) == len(expected), found
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True)), found
    assert told(codedeploy) == "Failed"


def test_a_check_that_was_not_made_counts_as_failed(deployed, codedeploy):
    """Without samples nothing is tried; a version that can't be called ends the deployment, which wouldn't wait for it."""
    cloud = deployed(samples={})
    assert before(cloud) == ["there are no sample events"]
    assert told(codedeploy) == "Failed"


def test_a_version_that_cannot_be_called_fails_at_once(deployed, codedeploy):
    """The hook raises, and has told CodeDeploy before: else that would wait for an hour."""
    cloud = deployed(NEW_VERSION="arn:aws:lambda:eu-west-1:123456789012:function:none:3")
    result = cloud.invoke("BeforeTraffic", EVENT)
    assert result.error_type == "ResourceNotFoundException"
    assert told(codedeploy) == "Failed"


def shifted(cloud, resource, times):
    """Put Lambda's count of invocations of the new version through an alias or a version, as it has it minutes later."""
    names = {"FunctionName": "Shipping", "Resource": resource, "ExecutedVersion": "$LATEST"}
    datum = {
        "MetricName": "Invocations",
        "Dimensions": [{"Name": name, "Value": value} for name, value in names.items()],
        "Value": times,
        "Timestamp": datetime.now(UTC) - timedelta(minutes=5),
    }
    cloud.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[datum])


def test_a_deployment_without_traffic_fails(deployed, codedeploy):
    """The samples came past the alias, and don't count; one invocation through it is traffic."""
    cloud = deployed()
    shifted(cloud, "Shipping:3", 2.0)
    result = cloud.invoke("AfterTraffic", EVENT)
    assert result.status == "success"
    assert any("the new version saw no traffic" in line for line in result.lines)
    assert told(codedeploy) == "Failed"
    codedeploy.calls.clear()
    shifted(cloud, "Shipping:live", 1.0)
    cloud.invoke("AfterTraffic", EVENT)
    assert told(codedeploy) == "Succeeded"


def test_a_hotfix_is_not_asked_for_traffic(deployed, codedeploy):
    """Where all is shifted at once, no alarm had time to look."""
    deployed(SHIFTING="AllAtOnce").invoke("AfterTraffic", EVENT)
    assert told(codedeploy) == "Succeeded"


def test_the_hooks_may_do_what_they_do_and_nothing_else():
    """One version to invoke, one deployment group to tell; CloudWatch's permission knows no resources."""
    resources = Template(HOOKS / "template.yaml", Location("eu-west-1", "123456789012", "")).plain[
        "Resources"
    ]
    allowed = {
        name: {
            (statement["Action"], json.dumps(statement["Resource"]))
            for policy in resources[f"{name}Role"]["Properties"]["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
        }
        for name in ("BeforeTraffic", "AfterTraffic")
    }
    group = "deploymentgroup:${ServerlessDeploymentApplication}/${ShippingDeploymentGroup}"
    for name, own in (
        ("BeforeTraffic", "lambda:InvokeFunction"),
        ("AfterTraffic", "cloudwatch:GetMetricStatistics"),
    ):
        assert {action for action, _ in allowed[name]} == {
            own,
            "codedeploy:PutLifecycleEventHookExecutionStatus",
        }
        assert any(group in resource for _, resource in allowed[name])
    (version,) = [
        resource for action, resource in allowed["BeforeTraffic"] if action == "lambda:InvokeFunction"
    ]
    assert json.loads(version)["Ref"].startswith("ShippingVersion")
    update = resources["ShippingAliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert update["BeforeAllowTrafficHook"] == {"Ref": "BeforeTraffic"}
    assert update["AfterAllowTrafficHook"] == {"Ref": "AfterTraffic"}
