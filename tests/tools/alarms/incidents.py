"""The incidents of docs/incidents.md: what happens, in the local cloud, and the lines that are left of it.

Each runs for half an hour or more of a clock of its own, on which a minute is over as soon as what happens in it has happened;
the times of all lines are then moved to that clock. What happens does so in the first half of a minute, queues are
measured in the second. From minute 5 on things go wrong. Nothing else is invented, but for
two incidents (`by_hand`) of services that the local cloud doesn't have.
"""

import bisect
import json
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lambda_guard.local import Cloud, Function, LogEvent
from lambda_guard.testing import events
from lambda_guard.tools.alarms.heartbeats import Scheduled

CODE = Path(__file__).parent / "functions"
BEGAN_MS = datetime(2026, 11, 23, 15, tzinfo=UTC).timestamp() * 1000
MINUTE_MS = 60_000
GOES_WRONG = 5
WRONG_MS = BEGAN_MS + GOES_WRONG * MINUTE_MS
WAIT_SECONDS = 240
HANGS = {5, 6, 7, 10, 15}  # each takes a second of our time


def moved(at_ms, marks):
    """Return a moment on the stretched clock: within the half of a minute that it fell into, in proportion.

    Args:
        at_ms: milliseconds since 1970.
        marks: when each half of a minute began, and when the last one was over.
    """
    half = min(max(bisect.bisect_right(marks, at_ms) - 1, 0), len(marks) - 2)
    share = (at_ms - marks[half]) / max(marks[half + 1] - marks[half], 1)
    return BEGAN_MS + (half + min(max(share, 0), 0.999)) * MINUTE_MS / 2


def stamp(ms):
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moved_line(event, marks):
    """Return a log event as a line with its time and stream, in which all times and ages are on the stretched clock."""
    text = event.message
    if text.startswith("{"):
        document = json.loads(text)
        for key in document.keys() & {"timestamp", "time"}:
            at = datetime.fromisoformat(document[key]).timestamp() * 1000
            document[key] = stamp(moved(at, marks))
        if head := document.get("_aws"):
            at = head["Timestamp"]
            for key, unit in (("MessageAge", 1), ("ApproximateAgeOfOldestMessage", 1000)):
                if document.get(key):
                    since = moved(at - document[key] * unit, marks)
                    document[key] = (moved(at, marks) - since) / unit
            head["Timestamp"] = int(moved(at, marks))
        text = json.dumps(document)
    stream = f"{event.stream} " if "[" in event.stream else ""  # without a version it is none of Lambda's
    return f"{stamp(moved(event.timestamp, marks))} {stream}{text}".replace("\n", "\r")


@dataclass(frozen=True)
class Incident:
    """One incident.

    Attributes:
        title: the row in the table.
        act: called for each minute, with the stage and the minute.
        names: the functions, queues and topics whose lines count.
        by_hand: the local cloud hasn't such a service, so the metric is written by hand.
        minutes: how long it is watched.
    """

    title: str
    act: Callable
    names: tuple[str, ...]
    by_hand: bool = False
    minutes: int = 30


@dataclass
class Stage:
    """What an incident has to do with: the cloud, functions of its own, metrics written by hand."""

    cloud: Cloud
    folder: Path
    own: ExitStack = field(default_factory=ExitStack)
    functions: dict = field(default_factory=dict)
    written: list = field(default_factory=list)

    def version(self, name, handler, version, **settings):
        """Return a version of a function, which the cloud doesn't have."""
        if (name, version) not in self.functions:
            made = Function(name=name, handler=handler, code=CODE, version=version, **settings)
            self.functions[name, version] = self.own.enter_context(made)
        return self.functions[name, version]

    def bystander(self):
        """Invoke a function that all goes well with: the logs go on."""
        self.version("Bystander", "incidents.guarded", "$LATEST").invoke({"do": "work"})

    def until(self, what, done):
        """Wait for what the cloud does in its own time."""
        end = time.monotonic() + WAIT_SECONDS
        while not done():
            assert time.monotonic() < end, f"{what} hasn't happened"
            time.sleep(0.02)

    def counted(self, metric, name):
        """Return how often a service counted something."""
        found = [json.loads(it.message) for it in self.cloud.service_metrics.events()]
        return sum(it.get(metric, 0) for it in found if name in it.values())

    def send(self, queue, body):
        self.cloud.client("sqs").send_message(QueueUrl=self.cloud.queue_url(queue), MessageBody=body)

    def write(self, metric, value, name):
        """Write a metric of AWS/Lambda by hand."""
        now = int(time.time() * 1000)
        directive = {
            "Namespace": "AWS/Lambda",
            "Dimensions": [["FunctionName"]],
            "Metrics": [{"Name": metric}],
        }
        head = {"Timestamp": now, "CloudWatchMetrics": [directive]}
        text = json.dumps({"_aws": head, "FunctionName": name, metric: value})
        self.written.append(LogEvent(now, "by-hand", text))

    def events_of(self, names):
        """Return the log events of an incident, by the name of the function, or of what else wrote them."""
        counted = [it for it in self.cloud.service_metrics.events() if names & set(_texts(it.message))]
        found = {"local-cloud": counted, "by-hand": self.written}
        for function in (*self.cloud.functions, *self.functions.values()):
            if function.name in names:
                found.setdefault(function.name, []).extend(function.events())
        return found


