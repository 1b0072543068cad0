"""Where letters go: found by themselves, or as typed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from lambda_guard.shapes import arns
from lambda_guard.tools.aws import Clients, CloudError
from lambda_guard.tools.dlq.claims import Claim, claim_of, holds
from lambda_guard.tools.dlq.errors import DeadLetterError, asked
from lambda_guard.tools.dlq.letter import Letter, Origin
from lambda_guard.tools.dlq.queue import Queue, find_queue, sources_of

SOURCE: Final = "source"
_ASK: Final = "name a target with --to"


@dataclass(slots=True, frozen=True)
class Target:
    """Where a letter goes.

    Attributes:
        address: a queue's URL; a function's name or ARN.
        subscription: the SNS subscription whose delivery is repeated: a function gets SNS's event then.
    """

    kind: Literal["queue", "function", "stream"]
    address: str
    subscription: str = ""

    @property
    def name(self) -> str:
        """A short name: `orders`, `billing:live`."""
        if self.kind == "queue":
            return arns.name(self.address)
        name, qualifier = arns.function(self.address)
        return f"{name}:{qualifier}" if qualifier not in {"", "$LATEST"} else name

    @property
    def fifo(self) -> bool:
        """Whether it keeps an order: only such queues have names that end so."""
        return self.kind == "queue" and self.address.endswith(".fifo")


class NoTargetError(DeadLetterError):
    """A letter can't be replayed; the message says why, and stands in the summary."""


