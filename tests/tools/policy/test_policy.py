"""`lambda-guard policy`: records in, a policy out, and what is said about it."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.iam.matcher import Request, decide, statements_of
from lambda_guard.iam.resources import Place
from lambda_guard.tools.group import run
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.policy.evidence import Called, Evidence
from lambda_guard.tools.policy.limits import size
from lambda_guard.tools.policy.needs import needs_of
from lambda_guard.tools.policy.statements import policy, statements

from ..conftest import Logs

LOGS = Logs()
AT = "eu-west-1:123456789012"
TRIGGER = {"type": "sqs", "source": f"arn:aws:sqs:{AT}:orders", "records": 1}
QUERY = {"service": "dynamodb", "operation": "Query", "resource": "stock", "count": 2, "errors": 0}
ENOUGH = ("--least-invocations", "1", "--least-days", "1")


def allows(document, action, resource):
    """Return whether a policy allows an action on a resource."""
    return decide(statements_of(document), Request(action, resource)).allowed


@pytest.fixture
def made(tmp_path, capsys):
    """Run the command over records, each given by its own fields; gives code, policy or None, and standard error."""

    def call(*records, options=ENOUGH, function="orders"):
        log = tmp_path / "app.log"
        lines = [
            LOGS.record(number, 100 * number, 20, **{"trigger": TRIGGER, **fields})
            for number, fields in enumerate(records)
        ]
        log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        code = run(["policy", str(log), "--function", function, *options])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return call


def test_the_whole_policy_of_one_function(made):
    """What it called and what Lambda does in its name, by service and resource, and nothing else."""
    code, document, said = made({"calls": [QUERY, {**QUERY, "operation": "GetItem"}]}, {"calls": [QUERY]})
    assert code == 0
    assert document == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "DynamodbStock",
                "Effect": "Allow",
                "Action": ["dynamodb:GetItem", "dynamodb:Query"],
                "Resource": [f"arn:aws:dynamodb:{AT}:table/stock"],
            },
            {
                "Sid": "LogsOrders",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": [f"arn:aws:logs:{AT}:log-group:/aws/lambda/orders:*"],
            },
            {
                "Sid": "SqsOrders",
                "Effect": "Allow",
                "Action": ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
                "Resource": [f"arn:aws:sqs:{AT}:orders"],
            },
        ],
    }
    assert said == (
        "resources without an ARN are in account 123456789012, Region eu-west-1, as typed or as every ARN of the "
        "records has it: --account and --region name others\n"
        "evidence: 2 invocations of orders on 1 day (2026-11-23), versions $LATEST; success 2\n"
        "never seen: error, timeout. What the function calls then, no record tells\n"
        "2 records of an older version: a name without an ARN is taken to be in the function's own Region and account, "
        "which they don't tell\n"
        "no call shows logs:CreateLogStream, logs:PutLogEvents: Lambda writes the function's logs there, unless its "
        "LoggingConfig names another group\n"
        "no call shows sqs:DeleteMessage, sqs:GetQueueAttributes, sqs:ReceiveMessage: Lambda polls its sqs trigger\n"
        "not known from records: calls while the environment starts, by code of the module, VPC interfaces, keys that "
        "services use in the function's name, calls without botocore\n"
        "DynamodbStock: dynamodb GetItem stock in 1 invocation; dynamodb Query stock in 2 invocations\n"
        "2 invocations, 0 failed; 2 lines read\n"
    )


def test_little_evidence_makes_a_draft(made):
    """Every statement's name says so, and standard error says why."""
    code, document, said = made({"calls": [QUERY], "calls_more": 3}, options=())
    assert code == 0
    assert all(it["Sid"].startswith("Draft") for it in document["Statement"])
    assert (
        "lambda-guard: a draft: it rests on 1 of at least 1,000 invocations; it rests on 1 of at least 7 days; "
        "3 calls were left out of records that had too many\n" in said
    )


def test_an_unknown_operation_is_named_and_the_exit_code_says_so(made):
    """The rest is done all the same."""
    code, document, said = made({"calls": [QUERY, {**QUERY, "operation": "Guess"}]})
    assert code == 1
    assert (
        "lambda-guard: not in the policy: dynamodb Guess stock: no action is known for this operation\n"
        in said
    )
    assert allows(document, "dynamodb:Query", f"arn:aws:dynamodb:{AT}:table/stock")