def _texts(message):
    return [value for value in json.loads(message).values() if isinstance(value, str)]


def invoking(name, wrong, right="work"):
    """Invoke a function once a minute: it does the one until things go wrong, then the other."""

    def act(stage, minute):
        stage.cloud.invoke(name, {"do": wrong if minute >= GOES_WRONG else right})

    return act


def hanging(stage, minute):
    if minute < GOES_WRONG or minute in HANGS:
        stage.cloud.invoke("Hanging", {"do": "hang" if minute in HANGS else "work"})


def once_in_a_day(stage, minute):
    stage.cloud.invoke("Rarely", {"do": "hang" if minute == GOES_WRONG else "work"})


def filling(stage, minute):
    percent = 40 if minute < GOES_WRONG else 40 + 6 * (minute - GOES_WRONG)
    stage.cloud.invoke("Creeping", {"do": f"fill:{min(percent, 99)}"})


def poisoned(function, queue, dead, only=None):
    """Send a message a minute; from then on, or in one minute alone, one that is never processed."""

    def act(stage, minute):
        bad = minute >= GOES_WRONG if only is None else minute == only
        before, letters = len(stage.cloud.results(function)), stage.cloud.messages(dead)["visible"]
        stage.send(queue, "fail" if bad else "work")
        if bad:
            stage.until("a dead letter", lambda: stage.cloud.messages(dead)["visible"] > letters)
        else:
            stage.until("an invocation", lambda: len(stage.cloud.results(function)) > before)

    return act


def batch_of(*bodies, attempt=1):
    """Return a batch of messages that were sent just now."""
    batch = events.sqs(*bodies, attempt=attempt)
    for record in batch["Records"]:
        record["attributes"]["SentTimestamp"] = str(int(time.time() * 1000))
    return batch


def among_good_ones(stage, minute):
    """Invoke with batches as a mapping would; the queue is left out, which would have the message come back alone."""
    for attempt in (1, 2, 3) if minute >= GOES_WRONG else (1,):
        batch = batch_of("work", "fail" if minute >= GOES_WRONG else "work", attempt=attempt)
        answer = stage.cloud.invoke("Parts", batch).payload
        assert len(answer["batchItemFailures"]) == (minute >= GOES_WRONG)


def crowded(stage, minute):
    if minute < GOES_WRONG:
        stage.cloud.invoke("Crowded", {"do": "work"})
        return
    file, before = stage.folder / f"go-{minute}", stage.counted("Throttles", "Crowded")
    calls = [
        threading.Thread(target=stage.cloud.invoke, args=("Crowded", {"do": f"hold:{file}"}))
        for _ in range(2)
    ]
    for call in calls:
        call.start()
    stage.until("a throttle", lambda: stage.counted("Throttles", "Crowded") > before)
    file.touch()
    for call in calls:
        call.join()


def unread(stage, minute):
    if minute >= GOES_WRONG:
        stage.send("Unread", "work")


def deployed(handler, name, good, bad):
    """Invoke the old version each minute, and the new one, which fails, as soon as it is deployed."""

    def act(stage, minute):
        stage.version(name, f"incidents.{handler}", "1").invoke(good())
        if minute >= GOES_WRONG:
            stage.version(name, f"incidents.{handler}", "2").invoke(bad())

    return act


def without_traffic(stage, minute):
    stage.version("Unvisited", "incidents.versioned", "1").invoke({"do": "work"})


def asynchronous(name, metric):
    """Send an event a minute to a function that fails from then on."""

    def act(stage, minute):
        bad = minute >= GOES_WRONG
        before, dropped = len(stage.cloud.results(name)), stage.counted(metric, name)
        if minute == GOES_WRONG and name == "Undeliverable":
            stage.cloud.client("sqs").delete_queue(QueueUrl=stage.cloud.queue_url("Deleted"))
        if minute == GOES_WRONG and name == "Unburied":
            stage.cloud.client("sqs").delete_queue(QueueUrl=stage.cloud.queue_url("Forgotten"))
        payload = json.dumps({"do": "fail" if bad else "work"})
        stage.cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload)
        if bad:
            stage.until(metric, lambda: stage.counted(metric, name) > dropped)
        else:
            stage.until("an invocation", lambda: len(stage.cloud.results(name)) > before)

    return act


