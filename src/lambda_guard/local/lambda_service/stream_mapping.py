"""Event source mappings of streams: read each shard in order, invoke the function, retry, split, give up.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html,
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html.

A record of a stream has no trace header: the invocation of a batch starts a trace of its own, which Lambda samples.
"""

import json
import logging
import threading
import time
import uuid
import zlib
from collections import deque
from typing import Final

from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.lambda_service.activity import Clock
from lambda_guard.local.lambda_service.event_source_mapping import failed_message_ids
from lambda_guard.local.lambda_service.filtering import RecordFilter
from lambda_guard.local.lambda_service.invoker import Invoker
from lambda_guard.local.lambda_service.streams import Stream, StreamRecord, open_stream
from lambda_guard.local.runtime.platform_log import now_text
from lambda_guard.local.runtime.result import InvocationResult
from lambda_guard.shapes import streams
from lambda_guard.templates.stack import MappingDeclaration

_POLL_SECONDS: Final = 0.25
"""How often a shard is read that has nothing: "at a base rate of 4 times per second", for tables."""
_QUIET_READS: Final = 60
_IDLE_SECONDS: Final = 1.0
"""The same where there has been nothing for a while: "at a base rate of once per second", for Kinesis."""
_PAUSE_SECONDS: Final = (0.1, 10.0)
"""The first pause before a retry, and the longest: AWS documents none; a failing function would run all the time."""
_FIRST: Final = "TRIM_HORIZON"
"""Where reading begins in a stream that is newer than its mapping, whatever the mapping says."""
_EVENT_BYTES_MOST: Final = 6 * 1024 * 1024
_log = logging.getLogger(__name__)


class StreamMapping:
    """Reads one stream for one function until `stop`; a stream that doesn't exist yet is read from when it does."""

    def __init__(
        self, declaration: MappingDeclaration, moto: MotoProcess, invoker: Invoker, clock: Clock
    ) -> None:
        self.declaration = declaration
        self._moto, self.invoker, self.clock = moto, invoker, clock
        self.filter = RecordFilter(declaration, moto)
        self.closed = threading.Event()
        self._lanes: tuple[Lane, ...] = ()
        self._opening = threading.Lock()
        self._waiter = threading.Thread(target=self._wait, name="esm-stream", daemon=True)
        if not self._open(declaration.starting_position):
            self._waiter.start()

    def _open(self, position: str) -> bool:
        """Begin to read, unless that has begun; False where the stream doesn't exist."""
        with self._opening:
            if self._lanes or self.closed.is_set():
                return True
            stream = open_stream(self.declaration, self._moto)
            if stream is None:
                return False
            self._lanes = tuple(
                Lane(
                    self,
                    stream,
                    shard,
                    number,
                    stream.iterator(shard, position, self.declaration.starting_timestamp),
                )
                for shard in stream.shards()
                for number in range(self.declaration.parallelization)
            )
            for lane in self._lanes:
                lane.start()
            return True

    def _wait(self) -> None:
        _log.warning(
            "%s: %s doesn't exist yet, and is read once it does",
            self.declaration.logical_id,
            self.declaration.source_arn,
        )
        while not self.closed.wait(_POLL_SECONDS):
            try:
                if self._open(_FIRST):
                    return
            except Exception:
                if not self.closed.is_set():
                    _log.exception("%s can't be read", self.declaration.source_arn)

    def unsettled(self) -> str | None:
        """Return what of the stream isn't worked through yet; None where everything is."""
        now = time.monotonic()
        self._open(_FIRST)
        for lane in self._lanes:
            if not lane.read_up(now):
                return f"{lane.stream.arn} has records for {self.declaration.function}"
        return None

    def stop(self) -> None:
        """Take no more records."""
        self.closed.set()
        for lane in self._lanes:
            lane.wake()

    def join(self) -> None:
        """Wait for the threads, after `stop` and after the services have ended."""
        for thread in (self._waiter, *self._lanes):
            if thread.ident is not None:
                thread.join(10)


