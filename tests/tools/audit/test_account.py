"""What is deployed: stacks by their templates, and a whole account, with permissions that are missing and interruptions."""

import json
import stat
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lambda_guard.tools.audit import asking as asking_module
from lambda_guard.tools.audit.account import account
from lambda_guard.tools.audit.asking import Asking
from lambda_guard.tools.audit.roles import statements
from lambda_guard.tools.aws import NotPermittedError, new_clients
from lambda_guard.tools.group import run

from .test_checks import function, queue, sam, sqs

ASSUME = json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})  # fmt: skip
WIDE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
NARROW = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
}


def new_function(services, name, role, **settings):
    """Deploy a function."""
    return services.client("lambda").create_function(
        FunctionName=name, Role=role, Runtime="python3.13", Handler="app.handler", Code={"ZipFile": b"PK\5\6" + bytes(18)}, **settings
    )["FunctionArn"]  # fmt: skip


def new_role(services):
    """Make a role with an inline policy and one of the account's."""
    iam = services.client("iam")
    role = iam.create_role(RoleName="wide", AssumeRolePolicyDocument=ASSUME)["Role"]["Arn"]
    iam.put_role_policy(RoleName="wide", PolicyName="inline", PolicyDocument=json.dumps(WIDE))
    own = iam.create_policy(PolicyName="own", PolicyDocument=json.dumps(NARROW))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="wide", PolicyArn=own)
    return role


def new_queues(services):
    """Make a queue with dead letters; gives its ARN."""
    client, arns = services.client("sqs"), {}
    for name, attributes in (("letters", {}), ("orders", {"VisibilityTimeout": "30"})):
        if "letters" in arns:
            redrive = {"deadLetterTargetArn": arns["letters"], "maxReceiveCount": 2}
            attributes["RedrivePolicy"] = json.dumps(redrive)
        url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arns[name] = answer["Attributes"]["QueueArn"]
    return arns["orders"]