def test_two_accounts_in_one_source_are_asked_about(made):
    """A table of no account known is left out; naming the account puts it in."""
    records = (
        {"calls": [QUERY]},
        {"trigger": {"type": "sns", "source": "arn:aws:sns:eu-west-1:210987654321:news"}},
    )
    code, document, said = made(*records)
    assert code == 1
    assert "its account isn't known: name it with --account" in said
    assert document["Statement"][0]["Sid"] == "SqsOrders"
    code, document, _ = made(*records, options=(*ENOUGH, "--account", "123456789012"))
    assert code == 0
    assert allows(document, "dynamodb:Query", f"arn:aws:dynamodb:{AT}:table/stock")


def test_a_durable_function_tells_its_own_account(made):
    """The ARN of its execution is its own, whatever else the records name."""
    execution = f"arn:aws:lambda:{AT}:function:orders:1/durable-execution/a/b"
    other = {"type": "sns", "source": "arn:aws:sns:us-east-1:210987654321:news"}
    code, document, _ = made({"calls": [QUERY], "durable": {"execution": execution}, "trigger": other})
    assert code == 0
    assert allows(document, "dynamodb:Query", f"arn:aws:dynamodb:{AT}:table/stock")


@pytest.mark.parametrize(
    ("trigger", "actions"),
    [
        (
            {"type": "kinesis", "source": f"arn:aws:kinesis:{AT}:stream/s"},
            [
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
                "kinesis:DescribeStream",
            ],
        ),
        (
            {"type": "dynamodb", "source": f"arn:aws:dynamodb:{AT}:table/t/stream/2026-11-23T00:00:00.000"},
            ["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream"],
        ),
    ],
)
def test_polling_a_stream_is_added(made, trigger, actions):
    """Lambda reads it in the function's name, and lists the streams of the account."""
    code, document, said = made({"trigger": trigger})
    assert code == 0
    assert all(allows(document, action, trigger["source"]) for action in actions)
    assert allows(document, f"{trigger['type']}:ListStreams", "*")
    assert f"wide: {trigger['type']}:ListStreams on *: IAM grants it on nothing narrower\n" in said


def test_spans_dead_letters_and_brokers(made):
    """Tracing and the dead-letter queue are added; what a broker's trigger asks for is left to its page, and said."""
    queue = f"arn:aws:sqs:{AT}:failed"
    kafka = {"type": "kafka", "source": f"arn:aws:kafka:{AT}:cluster/c/1"}
    code, document, said = made(
        {"span_id": "ab", "trigger": kafka}, options=(*ENOUGH, "--dead-letters", queue)
    )
    assert code == 1
    assert allows(document, "xray:PutTraceSegments", "*")
    assert allows(document, "sqs:SendMessage", queue)
    assert "not in the policy: Lambda polls its kafka trigger" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--account", "12"), "'12' isn't an account: write it as in 123456789012"),
        (("--region", "*"), "'*' isn't a Region: write it as in eu-west-1"),
        (("--dead-letters", "arn:aws:sqs:eu-west-1:123456789012:*"), "isn't the ARN of a queue or topic"),
        (("--log-group", "x"), "name either files or log groups, not both"),
    ],
)
def test_what_is_typed_wrong_is_refused(made, options, message):
    """Nothing that isn't what it should be comes to stand in a policy."""
    code, document, said = made({}, options=options)
    assert (code, document) == (2, None)
    assert message in said


def test_a_function_that_is_not_there_is_said(made):
    """With the functions that are."""
    code, document, said = made({}, function="billing")
    assert (code, document) == (1, None)
    assert "no invocation of billing in these logs: there are orders\n" in said


def test_logs_without_records_make_no_policy(tmp_path, capsys):
    """What was called isn't known then, and an empty policy would say that nothing was."""
    log = tmp_path / "app.log"
    log.write_text(f"{LOGS.line(1, 5, 'hello')}\n")
    assert run(["policy", str(log), "--function", "orders"]) == 1
    assert "no invocation record of orders in these logs" in capsys.readouterr().err
    log.write_text("")
    assert run(["policy", str(log), "--function", "orders"]) == 1
    assert (
        "no invocation of orders in these logs: do --since and --until include any?"
        in capsys.readouterr().err
    )


def test_the_policy_can_be_written_to_a_file(made, tmp_path):
    """The file has it, and standard output nothing."""
    code, document, said = made({"calls": [QUERY]}, options=(*ENOUGH, "-o", str(tmp_path / "p.json")))
    assert (code, document) == (0, None)
    assert json.loads((tmp_path / "p.json").read_text())["Statement"][0]["Sid"] == "DynamodbStock"
    assert "wrote " in said