class Lane(threading.Thread):
    """One of the batches of a shard that are at work at once: it takes the records whose keys fall to it, in order."""

    def __init__(
        self, mapping: StreamMapping, stream: Stream, shard: str, number: int, iterator: str
    ) -> None:
        super().__init__(name=f"esm-{shard}-{number}", daemon=True)
        self.stream = stream
        self._declaration = mapping.declaration
        self._invoker, self._speed = mapping.invoker, mapping.clock.speed
        self._filter, self._closed = mapping.filter, mapping.closed
        self._shard, self._number, self._iterator = shard, number, iterator
        self._pending: deque[StreamRecord] = deque()
        self._changed = threading.Condition()
        self._woken = False
        self._read_up = 0.0
        self._empty_reads = 0

    def run(self) -> None:
        """Work until the mapping is stopped."""
        batch: list[StreamRecord] = []
        while not self._closed.is_set():
            try:
                batch = batch or self._gather()
                self._work(batch)
                batch = []
            except Exception:
                if not self._closed.wait(_POLL_SECONDS):
                    _log.exception("%s of %s is read again", self._shard, self.stream.arn)

    # --- Reading --------------------------------------------------------------------------------------------

    def _gather(self) -> list[StreamRecord]:
        """Return a batch: the records that are there, and those that arrive within the batching window."""
        wanted, until = self._declaration.batch_size, 0.0
        while not self._closed.is_set() and len(self._pending) < wanted:
            self._read(wanted - len(self._pending))
            if not self._pending:
                continue
            until = until or time.monotonic() + self._declaration.batching_window / self._speed
            if time.monotonic() >= until:
                break
        return self._taken(wanted)

    def _read(self, limit: int) -> None:
        """Read the next records; where there are none, wait a moment."""
        began = time.monotonic()
        records, following = self.stream.read(self._shard, self._iterator, min(limit, self.stream.page))
        own = [record for record in records if self._is_own(record)]
        passing = self._filter.passing(own, lambda record: record.seen)
        self._pending += [record for record, passes in zip(own, passing, strict=True) if passes]
        self._empty_reads = 0 if records else self._empty_reads + 1
        if records:
            self._iterator = following
            return
        with self._changed:
            if not self._pending:
                self._read_up = began
                self._changed.notify_all()
            pause = _POLL_SECONDS if self._empty_reads < _QUIET_READS else _IDLE_SECONDS
            self._changed.wait_for(lambda: self._woken or self._closed.is_set(), pause)
            self._woken = False

    def _is_own(self, record: StreamRecord) -> bool:
        return zlib.crc32(record.key.encode()) % self._declaration.parallelization == self._number

    def _taken(self, most: int) -> list[StreamRecord]:
        """Take a batch of the records that were read, as many as one event holds."""
        batch, size = list[StreamRecord](), 0
        while self._pending and len(batch) < most:
            size += len(self._pending[0].text) + 2
            if batch and size > _EVENT_BYTES_MOST:
                break
            batch.append(self._pending.popleft())
        return batch

    def wake(self) -> None:
        """Read at once."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def read_up(self, since: float) -> bool:
        """Whether nothing is left that was in the shard at a moment, in `time.monotonic`; it waits for a second."""
        self.wake()
        with self._changed:
            return self._changed.wait_for(lambda: self._read_up >= since, 1.0)

    # --- Working --------------------------------------------------------------------------------------------

    def _work(self, records: list[StreamRecord]) -> None:
        """Send records until each is done or given up.

        "Splitting a batch doesn't consume the retry quota"; where a part of a batch succeeds, "the batch is bisected at
        the returned sequence number and Lambda retries only the remaining records":
        https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html#streams-batchfailurereporting-bisect
        """
        waiting: list[tuple[list[StreamRecord], int]] = [(records, 0)]
        attempts, last = 0, None
        while waiting and not self._closed.is_set():
            batch, retries = waiting.pop()
            if not (batch := self._young(batch, attempts, last)):
                continue
            result = self._invoke(batch)
            if result is None:  # nothing was invoked: no attempt
                waiting.append((batch, retries))
                self._pause(retries)
                continue
            attempts, last = retries + 1, result
            done = self._done(result, batch)
            rest = batch[done:]
            if rest and self._declaration.bisect and len(batch) > 1:
                middle = 0 if done else (len(rest) + 1) // 2
                waiting += [(part, retries) for part in (rest[middle:], rest[:middle]) if part]
            elif rest and retries == self._declaration.retry_attempts:
                self._give_up(rest, "RetryAttemptsExhausted", attempts, result)
            elif rest:
                waiting.append((rest, retries + 1))
                self._pause(retries)

    def _invoke(self, batch: list[StreamRecord]) -> InvocationResult | None:
        event = f'{{"Records": [{", ".join(record.text for record in batch)}]}}'
        try:
            return self._invoker.invoke(self._declaration.function, event.encode())
        except LocalCloudError:
            return None

    def _done(self, result: InvocationResult, batch: list[StreamRecord]) -> int:
        """Return how many records are done: those before the lowest sequence number that failed."""
        if result.function_error is not None:
            return 0
        if not self._declaration.report_batch_item_failures:
            return len(batch)
        numbers = [record.sequence_number for record in batch]
        failed = failed_message_ids(result.payload, numbers)
        return next((index for index, number in enumerate(numbers) if number in failed), len(batch))

    def _young(
        self, batch: list[StreamRecord], attempts: int, last: InvocationResult | None
    ) -> list[StreamRecord]:
        """Return the records that aren't older than they may be, in AWS's time; the others are given up."""
        most = self._declaration.record_age
        if most is None:
            return batch
        now = time.time()
        old = sum((now - record.arrived) * self._speed > most for record in batch)  # they are in order
        if old:
            self._give_up(batch[:old], "RecordAgeExceeded", attempts, last)
        return batch[old:]

    def _give_up(
        self, batch: list[StreamRecord], condition: str, attempts: int, last: InvocationResult | None
    ) -> None:
        function, arn = self._declaration.function, self._declaration.on_failure
        _log.warning("%s of %s given up for %s: %s", len(batch), self.stream.arn, function, condition)
        if arn is None or (deployed := self._invoker.find(function)) is None:
            return
        request_id = last.request_id if last is not None else str(uuid.uuid4())
        document = streams.discarded_batch(
            [record.event for record in batch],
            stream_arn=self.stream.arn,
            shard_id=self._shard,
            function_arn=deployed.function.arn,
            condition=condition,
            attempts=attempts,
            request_id=request_id,
            function_error=last.function_error if last is not None else None,
            timestamp=now_text(),
        )
        self._invoker.to_destination(function, request_id, arn, json.dumps(document))

    def _pause(self, retries: int) -> None:
        first, most = _PAUSE_SECONDS
        self._closed.wait(min(first * 2 ** min(retries, 10), most) / self._speed)
