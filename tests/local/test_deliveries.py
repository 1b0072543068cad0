"""Asynchronous invocations, topics, trace headers, schedules, and Lambda's API."""

import base64
import json

import pytest
from botocore.exceptions import ClientError

from lambda_guard.local import Cloud, LocalCloudError

ROOT = "1-5e34a614-10bd0000000fb44f07bc535a"
TRACE = f"Root={ROOT};Parent=07f50000d1f6f8aa;Sampled=1"
OTHER = "Root=1-6e34a614-20bd0000000fb44f07bc535b;Parent=17f50000d1f6f8ab;Sampled=0"
ACCOUNT_ARN = "eu-west-1:123456789012"


@pytest.fixture(scope="module")
def cloud(functions, build):
    """Return a cloud in which everything leads to a function that echoes its event."""

    def destination(**kinds):
        return {
            "MaximumRetryAttempts": 1,
            "DestinationConfig": {
                f"On{kind}": {"Type": "SQS", "Destination": {"Fn::GetAtt": [queue, "Arn"]}}
                for kind, queue in kinds.items()
            },
        }

    template = build.template(
        Echo=build.function(
            "worker.echo",
            FunctionName="echo-function",
            events={
                "Direct": build.from_topic("Topic"),
                "Filtered": build.from_topic("Filtered", FilterPolicy={"kind": ["order"]}),
                "Enveloped": build.from_queue("Enveloped"),
                "Raw": build.from_queue("Raw"),
                "Rule": {
                    "Type": "Schedule",
                    "Properties": {"Schedule": "cron(0 1 * * ? *)", "Input": '{"fixed": 1}'},
                },
                "Rate": {"Type": "Schedule", "Properties": {"Schedule": "rate(365 days)"}},  # not by itself
            },
        ),
        Topic=build.topic(),
        Filtered=build.topic(),
        Enveloped=build.queue(),
        Raw=build.queue(),
        ToEnveloped={
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Enveloped", "Arn"]},
            },
        },
        ToRaw={
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Raw", "Arn"]},
                "RawMessageDelivery": True,
            },
        },
        Quiet=build.function("worker.echo", Tracing="PassThrough", events={"Q": build.from_queue("Quietly")}),
        Quietly=build.queue(),
        Lonely=build.topic(),
        Dying=build.function(
            "worker.failing",
            DeadLetterQueue={"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}},
        ),
        Dead=build.queue(),
        Failing=build.function("worker.failing", EventInvokeConfig=destination(Failure="Failed")),
        Failed=build.queue(),
        Once=build.function("worker.once", EventInvokeConfig=destination(Success="Succeeded")),
        Succeeded=build.queue(),
        Told=build.function(
            "worker.echo",
            EventInvokeConfig={
                "DestinationConfig": {
                    "OnSuccess": {"Type": "EventBridge", "Destination": {"Fn::GetAtt": ["Bus", "Arn"]}}
                }
            },
        ),
        Bus={"Type": "AWS::Events::EventBus", "Properties": {"Name": "results"}},
        Results={
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventBusName": {"Ref": "Bus"},
                "EventPattern": {"source": ["lambda"]},
                "Targets": [{"Id": "1", "Arn": {"Fn::GetAtt": ["Kept", "Arn"]}}],
            },
        },
        Kept=build.queue(),
        Plain=build.function("single.handler"),
        Plainly=build.queue(),
    )
    with Cloud(template, root=functions, speed=1000) as cloud:
        yield cloud


def events(cloud, source):
    """Return event and trace header of the latest invocations of the echo whose first record is of a source."""
    payloads = [result.payload for result in cloud.results("Echo")]
    records = [(it["event"]["Records"], it["trace"]) for it in payloads if "Records" in it["event"]]
    return [
        (records_, trace)
        for records_, trace in records
        if source in {records_[0].get("eventSourceARN", "").split(":")[-1], records_[0].get("EventSource")}
    ]