def test_a_policy_too_large_for_a_role_is_said(made):
    """Inline policies of a role have 10,240 characters in all."""
    calls = [{**QUERY, "resource": f"stock-{number:0200}"} for number in range(60)]
    code, document, said = made({"calls": calls})
    assert code == 0
    assert (
        f"the policy has {size(document):,} characters, and a role's inline policies may have 10,240 in all"
        in said
    )


def test_nothing_from_a_record_steers_the_terminal(made):
    """Escapes, line ends and quotes in every name are written visibly, and the policy stays JSON without them."""
    hostile = 'a\x1b[31m\u202e"}]\n\u2713 success  forged'
    call = {"service": hostile, "operation": hostile, "resource": hostile, "region": hostile}
    trigger = {"type": "kafka", "source": hostile}
    code, document, said = made(
        {"calls": [call, {**QUERY, "resource": hostile}], "function_version": hostile, "trigger": trigger},
        options=(*ENOUGH, "--account", "123456789012", "--region", "eu-west-1"),
    )
    assert code == 1
    assert [statement["Sid"] for statement in document["Statement"]] == ["LogsOrders"]
    assert not {char for char in said if not char.isprintable()} - {"\n"}
    assert not [line for line in said.splitlines() if line.startswith("\u2713")]


# --- Properties -------------------------------------------------------------------------------------------------------

HERE = Place("eu-west-1", "123456789012")
NAMES = st.from_regex(r"[a-z][a-z0-9-]{2,12}", fullmatch=True)
SHAPES = {
    ("dynamodb", "Query"): ("dynamodb:Query", "arn:aws:dynamodb:{at}:table/{name}"),
    ("dynamodb", "PutItem"): ("dynamodb:PutItem", "arn:aws:dynamodb:{at}:table/{name}"),
    ("sqs", "SendMessageBatch"): ("sqs:SendMessage", "arn:aws:sqs:{at}:{name}"),
    ("s3", "HeadObject"): ("s3:GetObject", "arn:aws:s3:::{name}/a/key"),
    ("s3", "ListObjectsV2"): ("s3:ListBucket", "arn:aws:s3:::{name}"),
    ("eventbridge", "PutEvents"): ("events:PutEvents", "arn:aws:events:{at}:event-bus/{name}"),
    ("secrets-manager", "GetSecretValue"): (
        "secretsmanager:GetSecretValue",
        "arn:aws:secretsmanager:{at}:secret:{name}-a1B2c3",
    ),
    ("ssm", "GetParameter"): ("ssm:GetParameter", "arn:aws:ssm:{at}:parameter/{name}"),
    ("lambda", "Invoke"): ("lambda:InvokeFunction", "arn:aws:lambda:{at}:function:{name}"),
    ("kinesis", "PutRecord"): ("kinesis:PutRecord", "arn:aws:kinesis:{at}:stream/{name}"),
    ("dynamodb", "Query", "index", "by-date"): ("dynamodb:Query", "arn:aws:dynamodb:{at}:table/{name}/index/by-date"),
    ("dynamodb", "TransactWriteItems", "kind", "Put"): ("dynamodb:PutItem", "arn:aws:dynamodb:{at}:table/{name}"),
    ("dynamodb", "TransactWriteItems", "kind", "Delete"): ("dynamodb:DeleteItem", "arn:aws:dynamodb:{at}:table/{name}"),
    ("dynamodb", "ExecuteStatement", "kind", "Select"): ("dynamodb:PartiQLSelect", "arn:aws:dynamodb:{at}:table/{name}"),
    ("dynamodb", "ExecuteStatement", "kind", "Insert"): ("dynamodb:PartiQLInsert", "arn:aws:dynamodb:{at}:table/{name}"),
    ("lambda", "Invoke", "qualifier", "live"): ("lambda:InvokeFunction", "arn:aws:lambda:{at}:function:{name}:live"),
    ("sqs", "GetQueueUrl", "account", "210987654321"): ("sqs:GetQueueUrl", "arn:aws:sqs:{at}:{name}"),
}  # fmt: skip


def called(shape, name, region=""):
    """Return a call of this shape."""
    service, operation, *more = shape
    return Called(service, operation, name, region, **({more[0]: more[1]} if more else {}))


def shape_of(call):
    """Return the shape of a call."""
    more = [
        (key, getattr(call, key)) for key in ("index", "kind", "qualifier", "account") if getattr(call, key)
    ]
    return (call.service, call.operation, *(more[0] if more else ()))


CALLS = st.builds(
    called,
    st.sampled_from(sorted(SHAPES)),
    NAMES,
    st.sampled_from(["", "us-east-1"]),
)