def by_hand(name, metric, right, wrong):
    def act(stage, minute):
        stage.bystander()
        value = right if minute < GOES_WRONG else wrong(minute - GOES_WRONG)
        if value is not None:
            stage.write(metric, value, name)

    return act


def requested(stage, minute):
    stage.cloud.request("GET", "/fail" if minute >= GOES_WRONG else "/work")


def silent(name, every):
    """Call a function that often, until nobody calls it any more; another one goes on."""

    def act(stage, minute):
        stage.bystander()
        if minute < GOES_WRONG and minute % every == 0:
            stage.cloud.invoke(name, {"do": "work"})

    return act


def crowds(stage, minute):
    for _ in range(10 if minute >= GOES_WRONG else 1):
        stage.cloud.invoke("Popular", {"do": "work"})


def slow_starts(stage, minute):
    stage.bystander()
    if minute in {5, 10, 15}:  # an environment lives for some time; three are started, five minutes apart
        function = stage.version("Sluggish", "slow_start.handler", f"{minute}")
        function.invoke({})


def published(stage, minute):
    """Publish two messages a minute."""
    topic = stage.cloud.topic_arn("News")
    stage.bystander()
    if minute == GOES_WRONG:
        gone = "arn:aws:lambda:eu-west-1:123456789012:function:deleted-long-ago"
        stage.cloud.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=gone)
    for _ in range(2):
        stage.cloud.client("sns").publish(TopicArn=topic, Message="news")


INCIDENTS = (
    Incident("every invocation runs into its timeout", hanging, ("Hanging",)),
    Incident("one invocation a day runs into its timeout", once_in_a_day, ("Rarely",)),
    Incident("every invocation fails, of a function without lambda_guard", invoking("Old", "fail"), ("Old",)),
    Incident("killed for its memory", invoking("Killed", "kill"), ("Killed",)),
    Incident("memory is creeping up", filling, ("Creeping",)),
    Incident(
        "a poison message a minute; its batch fails as a whole",
        poisoned("Whole", "WholeQueue", "WholeDead"),
        ("Whole", "WholeQueue", "WholeDead"),
    ),
    Incident(
        "a poison message a minute among good ones; partial batch responses", among_good_ones, ("Parts",)
    ),
    Incident(
        "a poison message a minute, alone; partial batch responses",
        poisoned("Alone", "AloneQueue", "AloneDead"),
        ("Alone", "AloneQueue", "AloneDead"),
    ),
    Incident(
        "one dead letter, of a function without lambda_guard",
        poisoned("OldReader", "OldQueue", "OldDead", only=GOES_WRONG),
        ("OldReader", "OldQueue", "OldDead"),
    ),
    Incident("a queue's consumer is off", unread, ("Unread",), minutes=45),
    Incident("throttled by reserved concurrency", crowded, ("Crowded",)),
    Incident("requests are answered with 500", requested, ("Answering",)),
    Incident(
        "events are dropped after three attempts", asynchronous("Dropped", "AsyncEventsDropped"), ("Dropped",)
    ),
    Incident(
        "… and their destination was deleted",
        asynchronous("Undeliverable", "DestinationDeliveryFailures"),
        ("Undeliverable",),
    ),
    Incident(
        "… and their dead-letter queue was deleted",
        asynchronous("Unburied", "DeadLetterErrors"),
        ("Unburied",),
    ),
    Incident("a topic reaches a subscriber no more", published, ("News",)),
    Incident(
        "a stream's consumer is late",
        by_hand("Streaming", "IteratorAge", 100, lambda minutes: 100 + minutes * MINUTE_MS),
        ("Streaming",),
        by_hand=True,
    ),
    Incident(
        "durable executions fail",
        by_hand("Durable", "DurableExecutionFailed", None, lambda _: 1),
        ("Durable",),
        by_hand=True,
    ),
    Incident("lambda_guard fails in part", invoking("Blind", "break logging"), ("Blind",)),
    Incident("cold starts take 5 s", slow_starts, ("Sluggish",)),
    Incident(
        "the new version raises, the old one doesn't",
        deployed("versioned", "Raising", lambda: {"do": "work"}, lambda: {"do": "fail"}),
        ("Raising",),
    ),
    Incident(
        "the new version fails batch items, the old one doesn't",
        deployed("in_parts_versioned", "Picky", lambda: batch_of("work"), lambda: batch_of("work", "fail")),
        ("Picky",),
    ),
    Incident("the new version sees no traffic", without_traffic, ("Unvisited",)),
    Incident("a schedule doesn't call its function any more", silent("Scheduled", 5), ("Scheduled",)),
    Incident("one of many functions isn't called any more", silent("Silent", 1), ("Silent",)),
    Incident("ten times the usual traffic", crowds, ("Popular",)),
)
DEAD_LETTER_QUEUES = ("WholeDead", "AloneDead", "OldDead")
QUEUES = ("WholeQueue", "AloneQueue", "OldQueue", "Unread")
SCHEDULED = (Scheduled("Scheduled", "Scheduled", "rate(5 minutes)"),)
VERSIONED = ("Raising", "Picky", "Unvisited")