def test_a_topic_invokes_a_function_with_lambdas_sns_event(cloud):
    """The notification has message, subject and attributes, under the documented keys."""
    answer = cloud.client("sns").publish(
        TopicArn=cloud.topic_arn("Filtered"),
        Message="hello",
        Subject="greeting",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "order"}},
    )
    cloud.settle()
    [record] = events(cloud, "aws:sns")[-1][0]
    notification = record.pop("Sns")
    subscription = record.pop("EventSubscriptionArn")

    assert record == {"EventSource": "aws:sns", "EventVersion": "1.0"}
    assert subscription.startswith(cloud.topic_arn("Filtered") + ":")
    assert set(notification) == {
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature",
        "SigningCertUrl", "UnsubscribeUrl", "MessageAttributes",
    }  # fmt: skip
    assert notification["MessageId"] == answer["MessageId"]
    assert (notification["Message"], notification["Subject"]) == ("hello", "greeting")
    assert notification["MessageAttributes"] == {"kind": {"Type": "String", "Value": "order"}}


def test_a_filter_policy_holds_for_functions(cloud):
    """A message that the policy doesn't let pass invokes nothing."""
    before = len(cloud.results("Echo"))
    cloud.client("sns").publish(TopicArn=cloud.topic_arn("Filtered"), Message="no attributes")
    cloud.settle()

    assert len(cloud.results("Echo")) == before


@pytest.mark.parametrize("batch", [False, True])
def test_the_publishers_trace_reaches_every_subscriber(cloud, traced, batch):
    """SNS passes the HTTP header on: to the function as its trace, to queues as AWSTraceHeader, raw and enveloped."""
    with traced(cloud.client("sns")) as sns:
        if batch:
            entries = [{"Id": "1", "Message": "m"}]
            sns.publish_batch(TopicArn=cloud.topic_arn("Topic"), PublishBatchRequestEntries=entries)
        else:
            sns.publish(TopicArn=cloud.topic_arn("Topic"), Message="m")
    cloud.settle()
    direct, direct_trace = events(cloud, "aws:sns")[-1]
    enveloped, enveloped_trace = events(cloud, "Enveloped")[-1]
    raw, raw_trace = events(cloud, "Raw")[-1]

    assert direct[0]["Sns"]["Message"] == "m"
    assert direct_trace.startswith(f"Root={ROOT};Parent=")
    assert "Parent=07f50000d1f6f8aa" not in direct_trace
    assert direct_trace.split(";")[2] == "Sampled=1"
    assert direct_trace.split(";")[3].startswith("Lineage=")
    assert raw[0]["body"] == "m"
    assert json.loads(enveloped[0]["body"])["Message"] == "m"
    assert raw[0]["attributes"]["AWSTraceHeader"] == enveloped[0]["attributes"]["AWSTraceHeader"] == TRACE
    assert ROOT not in raw_trace + enveloped_trace
    assert "Sampled=1" in raw_trace


def test_sending_carries_the_header_per_message(cloud, traced, receive):
    """The HTTP header becomes AWSTraceHeader, an entry's own system attribute wins; nothing else gets one."""
    url = cloud.queue_url("Plainly")
    own = {"AWSTraceHeader": {"DataType": "String", "StringValue": OTHER}}
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="none")
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="own", MessageSystemAttributes=own)
    with traced(cloud.client("sqs")) as sqs:
        sqs.send_message(QueueUrl=url, MessageBody="http")
        sqs.send_message(QueueUrl=url, MessageBody="both", MessageSystemAttributes=own)
        entries = [
            {"Id": "1", "MessageBody": "entry http"},
            {"Id": "2", "MessageBody": "entry both", "MessageSystemAttributes": own},
        ]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    found = {
        message["Body"]: message["Attributes"].get("AWSTraceHeader") for message in receive(cloud, "Plainly")
    }

    assert found == {
        "none": None,
        "own": OTHER,
        "http": TRACE,
        "both": OTHER,
        "entry http": TRACE,
        "entry both": OTHER,
    }