def asks(call):
    """Return the action and the ARN that IAM is asked about, written down here by hand."""
    action, arn = SHAPES[shape_of(call)]
    at = f"{call.region or 'eu-west-1'}:{call.account or '123456789012'}"
    return action, arn.format(at=at, name=call.resource)


@settings(max_examples=50, deadline=None)
@given(st.permutations([called(shape, name) for shape in sorted(SHAPES) for name in ("a", "b")]))
def test_the_order_of_calls_changes_nothing(calls):
    """The same calls make the same bytes."""

    def made_of(some):
        evidence = Evidence("orders")
        evidence.calls.update(some)
        return json.dumps(policy(needs_of(evidence, HERE).granted, draft=False))

    assert made_of(calls) == made_of(sorted(calls, key=repr))


NAMED = [
    "orders",
    "alias/shop",
    "eu.anthropic.claude",
    "arn:aws:sqs:*:123456789012:orders",
    "arn:aws:sqs:eu-west-1:\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661:orders",
    "arn:aws:sqs:us-*:123456789012:orders",
    "arn:aws:sqs:eu-west-1:123456789012:orders",
    "arn:aws:dynamodb:eu-west-1:123456789012:table/*",
    "https://sqs.*.amazonaws.com/123456789012/orders",
    "https://sqs.eu-west-1.amazonaws.com/123456789012/*",
]
WRITTEN = re.compile(
    r"arn:aws:(sqs|dynamodb):[a-z0-9-]+:[0-9]{12}:(table/)?[\w.\-/#+=@,:$]+"
    r"|arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[\w/*-]+"
    r"|arn:aws:bedrock:[a-z0-9-]+:([0-9]{12})?:(foundation-model|inference-profile)/[\w.\-/#+=@,:$]+"
    r"|arn:aws:bedrock:\*::foundation-model/[\w.\-/#+=@,:$]+"
    r"|arn:aws:logs:[a-z0-9-]+:[0-9]{12}:log-group:/aws/lambda/orders:\*",
    re.ASCII,
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "service": st.sampled_from(["dynamodb", "sqs", "kms", "bedrock-runtime"])
                | st.text()
                | st.none(),
                "operation": st.sampled_from(["Query", "SendMessage", "Decrypt", "Converse"])
                | st.text()
                | st.none(),
                "resource": st.text() | st.text('arn:aws*?"\n{}$-/0') | st.none() | st.integers(),
                "region": st.text() | st.none(),
            },
        )
        | st.text()
    ),
    st.sampled_from(NAMED) | st.text() | st.integers() | st.lists(st.text()),
)
def test_no_record_breaks_out_of_the_policy(calls, trigger):
    """Whatever a record holds: only Allow, no wildcard of an outsider's, names of letters and digits, and no exception."""
    evidence = Evidence("orders")
    record = {"record": "invocation", "calls": calls, "trigger": {"type": trigger, "source": trigger}}
    evidence.add(Invocation("i", record=record))
    needs = needs_of(evidence, evidence.place(None, None))
    for statement in json.loads(json.dumps(policy(needs.granted, draft=False)))["Statement"]:
        assert statement["Effect"] == "Allow"
        assert re.fullmatch("[A-Za-z0-9]+", statement["Sid"])
        assert all(WRITTEN.fullmatch(arn) for arn in statement["Resource"]), statement


def test_a_statement_knows_what_asked_for_it():
    """Calls by their number of invocations, the first three by name; what no call shows is told apart."""
    evidence = Evidence("orders")
    for name, count in (("a", 1), ("b", 1_200), ("c", 2), ("d", 2)):
        evidence.calls[Called("dynamodb", "Query", name)] = count
    made = {it.sid: it.why for it in statements(needs_of(evidence, HERE).granted, draft=False)}
    assert made["Dynamodb"] == (
        "dynamodb Query a in 1 invocation; dynamodb Query b in 1,200 invocations; "
        "dynamodb Query c in 2 invocations; 1 other call"
    )
    assert made["LogsOrders"].startswith("no call shows it: Lambda writes the function's logs there")


FUNCTION_ARN = f"arn:aws:lambda:{AT}:function:orders:live"


