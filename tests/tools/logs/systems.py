"""Systems for maps, as their records tell of them: of one function, of thirty, with circles, with long names."""

from ..conftest import ACCOUNT, Logs

LOGS = Logs()
TOPIC = "arn:aws:sns:eu-west-1:123456789012"
ERROR = {"type": "Refused", "message": "declined", "fingerprint": "1f2e"}


class Story:
    """Writes records one after the other, and hands on what was sent."""

    def __init__(self):
        self.lines = []
        self._number = self._message = 0

    def sends(self, *targets):
        """Make entries of `sent`, by ARN."""
        return [self._sent(target) for target in targets]

    def _sent(self, target):
        self._message += 1
        service = target.split(":")[2] if target.startswith("arn:") else "lambda"
        operation = {"sqs": "SendMessage", "sns": "Publish", "events": "PutEvents", "lambda": "Invoke"}[
            service
        ]
        return {
            "service": "eventbridge" if service == "events" else service,
            "operation": operation,
            "target": target,
            "message_id": f"m-{self._message}",
            "span_id": f"s-{self._message}",
        }

    def runs(
        self, function, *, after=(), kind="", source=None, failed=False, sends=(), at=None, took=20.0, **more
    ):
        """Write the record of an invocation with what it received; returns what it sent."""
        self._number += 1
        start = 50.0 * self._number if at is None else at
        sent = self.sends(*sends)
        if after:
            kind = kind or after[0]["service"]
            source = source or after[0]["target"]
            more.setdefault("upstreams", [
                {"trace_id": one.get("trace", LOGS_TRACE), "parent_id": one["span_id"], "message_ids": [one["message_id"]]}
                for one in after
            ])  # fmt: skip
        outcome = {"outcome": "error", "error": ERROR} if failed else {}
        records = max(1, len(after))
        trigger = {"type": kind or "apigateway-v2", "source": source or "shop", "records": records}
        self.lines.append(
            LOGS.record(
                self._number,
                start + took,
                took,
                function=function,
                trigger=trigger,
                sent=sent,
                **{**outcome, **more},
            )
        )
        return sent


LOGS_TRACE = "1-6742a1b5-0123456789abcdef01234567"


def fan_out(count=30):
    """An API whose function publishes to a topic; each subscriber has a queue, and every fifth fails."""
    story = Story()
    for round_ in range(4):
        (event,) = story.runs("intake", sends=[f"{TOPIC}:orders"], at=20_000.0 * round_, took=40.0)
        for number in range(count):
            story.runs(
                f"consumer-{number:02}",
                after=[event],
                kind="sns-sqs",
                source=f"{ACCOUNT}:queue-{number:02}",
                failed=number % 5 == 0 and round_ < 2,
                at=20_000.0 * round_ + 100.0 + 13.0 * number,
                took=10.0 + number,
                MessageAge=60.0 + 13.0 * number,
            )
    return story.lines


def circle():
    """A function that sends to its own queue until nothing is left, and one that invokes itself."""
    story = Story()
    (message,) = story.runs(
        "crawler",
        kind="schedule",
        source="arn:aws:events:eu-west-1:1:rule/nightly",
        sends=[f"{ACCOUNT}:pages"],
    )
    for _ in range(5):
        (message,) = story.runs("crawler", after=[message], sends=[f"{ACCOUNT}:pages"], MessageAge=30.0)
    (call,) = story.runs("indexer", after=[message], sends=["indexer"])
    story.runs("indexer", kind="lambda", source=None, parent_id=call["span_id"])
    return story.lines


def long_names():
    """Names of 64 characters, as stacks give them."""
    story = Story()
    name = "payments-production-eu-west-1-InvoiceGeneratorFunction-{}"
    (one,) = story.runs(
        name.format("A1B2C3D"),
        sends=[f"{ACCOUNT}:payments-production-eu-west-1-InvoiceReminderQueue-1A2B3C4D5E6F"],
    )
    story.runs(name.format("Z9Y8X7W"), after=[one], failed=True, final_attempt=True, attempt=3)
    return story.lines