def test_a_malformed_header_is_refused_as_an_attribute_only(cloud, traced, receive):
    """SQS refuses a malformed AWSTraceHeader; a malformed HTTP header is no reason to lose a message."""
    url = cloud.queue_url("Plainly")
    wrong = {"AWSTraceHeader": {"DataType": "String", "StringValue": "garbage"}}
    entry = {"Id": "1", "MessageBody": "x", "MessageSystemAttributes": wrong}
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x", MessageSystemAttributes=wrong)
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=[entry])
    with traced(cloud.client("sqs"), "Root=garbage") as sqs:
        sqs.send_message(QueueUrl=url, MessageBody="kept")

    assert "AWSTraceHeader" not in next(
        message["Attributes"] for message in receive(cloud, "Plainly") if message["Body"] == "kept"
    )


def test_sampling_is_inherited_from_messages(cloud):
    """The new trace of a batch of unsampled messages isn't sampled."""
    own = {"AWSTraceHeader": {"DataType": "String", "StringValue": OTHER}}
    cloud.client("sqs").send_message(
        QueueUrl=cloud.queue_url("Raw"), MessageBody="x", MessageSystemAttributes=own
    )
    cloud.settle()
    _, trace = events(cloud, "Raw")[-1]

    assert trace.split(";")[2] == "Sampled=0"
    assert "6e34a614" not in trace


def test_an_unsampled_function_stays_so_behind_a_queue(cloud):
    """A message without a header starts a trace that the function's tracing mode decides about."""
    cloud.client("sqs").send_message(QueueUrl=cloud.queue_url("Quietly"), MessageBody="x")
    cloud.settle()

    assert ";Sampled=0;" in cloud.results("Quiet")[-1].trace_header


def test_a_delivery_to_nobody_does_not_fail_the_publisher(cloud):
    """As on AWS, publishing succeeds when a subscribed function doesn't exist."""
    topic = cloud.topic_arn("Lonely")
    nobody = f"arn:aws:lambda:{ACCOUNT_ARN}:function:Nobody"
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=nobody)

    assert cloud.client("sns").publish(TopicArn=topic, Message="m")["MessageId"]


def test_no_message_leaves_this_machine(cloud, caplog):
    """A subscriber elsewhere is named and gets nothing; one here that doesn't answer doesn't fail the publisher either."""
    topic = cloud.topic_arn("Lonely")
    for endpoint in ("https://example.com/hook", "http://127.0.0.1:9/hook"):
        cloud.client("sns").subscribe(TopicArn=topic, Protocol=endpoint.partition(":")[0], Endpoint=endpoint)

    assert cloud.client("sns").publish(TopicArn=topic, Message="m")["MessageId"]
    said = [it.getMessage() for it in caplog.records if "stays on this machine" in it.getMessage()]
    assert said == ["a message of Lonely stays on this machine: https://example.com/hook doesn't get it"]


def test_the_service_records_its_segments(cloud):
    """The caller's segment is the parent of Lambda's, which is that of the function's, whose id the function gets."""
    result = cloud.invoke("Echo", {}, trace_header=TRACE)
    of_this = [
        document for document in cloud.documents() if document["aws"]["request_id"] == result.request_id
    ]
    service, function = of_this

    assert (service["trace_id"], service["parent_id"]) == (ROOT, "07f50000d1f6f8aa")
    assert (service["origin"], function["origin"]) == ("AWS::Lambda", "AWS::Lambda::Function")
    assert function["parent_id"] == service["id"]
    assert f"Parent={function['id']};" in result.trace_header
    assert service["name"] == function["name"] == "echo-function"
    assert service["start_time"] <= function["end_time"]


def test_without_active_tracing_lambda_starts_no_sampled_trace(cloud):
    """PassThrough: a trace that starts here isn't sampled, one that comes in sampled stays so, unrecorded."""
    alone = cloud.invoke("Quiet", {})
    joined = cloud.invoke("Quiet", {}, trace_header=TRACE)
    recorded = {document["aws"]["request_id"] for document in cloud.documents()}

    assert ";Sampled=0;" in alone.trace_header
    assert joined.trace_header.startswith(f"Root={ROOT};")
    assert ";Sampled=1;" in joined.trace_header
    assert not {alone.request_id, joined.request_id} & recorded