def test_a_record_says_where_its_function_is(made):
    """Neither the account nor the Region has to be typed; what a call says of its own goes before."""
    elsewhere = {**QUERY, "operation": "PutItem", "region": "us-east-1"}
    theirs = {"service": "sns", "operation": "Publish", "resource": "arn:aws:sns:eu-west-1:210987654321:news"}
    record = {
        "function_arn": FUNCTION_ARN,
        "trigger": {"type": "schedule"},
        "calls": [QUERY, elsewhere, theirs],
    }
    code, document, said = made(record)
    assert code == 0
    assert allows(document, "dynamodb:Query", f"arn:aws:dynamodb:{AT}:table/stock")
    assert allows(document, "dynamodb:PutItem", "arn:aws:dynamodb:us-east-1:123456789012:table/stock")
    assert not allows(document, "dynamodb:PutItem", f"arn:aws:dynamodb:{AT}:table/stock")
    assert allows(document, "sns:Publish", "arn:aws:sns:eu-west-1:210987654321:news")
    assert "older" not in said


def test_what_a_call_says_besides_is_granted_exactly(made):
    """An index is no table, a deletion in a transaction no update, and a copy reads its source."""
    calls = [
        {**QUERY, "index": "by-date"},
        {**QUERY, "operation": "TransactWriteItems", "kind": "Delete"},
        {"service": "s3", "operation": "CopyObject", "resource": "to-1", "source": "from-1"},
        {"service": "s3", "operation": "GetObject", "resource": "shop", "presigned": True},
    ]
    code, document, said = made({"function_arn": FUNCTION_ARN, "calls": calls})
    assert code == 0
    table = f"arn:aws:dynamodb:{AT}:table/stock"
    assert allows(document, "dynamodb:Query", f"{table}/index/by-date")
    assert not allows(document, "dynamodb:Query", table)
    assert allows(document, "dynamodb:DeleteItem", table)
    assert not allows(document, "dynamodb:UpdateItem", table)
    assert allows(document, "s3:GetObject", "arn:aws:s3:::from-1/a/key")
    assert allows(document, "s3:GetObject", "arn:aws:s3:::shop/a/key")
    assert not allows(document, "s3:GetObject", "arn:aws:s3:::to-1/a/key")
    assert "s3 GetObject shop (presigned) in 1 invocation" in said


def test_a_denial_is_told_and_what_it_asked_for_besides_is_granted(made):
    """The key that encrypts a bucket is in no call; what a policy denies, no other policy can allow."""
    key = f"arn:aws:kms:{AT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    get = {"service": "s3", "operation": "GetObject", "resource": "shop", "count": 3, "errors": 3}
    by_key = {
        "count": 3,
        "action": "kms:Decrypt",
        "resource": key,
        "deny": "implicit",
        "policy_type": "identity-based",
    }
    by_scp = {
        "count": 1,
        "action": "dynamodb:Query",
        "deny": "explicit",
        "policy_type": "service control",
        "authorization_id": "EXAMPLE1",
    }
    calls = [{**get, "denied": by_key}, {**QUERY, "denied": by_scp}]
    code, document, said = made({"function_arn": FUNCTION_ARN, "calls": calls})
    assert code == 0
    assert allows(document, "kms:Decrypt", key)
    assert "no call shows kms:Decrypt: AWS denied it to s3 GetObject shop\n" in said
    assert (
        f"s3 GetObject shop: denied 3 times: kms:Decrypt on {key}, nothing allows it, identity-based policy\n"
        in said
    )
    assert (
        "dynamodb Query stock: denied 1 time: dynamodb:Query, a policy denies it, service control policy, "
        "authorization id EXAMPLE1\n" in said
    )


@pytest.mark.parametrize(
    "denied",
    [
        "yes",
        {"count": "x", "action": 7},
        {"action": "kms:*", "resource": "*"},
        {"action": "a", "resource": f"arn:aws:kms:{AT}:key/*"},
        {"action": "kms:Decrypt", "resource": f"arn:aws:kms:{AT}:key/*", "deny": "implicit"},
    ],
)
def test_a_forged_denial_widens_nothing(made, denied):
    """An action or a resource that AWS wouldn't name isn't granted."""
    _, document, _ = made({"function_arn": FUNCTION_ARN, "calls": [{**QUERY, "denied": denied}]})
    assert not allows(document, "kms:Decrypt", f"arn:aws:kms:{AT}:key/a")
    assert "*" not in json.dumps([it["Action"] for it in document["Statement"]])


def test_records_without_resources_make_a_draft(made):
    """The variable that leaves them out is named, since the policy can't be exact."""
    unnamed = {"function_arn": FUNCTION_ARN, "calls": [{**QUERY, "resource": None}], "calls_unnamed": True}
    code, _, said = made(unnamed)
    assert code == 1
    assert "a draft: 1 record leaves resources out: LAMBDA_GUARD_CALL_RESOURCES=off asks for it" in said