class Services:
    """Clients of moto's services in this process: the local cloud's would ask its own Lambda."""

    @staticmethod
    def client(name):
        return boto3.client(name, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture(scope="module")
def deployed():
    """An account with two functions, a queue, a topic that may invoke, an alarm and a log group."""
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield _deployed(Services())


def _deployed(services):
    role, orders = new_role(services), new_queues(services)
    client = services.client("lambda")
    new_function(services, "orders", role, Timeout=20, TracingConfig={"Mode": "Active"}, Environment={"Variables": {"SECRET": "s3cr3t", "LAMBDA_GUARD_MAX_RECEIVE_COUNT": "3"}})  # fmt: skip
    new_function(services, "mailer", role)
    client.create_event_source_mapping(EventSourceArn=orders, FunctionName="orders", BatchSize=10)
    client.add_permission(FunctionName="mailer", StatementId="s", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com")  # fmt: skip
    services.client("cloudwatch").put_metric_alarm(
        AlarmName="errors", Namespace="AWS/Lambda", MetricName="Errors", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold", Statistic="Sum", Dimensions=[{"Name": "FunctionName", "Value": "orders"}],
    )  # fmt: skip
    logs = services.client("logs")
    logs.create_log_group(logGroupName="/aws/lambda/orders")
    logs.put_retention_policy(logGroupName="/aws/lambda/orders", retentionInDays=30)
    return services


@pytest.fixture(scope="module")
def clients(deployed):
    """The command's own clients."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "x")
        patch.setenv("AWS_REGION", "eu-west-1")
        clients = new_clients()
        clients("lambda")  # a session reads its credentials once, whichever test comes first
        yield clients


@pytest.fixture
def audit(deployed, clients, tmp_path, monkeypatch, capsys):
    """Run the command against the account; gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    variables = {
        "REGION": "eu-west-1",
        "ACCESS_KEY_ID": "x",
        "SECRET_ACCESS_KEY": "x",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"AWS_{name}", value)

    # One set of clients: each new one reads its service's model once more.
    monkeypatch.setattr("lambda_guard.tools.audit.deployed.new_clients", lambda: clients)

    def call(*arguments):
        code = run(["audit", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def refusing(monkeypatch):
    """Have operations refused for want of a permission; counts how often each was asked."""
    asked, refused, real = {}, set(), asking_module.explained

    class Explained:
        def __init__(self, what, **settings):
            self.operation, self.real = what.split()[1], real(what, **settings)
            asked[self.operation] = asked.get(self.operation, 0) + 1

        def __enter__(self):
            if self.operation in refused:
                raise NotPermittedError(f"AWS refused to call {self.operation}: the permission is missing")
            self.real.__enter__()

        def __exit__(self, *error):
            return self.real.__exit__(*error)

    monkeypatch.setattr(asking_module, "explained", Explained)
    return refused, asked


def found(out):
    """Return rule and functions of the findings of a JSON report, in order."""
    [report] = json.loads(out)["reports"]
    return sorted((it["rule"], *sorted(it["functions"])) for it in report["findings"])


EXPECTED = [
    ("IG310", "orders"),
    ("IG701", "mailer"),
    ("IG702", "mailer"),
    ("IG702", "orders"),
    ("WG101", "mailer"),
    ("WG201", "mailer"),
    ("WG302", "orders"),
    ("WG306", "orders"),
    ("WG403", "orders"),
    ("WG404", "orders"),
    ("WG703", "mailer"),
    ("WG902", "mailer", "orders"),
    ("WG903", "mailer", "orders"),
    ("WG903", "mailer", "orders"),
]


def test_an_account_is_audited(audit):
    """All functions of the Region, by what is deployed: queues, alarms, log groups, roles, who may invoke them."""
    code, out, err = audit("--account", "--format", "json")
    assert (code, err) == (1, "")
    assert found(out) == EXPECTED
    [report] = json.loads(out)["reports"]
    assert report["file"] == "account 123456789012, eu-west-1"
    assert {it["file"].split(":")[2] for it in report["findings"]} >= {"lambda", "sqs", "iam"}
    assert all(it["line"] is None for it in report["findings"])
    text = audit("--account")[1]
    assert (
        "arn:aws:lambda:eu-west-1:123456789012:function:mailer  WG201 warning  mailer is invoked by sns"
        in text
    )
    assert text.splitlines()[-1].startswith("2 functions in 1 account: ")


NOT_KNOWN = {
    "describe_alarms": ("WG101", "which alarms there are"),
    "get_policy": ("WG201", "what invokes functions asynchronously"),
    "get_function_event_invoke_config": ("WG201", "where failed asynchronous events go"),
    "describe_log_groups": ("WG703", "how long log lines are kept"),
    "get_queue_attributes": ("WG302", "redrive and visibility of queues"),
    "list_role_policies": ("WG902", "what roles allow"),
    "list_event_source_mappings": ("WG306", "which queues and streams functions read"),
    "get_function_concurrency": ("WG309", "which concurrency is reserved"),
}


@pytest.mark.parametrize("operation", NOT_KNOWN)
def test_a_missing_permission_is_said_once_and_the_rest_is_done(audit, refusing, operation):
    """Nothing is claimed of what can't be read; the operation isn't asked again; everything else is found as before."""
    refused, asked = refusing
    refused.add(operation)
    rule, what = NOT_KNOWN[operation]
    code, out, err = audit("--account", "--format", "json")
    assert (code, err) == (1, "")
    [report] = json.loads(out)["reports"]
    assert [note for note in report["notes"] if what in note] == [
        f"not known: {what}: AWS refused to call {operation}: the permission is missing"
    ]
    assert asked[operation] <= 2  # of two services, where both have it
    assert rule not in {it["rule"] for it in report["findings"]}
    assert {it["rule"] for it in report["findings"]} <= {rule for rule, *_ in EXPECTED}
    assert len(report["findings"]) >= len(EXPECTED) - 6
    text = audit("--account")[1]
    assert text.count(f"not known: {what}") == 1


def test_functions_that_may_not_be_listed_end_it(audit, refusing):
    """Without the functions there is nothing to audit: the permission is named."""
    refusing[0].add("list_functions")
    code, _, err = audit("--account")
    assert (code, err) == (1, "lambda-guard: AWS refused to call list_functions: the permission is missing\n")


def test_an_audit_goes_on_where_it_was(audit, monkeypatch):
    """Answers are kept in a file of the owner's own, without secrets; what is there isn't asked again; the end deletes it."""
    state, real, calls = Path("audit.state"), Asking._asked, []

    def interrupted(self, service, operation, request, ask):
        if operation == "get_role_policy":
            raise KeyboardInterrupt
        return real(self, service, operation, request, ask)

    monkeypatch.setattr(Asking, "_asked", interrupted)
    assert audit("--account", "--state", state)[0] == 130
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    kept = state.read_text()
    assert "s3cr3t" not in kept
    assert "LAMBDA_GUARD_MAX_RECEIVE_COUNT" in kept
    with state.open("a") as file:
        file.write('["cut o')

    def counted(self, service, operation, request, ask):
        def ask_and_count():
            calls.append(operation)
            return ask()

        return real(self, service, operation, request, ask_and_count)

    monkeypatch.setattr(Asking, "_asked", counted)
    code, out, err = audit("--account", "--state", state, "--format", "json")
    assert (code, found(out)) == (1, EXPECTED)
    assert err == f"audit.state: going on with {len(kept.splitlines()) - 1} answers\n"
    assert "list_functions" not in calls
    assert "get_role_policy" in calls
    assert not state.exists()


def test_throttling_that_goes_on_ends_it_and_keeps_what_is_there(audit, monkeypatch):
    """The clients back off by themselves; when that isn't enough, it says how to go on."""
    real = Asking._asked

    def throttled(self, service, operation, request, ask):
        def refuse():
            raise ClientError(
                {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, operation
            )

        return real(self, service, operation, request, refuse if operation == "get_policy" else ask)

    monkeypatch.setattr(Asking, "_asked", throttled)
    code, _, err = audit("--account", "--state", "audit.state")
    assert code == 1
    assert "AWS goes on throttling: run it again later; with --state FILE it goes on where it was" in err
    assert "list_functions" in Path("audit.state").read_text()


def test_the_state_of_another_account_is_refused(audit):
    """Its answers would be of other functions: it says to name another file, and stays as it is."""
    Path("audit.state").write_text('{"lambda-guard audit": 1, "account": "1", "region": "eu-west-1"}\n')
    code, _, err = audit("--account", "--state", "audit.state")
    assert code == 1
    assert "isn't the state of an audit of account 123456789012 in eu-west-1: name another file" in err
    assert Path("audit.state").exists()


def test_progress_is_told_for_each_function(clients):
    """A bar on a terminal, from the functions that are done."""
    done = []
    account(Asking(clients, None), done.append)
    assert done == [1, 1]


def test_a_managed_policy_of_aws_s_is_known_by_its_name():
    """Its document isn't read; a policy that is gone grants nothing."""

    class Asked:
        def pages(self, _service, operation, _key, **_request):
            policy = {
                "PolicyName": "AmazonSQSFullAccess",
                "PolicyArn": "arn:aws:iam::aws:policy/AmazonSQSFullAccess",
            }
            gone = {"PolicyName": "gone", "PolicyArn": "arn:aws:iam::1:policy/gone"}
            return [policy, gone] if operation == "list_attached_role_policies" else []

        def one(self, *_question, **_request):
            return None

    [found_one] = statements(Asked(), [{"Role": "arn:aws:iam::1:role/r", "FunctionName": "f"}])
    assert (found_one.managed, found_one.owner, found_one.functions) == ("AmazonSQSFullAccess", "r", ("f",))


STACK = sam(
    function(FunctionName="!Sub '${AWS::StackName}-fn'", Timeout="!Ref Seconds", Events=sqs()),
    queue(VisibilityTimeout=100),
    head="Parameters: {Seconds: {Type: Number, Default: 1}}\n",
)


def test_a_stack_is_audited_by_its_template(audit, deployed):
    """As it was deployed; the alarms of the account aren't a report of their own."""
    template = "Resources:\n" + queue(QueueName="plain-queue")
    deployed.client("cloudformation").create_stack(StackName="plain", TemplateBody=template)
    code, out, _ = audit("--stack", "plain", "--fail-on", "never")
    assert code == 0
    assert out.splitlines()[0] == "stack plain"
    assert out.splitlines()[-1].startswith("0 functions in 1 template: ")


def test_parameters_and_names_of_a_stack(audit, monkeypatch):
    """The parameter's deployed value counts, not its default, and a name that the stack gives meets the account's alarm."""
    answers = {
        "get_template": {"TemplateBody": STACK},
        "describe_stacks": {
            "Stacks": [
                {
                    "StackName": "shop",
                    "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1",
                    "Parameters": [{"ParameterKey": "Seconds", "ParameterValue": "20"}],
                }
            ]
        },
        "list_stack_resources": [
            {
                "LogicalResourceId": "Fn",
                "PhysicalResourceId": "orders",
                "ResourceType": "AWS::Lambda::Function",
            },
            {
                "LogicalResourceId": "Queue",
                "PhysicalResourceId": "http://q/1/orders",
                "ResourceType": "AWS::SQS::Queue",
            },
        ],
    }
    real = Asking._asked
    monkeypatch.setattr(
        Asking, "_asked", lambda self, service, operation, request, ask: answers.get(operation) or real(self, service, operation, request, ask)
    )  # fmt: skip
    _, out, _ = audit("--stack", "shop", "--format", "json")
    [report] = json.loads(out)["reports"]
    [short] = [it for it in report["findings"] if it["rule"] == "WG306"]
    assert short["what"] == "Queue hides a message for 100 s; with Fn's timeout of 20 s it should be 120 s"
    assert (short["file"], short["path"]) == (
        "stack shop",
        ["Resources", "Queue", "Properties", "VisibilityTimeout"],
    )
    assert "WG101" not in {it["rule"] for it in report["findings"]}


def test_a_stack_that_isnt_there(audit):
    """It is named, with account and Region."""
    code, _, err = audit("--stack", "nothing")
    assert code == 1
    assert "there is no stack nothing in eu-west-1 of account 123456789012" in err
