"""The event source mappings of a stack, each with the poller that its source needs."""

from collections.abc import Sequence

from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.lambda_service.activity import Clock
from lambda_guard.local.lambda_service.event_source_mapping import EventSourceMapping
from lambda_guard.local.lambda_service.invoker import Invoker
from lambda_guard.local.lambda_service.stream_mapping import StreamMapping
from lambda_guard.templates.stack import MappingDeclaration


class EventSources:
    """Polls every source until `stop`."""

    def __init__(self) -> None:
        self._mappings: list[EventSourceMapping | StreamMapping] = []

    def start(
        self, declared: Sequence[MappingDeclaration], moto: MotoProcess, invoker: Invoker, clock: Clock
    ) -> None:
        """Start the pollers.

        Raises:
            LocalCloudError: a filter is wrong.
        """
        for mapping in declared:
            queue = mapping.source_arn.startswith("arn:aws:sqs:")
            kind = EventSourceMapping if queue else StreamMapping
            self._mappings.append(kind(mapping, moto, invoker, clock))

    def unsettled(self) -> str | None:
        """Return what of a source isn't worked through yet; None where everything is."""
        return next((why for mapping in self._mappings if (why := mapping.unsettled())), None)

    def stop(self) -> None:
        """Take no more messages and records."""
        for mapping in self._mappings:
            mapping.stop()

    def join(self) -> None:
        """Wait for the threads, after `stop` and after the services have ended."""
        for mapping in self._mappings:
            mapping.join()