def template():
    """Return the SAM template of the functions, queues and topics of all incidents."""
    resources = {"News": {"Type": "AWS::SNS::Topic"}, "Unread": {"Type": "AWS::SQS::Queue"}}
    for name in ("Hanging", "Rarely", "Killed", "Blind", "Scheduled", "Silent", "Popular", "Dropped"):
        resources[name] = _function("guarded", Timeout=1 if name in {"Hanging", "Rarely"} else 30)
    resources["Parts"] = _function("in_parts")
    resources["Creeping"] = _function("guarded", MemorySize=256)
    resources["Old"] = _function("plain")
    resources["Crowded"] = _function("guarded", ReservedConcurrentExecutions=1, Timeout=240)
    for name, handler, queue in (
        ("Whole", "whole", "Whole"),
        ("Alone", "in_parts", "Alone"),
        ("OldReader", "plain_records", "Old"),
    ):
        mapping = {"Queue": {"Fn::GetAtt": [f"{queue}Queue", "Arn"]}, "BatchSize": 1}
        if handler == "in_parts":
            mapping["FunctionResponseTypes"] = ["ReportBatchItemFailures"]
        resources[name] = _function(handler, Events={"Messages": {"Type": "SQS", "Properties": mapping}})
        redrive = {"deadLetterTargetArn": {"Fn::GetAtt": [f"{queue}Dead", "Arn"]}, "maxReceiveCount": 3}
        resources[f"{queue}Queue"] = {
            "Type": "AWS::SQS::Queue",
            "Properties": {"RedrivePolicy": redrive, "VisibilityTimeout": 180},
        }
        resources[f"{queue}Dead"] = {"Type": "AWS::SQS::Queue"}
    every = {"Type": "HttpApi", "Properties": {"Path": "/{proxy+}", "Method": "ANY"}}
    resources["Answering"] = _function("answering", Events={"Every": every})
    resources["Deleted"] = resources["Forgotten"] = {"Type": "AWS::SQS::Queue"}
    failed = {"OnFailure": {"Type": "SQS", "Destination": {"Fn::GetAtt": ["Deleted", "Arn"]}}}
    resources["Undeliverable"] = _function("guarded", EventInvokeConfig={"DestinationConfig": failed})
    letters = {"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["Forgotten", "Arn"]}}
    resources["Unburied"] = _function("guarded", DeadLetterQueue=letters)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Globals": {"Function": {"Runtime": "python3.12", "CodeUri": ".", "Timeout": 30}},
        "Resources": resources,
    }


def _function(handler, **properties):
    variables = {"LAMBDA_GUARD_MAX_RECEIVE_COUNT": "3"}
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "Handler": f"incidents.{handler}",
            "Environment": {"Variables": variables},
            **properties,
        },
    }


def collected():
    """Let all incidents happen, several at a time; return the lines by title, then by who wrote them."""
    order = sorted(INCIDENTS, key=lambda it: it.act is not slow_starts)  # what waits most is begun first
    with (
        Cloud(template(), root=CODE, speed=3000) as cloud,
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(4) as pool,
    ):
        lines = dict(zip(order, pool.map(lambda it: _lines(it, cloud, Path(folder)), order), strict=True))
    return {it.title: lines[it] for it in INCIDENTS}


def _lines(incident, cloud, folder):
    stage, marks = Stage(cloud, folder), []
    with stage.own:
        for minute in range(incident.minutes):
            marks.append(_now_ms())
            incident.act(stage, minute)
            marks.append(_now_ms())
            if queues := [name for name in incident.names if name in (*QUEUES, *DEAD_LETTER_QUEUES)]:
                cloud.measure(*queues)
        marks.append(_now_ms())
        names = {*incident.names, *(name for name, _ in stage.functions)}
        return {
            source: [moved_line(event, marks) for event in sorted(events, key=lambda it: it.timestamp)]
            for source, events in stage.events_of(names).items()
        }


def _now_ms():
    """Return a moment that is later than all that was written before, which is in whole milliseconds."""
    time.sleep(0.002)
    return int(time.time() * 1000)