def test_a_failed_event_is_tried_three_times_and_then_dead(cloud, receive):
    """Two retries with the same request id, then the event is in the function's dead-letter queue."""
    cloud.client("lambda").invoke(FunctionName="Dying", InvocationType="Event", Payload=b'{"order": 1}')
    cloud.settle()
    [message] = receive(cloud, "Dead")
    attempts = cloud.results("Dying")

    assert [result.status for result in attempts] == ["error"] * 3
    [request_id] = {result.request_id for result in attempts}
    [_root] = {result.trace_header.split(";")[0] for result in attempts}
    assert message["Body"] == '{"order": 1}'
    assert message["MessageAttributes"] == {
        "RequestID": {"StringValue": request_id, "DataType": "String"},
        "ErrorCode": {"StringValue": "200", "DataType": "Number"},
        "ErrorMessage": {"StringValue": "never works", "DataType": "String"},
    }


def test_a_failed_event_reaches_its_destination(cloud, receive):
    """After the configured retries the on-failure destination gets the whole document."""
    cloud.client("lambda").invoke(FunctionName="Failing", InvocationType="Event", Payload=b'{"order": 2}')
    cloud.settle()
    [message] = receive(cloud, "Failed")
    document = json.loads(message["Body"])
    result = cloud.results("Failing")[-1]
    document.pop("timestamp")

    assert document == {
        "version": "1.0",
        "requestContext": {
            "requestId": result.request_id,
            "functionArn": f"arn:aws:lambda:{ACCOUNT_ARN}:function:Failing:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 2,
        },
        "requestPayload": {"order": 2},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": result.payload,
    }
    assert result.payload["errorMessage"] == "never works"


def test_an_event_that_works_in_the_end_reaches_its_destination(cloud, receive):
    """The on-success destination gets the answer, with the number of attempts."""
    cloud.client("lambda").invoke(FunctionName="Once", InvocationType="Event", Payload=b"{}")
    cloud.settle()
    [message] = receive(cloud, "Succeeded")
    document = json.loads(message["Body"])

    assert document["requestContext"]["condition"] == "Success"
    assert document["requestContext"]["approximateInvokeCount"] == 2
    assert document["responsePayload"] == "worked"
    assert "functionError" not in document["responseContext"]


def test_a_bus_is_told_of_a_success(cloud, receive):
    """EventBridge as a destination gets the document as an event of Lambda's."""
    cloud.client("lambda").invoke(FunctionName="Told", InvocationType="Event", Payload=b'{"order": 3}')
    cloud.settle()
    [message] = receive(cloud, "Kept")
    event = json.loads(message["Body"])

    assert event["detail-type"] == "Lambda Function Invocation Result - Success"
    assert event["resources"] == [
        f"arn:aws:events:{ACCOUNT_ARN}:event-bus/results",
        f"arn:aws:lambda:{ACCOUNT_ARN}:function:Told:$LATEST",
    ]
    assert event["detail"]["requestPayload"] == {"order": 3}


def test_the_developers_own_settings_are_left_out(functions, build, monkeypatch):
    """A profile that isn't there, an endpoint and a proxy in the environment don't get between the cloud's parts."""
    monkeypatch.setenv("AWS_PROFILE", "nobody's")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    template = build.template(
        Echo=build.function("worker.echo", events={"T": build.from_topic("Topic")}), Topic=build.topic()
    )
    with Cloud(template, root=functions) as cloud:
        cloud.client("sns").publish(TopicArn=cloud.topic_arn("Topic"), Message="m")
        cloud.settle()

        assert [result.status for result in cloud.results("Echo")] == ["success"]


