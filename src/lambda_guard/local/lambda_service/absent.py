"""The functions of a template that can't run here: who invokes one is refused, and their logs say why."""

import threading
import time
from collections.abc import Iterable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from lambda_guard.local._errors import FunctionAbsentError
from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.runtime.log_group import LogEvent, LogGroup
from lambda_guard.shapes import arns
from lambda_guard.templates.stack import AbsentFunction

STREAM: Final = "local-cloud"
_LOOK_SECONDS: Final = 1.0


class AbsentFunctions:
    """Refuses invocations of absent functions, and says once of each queue that messages wait in it for one.

    Args:
        logs: the absent functions, each with its log group.
        moto: has the queues.
    """

    def __init__(self, logs: Iterable[tuple[AbsentFunction, LogGroup]], moto: MotoProcess) -> None:
        self._logs = {function.name: (function, log) for function, log in logs}
        self._moto = moto
        self._waiting = [(arn, it, log) for it, log in self._logs.values() for arn in it.queues]
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="absent-functions", daemon=True)
        if self._waiting:
            self._thread.start()

    def refuse(self, name_or_arn: str) -> None:
        """Raise FunctionAbsentError, and say it in the function's log, if a function is absent."""
        found = self._logs.get(arns.function(name_or_arn)[0])
        if found is not None:
            _say(found[1], f"invoked, but it doesn't run here: {found[0].reason}")
            raise FunctionAbsentError(f"function {found[0].name} doesn't run here: {found[0].reason}")

    def _watch(self) -> None:
        """Look now and then whether a message is in one of the queues: to receive it would count as an attempt."""
        while self._waiting and not self._closed.wait(_LOOK_SECONDS):
            self._waiting = [entry for entry in self._waiting if not self._said(*entry)]

    def _said(self, arn: str, function: AbsentFunction, log: LogGroup) -> bool:
        name = "ApproximateNumberOfMessages"
        try:
            told: dict[str, Any] = self._moto.client("sqs").get_queue_attributes(
                QueueUrl=self._moto.queue_url(arn), AttributeNames=[name]
            )["Attributes"]
        except (BotoCoreError, ClientError):  # no such queue, or the cloud is closing
            return False
        if int(told[name]):
            queue = arns.name(arn)
            _say(log, f"messages wait in {queue}, which nobody polls: it doesn't run here: {function.reason}")
        return bool(int(told[name]))

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(10)


def _say(log: LogGroup, message: str) -> None:
    log.write(LogEvent(time.time_ns() // 1_000_000, STREAM, f"local cloud: {message}"))