class TargetFinder:
    """Finds the target of each letter; what was asked of AWS once is remembered.

    Args:
        queue: the dead-letter queue.
        to: `source`, a queue's URL or ARN, `queue:NAME`, a function's ARN, or `function:NAME`.

    Raises:
        DeadLetterError: `to` is none of these.
        CloudError: there is no such queue or function, or AWS could not be asked.
    """

    def __init__(self, queue: Queue, clients: Clients, to: str = SOURCE) -> None:
        self._queue = queue
        self._clients = clients
        self._given = None if to == SOURCE else self._typed(to)
        self._once_found: dict[tuple[object, ...], Target | NoTargetError] = {}

    def target_of(self, letter: Letter) -> Target:
        """Find where a letter goes.

        Raises:
            NoTargetError: it can't be found, or the letter can't go there.
        """
        if letter.origin is Origin.STREAM:
            if self._given is not None and self._given.kind == "function":
                return Target("stream", self._given.address)
            return self._confirmed(letter, Target("stream", letter.target))
        if letter.problem:
            raise NoTargetError(letter.problem)
        if self._given is None:
            return self._found(letter)
        is_function = self._given.kind == "function"
        if is_function and letter.origin is Origin.QUEUE:
            raise NoTargetError(
                "it is a queue's message: a function would lose it in a partial batch response"
            )
        if is_function and letter.event is None and letter.payload != "null":
            raise NoTargetError("its body isn't JSON, so that no function takes it")
        return self._given

    def _typed(self, to: str) -> Target:
        kind, _, name = map(str.strip, to.partition(":"))
        if to.startswith(("https://", "http://", "arn:")):
            kind, name = "function" if to.startswith("arn:") and ":function:" in to else "queue", to
        if kind == "function" and name:
            with asked(f"find the function {name}"):
                self._clients("lambda").get_function_configuration(FunctionName=name)
            return Target("function", name)
        if kind == "queue" and name:
            return self._typed_queue(name)
        raise DeadLetterError(
            f"--to {to!r}: write source, a queue's URL or ARN, queue:NAME, or function:NAME (or its ARN)"
        )

    def _typed_queue(self, text: str) -> Target:
        target = find_queue(text, self._clients("sqs"))
        if target.url == self._queue.url or target.arn == self._queue.arn:
            raise DeadLetterError(f"--to {text!r} is the dead-letter queue itself")
        return Target("queue", target.url)

    def _found(self, letter: Letter) -> Target:
        if letter.origin is Origin.UNKNOWN:
            return self._once(self._source)
        if letter.origin is Origin.SUBSCRIPTION:
            return self._once(self._subscriber, letter.topic)
        if letter.origin is Origin.FUNCTION:
            function = letter.failure.function
            if not function:
                return self._once(self._function)
            return self._confirmed(letter, Target("function", function))
        target = self._once(self._at, letter.target)
        if letter.origin is Origin.QUEUE:  # whose source is SQS's own word
            return target
        return self._confirmed(letter, target, letter.target)

    def _confirmed(self, letter: Letter, target: Target, named: str = "") -> Target:
        """Return a target that the letter names, if it isn't only the letter that says so."""
        return self._once(self._confirm, claim_of(letter, named or target.address), target)

    def _confirm(self, claim: Claim, target: Target) -> Target:
        kind = "queue" if target.kind == "queue" else "function"
        told = f"{claim.origin.explained.partition(':')[0]}, by its own word, of {claim.sender}"
        word = f"--to {kind}:{target.name} takes the letters at their word; select them with --where"
        try:
            if holds(claim, self._queue, self._clients):
                return target
        except CloudError as error:
            raise NoTargetError(
                f"from {told}; whether that is true can't be read ({error}): {word}"
            ) from error
        raise NoTargetError(
            f"from {told}, which sends no failures here: anyone who may send messages to this queue can "
            f"write that; {word}"
        )

    def _once(self, find: Callable[..., Target], *asked: object) -> Target:
        """Remember what was found, and why nothing was: ten thousand letters would ask the same."""
        key = (find, *asked)
        if key not in self._once_found:
            try:
                self._once_found[key] = find(*asked)
            except NoTargetError as error:
                self._once_found[key] = error
        found = self._once_found[key]
        if isinstance(found, NoTargetError):
            raise NoTargetError(str(found))
        return found

    def _at(self, address: str) -> Target:
        if address.startswith(("https://", "http://")):
            return Target("queue", address)
        arn = arns.parse(address)
        if arn is not None and arn.service == "sqs":
            return self._once(self._queue_of_arn, address)
        if (arn is not None and arn.service == "lambda") or (address and not address.startswith("arn:")):
            return Target("function", address)
        raise NoTargetError(f"it was bound for {address or 'nobody knows where'}: {_ASK}")

    def _queue_of_arn(self, arn: str) -> Target:
        """The source that a letter names must be there; that its attributes can't be read doesn't matter."""
        parsed = arns.parse(arn)
        region, account, name = (parsed.region, parsed.account, parsed.resource) if parsed else ("", "", arn)
        if region != arns.region(self._queue.arn):
            raise NoTargetError(f"it was bound for {arn}, in another region: it can't be sent from here")
        try:
            with asked(f"find the queue {name}"):
                answer = self._clients("sqs").get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
        except CloudError as error:
            raise NoTargetError(f"it came from {arn}, which can't be reached ({error})") from error
        return Target("queue", answer["QueueUrl"])

    def _source(self) -> Target:
        """A letter without any sign: the one queue whose redrive policy names this one."""
        try:
            sources = sources_of(self._queue, self._clients("sqs"))
        except CloudError as error:
            raise NoTargetError(f"its origin is not known: {_ASK} ({error})") from error
        if not sources:
            raise NoTargetError(
                f"its origin is not known, and no queue's redrive policy names this one: {_ASK}"
            )
        if len(sources) > 1:
            raise NoTargetError(f"it may be from {', '.join(sorted(map(arns.name, sources)))}: {_ASK}")
        return Target("queue", sources[0])

    def _function(self) -> Target:
        """A function's dead letter doesn't name it: the one function whose letters go here."""
        try:
            with asked("list the functions, to find whose dead letters these are"):
                pages = self._clients("lambda").get_paginator("list_functions").paginate()
                found = [one for page in pages for one in page["Functions"] if self._is_fed_by(one)]
        except CloudError as error:
            raise NoTargetError(
                f"its function is not known: name its logs (--logs), or {_ASK} ({error})"
            ) from error
        if len(found) != 1:
            names = ", ".join(sorted(one["FunctionName"] for one in found)) or "no function has this queue"
            raise NoTargetError(f"its function is not known ({names}): name its logs (--logs), or {_ASK}")
        return Target("function", found[0]["FunctionName"])

    def _is_fed_by(self, function: dict[str, Any]) -> bool:
        return bool(function.get("DeadLetterConfig", {}).get("TargetArn") == self._queue.arn)

    def _subscriber(self, topic: str) -> Target:
        """A subscription's ARN is its topic's with an id behind it."""
        named = topic.count(":") > 5  # noqa: PLR2004 - the fields of a topic's ARN
        try:
            with asked(f"find the subscription of {topic}"):
                sns, arns = self._clients("sns"), [topic] if named else self._subscriptions(topic)
                found = [sns.get_subscription_attributes(SubscriptionArn=arn) for arn in arns]
        except CloudError as error:
            raise NoTargetError(f"its subscription is not known: {_ASK} ({error})") from error
        ours = [one["Attributes"] for one in found if self._is_dead_letters(one["Attributes"])]
        if len(ours) != 1:
            raise NoTargetError(f"{len(ours)} subscriptions of {topic} have this dead-letter queue: {_ASK}")
        return self._endpoint(ours[0])

    def _subscriptions(self, topic: str) -> list[str]:
        pages = self._clients("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        arns = [one["SubscriptionArn"] for page in pages for one in page["Subscriptions"]]
        return [arn for arn in arns if arn.startswith("arn:")]

    def _is_dead_letters(self, attributes: dict[str, str]) -> bool:
        policy = json.loads(attributes.get("RedrivePolicy") or "{}")
        return bool(policy.get("deadLetterTargetArn") == self._queue.arn)

    def _endpoint(self, attributes: dict[str, str]) -> Target:
        protocol, endpoint = attributes.get("Protocol"), attributes.get("Endpoint", "")
        if protocol == "sqs":
            return self._once(self._queue_of_arn, endpoint)
        if protocol == "lambda":
            return Target("function", endpoint, attributes.get("SubscriptionArn", ""))
        raise NoTargetError(
            f"it was bound for {protocol} {endpoint}, which can't be called from here: {_ASK}"
        )