def test_schedules_fire_on_demand(cloud):
    """A rule gives its input, or EventBridge's scheduled event; each fires on demand, whenever it is due."""
    cloud.fire("EchoRule")
    cloud.fire("EchoRate")
    cloud.settle()
    payloads = [result.payload["event"] for result in cloud.results("Echo")]
    scheduled = next(event for event in payloads if event.get("source") == "aws.events")

    assert {"fixed": 1} in payloads
    assert scheduled["detail-type"] == "Scheduled Event"
    assert scheduled["resources"] == [f"arn:aws:events:{ACCOUNT_ARN}:rule/EchoRate"]
    with pytest.raises(LocalCloudError, match="schedules: EchoRate, EchoRule"):
        cloud.fire("Nobody")


def test_invoke_answers_as_lambda_does(cloud):
    """Payload, error, log tail, client context and request id come as boto3 expects them."""
    client = cloud.client("lambda")
    good = client.invoke(FunctionName=cloud.function("Plain").arn, Payload=b'{"answer": [1]}', LogType="Tail")
    bad = client.invoke(FunctionName="Plain", Payload=b'{"raise": "no"}')
    none = client.invoke(FunctionName="Plain")

    assert json.loads(good["Payload"].read()) == [1]
    assert (good["StatusCode"], good["ExecutedVersion"], good.get("FunctionError")) == (200, "$LATEST", None)
    assert base64.b64decode(good["LogResult"]).decode().rstrip().endswith("Sampled: true")
    assert bad["FunctionError"] == "Unhandled"
    assert json.loads(bad["Payload"].read())["errorType"] == "ValueError"
    assert json.loads(none["Payload"].read()) is None
    assert client.invoke(FunctionName="Plain", InvocationType="DryRun")["StatusCode"] == 204


def test_lambdas_api_refuses_as_lambda_does(cloud):
    """Unknown functions, payloads that aren't JSON or too large, and what isn't there have AWS's error codes."""
    client = cloud.client("lambda")
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="Function not found: Nobody"):
        client.invoke(FunctionName="Nobody")
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName="Plain", Payload=b"{")
    with pytest.raises(client.exceptions.RequestTooLargeException):
        client.invoke(FunctionName="Plain", InvocationType="Event", Payload=b'"' + b"x" * (1 << 20) + b'"')
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="not part of the local cloud"):
        client.get_policy(FunctionName="Plain")


def test_functions_and_mappings_can_be_listed(cloud):
    """What is deployed is seen through Lambda's API."""
    client = cloud.client("lambda")
    names = {function["FunctionName"] for function in client.list_functions()["Functions"]}
    configuration = client.get_function_configuration(FunctionName="Dying")
    mappings = client.list_event_source_mappings()["EventSourceMappings"]

    assert names == {"echo-function", "Quiet", "Dying", "Failing", "Once", "Told", "Plain"}
    assert configuration["DeadLetterConfig"] == {"TargetArn": cloud.queue_arn("Dead")}
    assert client.get_function(FunctionName="Dying")["Configuration"]["Handler"] == "worker.failing"
    assert {mapping["EventSourceArn"] for mapping in mappings} == {
        cloud.queue_arn("Enveloped"),
        cloud.queue_arn("Raw"),
        cloud.queue_arn("Quietly"),
    }


def test_the_output_is_in_cloudwatch_logs(cloud):
    """Every line of a function is an event of its log group, with its time."""
    result = cloud.invoke("Plain", {"print": "for CloudWatch"})
    cloud.settle()
    found = cloud.client("logs").filter_log_events(
        logGroupName="/aws/lambda/Plain", logStreamNames=[result.log_stream]
    )["events"]
    [event] = [event for event in cloud.logs("Plain") if event.message == "for CloudWatch"]

    assert (event.timestamp, event.message) in {(it["timestamp"], it["message"]) for it in found}


def test_unknown_names_say_what_there_is(cloud):
    """Looking up something that isn't there lists what is."""
    for look_up in (cloud.function, cloud.queue_url, cloud.queue_arn, cloud.topic_arn):
        with pytest.raises(LocalCloudError, match="'Nobody'"):
            look_up("Nobody")
    with pytest.raises(LocalCloudError, match="there is none"):
        cloud.api_url()
